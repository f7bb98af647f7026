"""What the courses train, number for number: nets, data, batches, optimizers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from . import data, nets


@dataclass
class Split:
    """Images, float32 in 0..1 (n, 1, 32, 32) or (n, 784), and labels, int64 (n)."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: str) -> Split:
        return Split(self.images.to(device), self.labels.to(device))

    def head(self, count: int) -> Split:
        """The first `count` of them, without a copy."""
        return Split(self.images[:count], self.labels[:count])


@dataclass(frozen=True)
class Course:
    """One net as its course trains it."""

    name: str
    title: str
    batch: int
    size: int
    """Training images of an epoch."""
    macs: int
    """Multiply-adds to train on one image: forward, and twice that backward less the gradient of the input."""
    chunk: int
    """Steps of a timed piece: long enough to time, short enough to see disturbances; divides the steps of an epoch."""
    shuffled: bool

    def net(self, seed: int) -> nn.Module:
        """A fresh net on the CPU; its weights depend on the seed alone."""
        generator = torch.Generator().manual_seed(seed)
        return nets.LeNet(generator) if self.name == "lenet" else nets.MLP(generator)

    def optimizer(self, parameters: Iterable[nn.Parameter], capturable: bool = False) -> torch.optim.Optimizer:
        """The course's optimizer, in its fused form: the same arithmetic in one pass over the weights."""
        if self.name == "lenet":
            return torch.optim.Adam(parameters, lr=nets.LENET_RATE, fused=True, capturable=capturable)
        return torch.optim.SGD(parameters, lr=nets.MLP_RATE, fused=True)

    def permutation(self, generator: torch.Generator) -> Tensor | None:
        """An epoch's order of the training images; None: as in the files, since the MLP's notebook never shuffles."""
        return torch.randperm(self.size, generator=generator) if self.shuffled else None

    def load(self, folder: Path) -> dict[str, Split]:
        """Checked data on the CPU: `train`, `test` and, where the course keeps some back, `validation`.

        Raises data.DataError.
        """
        everything, test = self._split(folder, "train"), self._split(folder, "t10k")
        cut = len(everything) - self.size
        splits = {"train": Split(everything.images[cut:], everything.labels[cut:]), "test": test}
        return splits | ({"validation": everything.head(cut)} if cut else {})

    def _split(self, folder: Path, prefix: str) -> Split:
        names = [f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte"]
        (shape, pixels), (_, labels) = (data.read_checked(folder, name, data.SHA256[name]) for name in names)
        raw = torch.frombuffer(bytearray(pixels), dtype=torch.uint8).reshape(shape)
        edge = 2 if self.name == "lenet" else 0
        images = torch.zeros(shape[0], 1, *(length + 2 * edge for length in shape[1:]))
        # Straight into the padded place: each further pass over the images would cost a quarter of a second.
        torch.div(raw, 255, out=images[:, 0, edge : edge + shape[1], edge : edge + shape[2]])
        images = images if edge else images.flatten(1)
        return Split(images, torch.frombuffer(bytearray(labels), dtype=torch.uint8).long())


COURSES = {
    # CarND-LeNet-Lab: TensorFlow 1's read_data_sets keeps the first 5,000 images for validation.
    "lenet": Course("lenet", "LeNet-5", batch=128, size=55_000, macs=1_131_960, chunk=43, shuffled=True),
    # deep-learning-v2-pytorch, mnist_mlp: no validation set, and a loader that does not shuffle.
    "mlp": Course("mlp", "the MLP", batch=20, size=60_000, macs=1_604_608, chunk=100, shuffled=False),
}

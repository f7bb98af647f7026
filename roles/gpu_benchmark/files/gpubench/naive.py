"""The way of most notebooks and "GPU checks", to show in the same run how little it says: a loader that handles every
image by itself, the stock optimizer, and a question to the device after each step."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Sampler, SequentialSampler

from . import nets
from .courses import Course, Split
from .trainer import Trainer


class _Images(Dataset[tuple[Tensor, int]]):
    """Bytes to a padded float image, one at a time, as torchvision's ToTensor and Pad do it."""

    def __init__(self, split: Split, pad: int) -> None:
        flat = split.images.dim() == 2
        images = split.images.view(-1, 28, 28) if flat else split.images[:, 0, pad : 32 - pad, pad : 32 - pad]
        self.raw = (images.cpu() * 255).round().to(torch.uint8)
        self.labels, self.pad = split.labels.tolist(), pad

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = self.raw[index].unsqueeze(0).to(torch.float32).div(255)
        return (nn.functional.pad(image, [self.pad] * 4) if self.pad else image), self.labels[index]


class _Listed(Sampler[int]):
    """The images in a given order."""

    def __init__(self, order: list[int]) -> None:
        self.order = order

    def __len__(self) -> int:
        return len(self.order)

    def __iter__(self) -> Iterator[int]:
        return iter(self.order)


class NaiveTrainer(Trainer):
    """The notebooks' loop, on the device that `net` is on."""

    style = "naive"

    def __init__(self, course: Course, net: nn.Module, train: Split, seed: int) -> None:
        super().__init__(course, net, train, seed)
        lenet = isinstance(net, nets.LeNet)
        self.forward = self._lenet if lenet else self._mlp
        self.images = _Images(train, pad=2 if lenet else 0)
        stock = torch.optim.Adam if lenet else torch.optim.SGD
        self.optimizer = stock(net.parameters(), lr=nets.LENET_RATE if lenet else nets.MLP_RATE)

    def _lenet(self, images: Tensor) -> Tensor:
        """ReLU before the pool, as the lab writes it."""
        net = self.net
        hidden = net.pool(torch.relu(net.conv1(images)))
        hidden = net.pool(torch.relu(net.conv2(hidden)))
        return net.head(hidden.flatten(1))

    def _mlp(self, images: Tensor) -> Tensor:
        return self.net(images.view(-1, 784))

    def begin(self, permutation: Tensor | None) -> None:
        sampler = SequentialSampler(self.images) if permutation is None else _Listed(permutation.tolist())
        self.batches = iter(DataLoader(self.images, batch_size=self.course.batch, sampler=sampler, num_workers=0))
        self.total = 0.0

    def run(self, start: int, stop: int) -> None:
        device = self.train.labels.device
        for _ in range(start, stop):
            images, labels = (part.to(device) for part in next(self.batches))
            self.optimizer.zero_grad()
            loss = nn.functional.cross_entropy(self.forward(images), labels)
            loss.backward()
            self.optimizer.step()
            self.total += loss.item() * len(labels)

    def loss(self) -> float:
        return self.total / len(self.train)

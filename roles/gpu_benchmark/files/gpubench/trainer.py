"""What every way of training offers to the clock: prepare an epoch, run some of its steps, tell the loss."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from .courses import Course, Split


class Trainer(ABC):
    """Trains `net` in place on `train`, batch by batch, as `course` says."""

    style: str

    def __init__(self, course: Course, net: nn.Module, train: Split, seed: int) -> None:
        """Take what is trained; the seed fixes what the training itself draws, as dropout does."""
        torch.manual_seed(seed)
        self.course, self.net, self.train = course, net, train
        self.steps = -(-len(train) // course.batch)

    @abstractmethod
    def begin(self, permutation: Tensor | None) -> None:
        """Prepare an epoch over the images in this order; None: as they are."""

    @abstractmethod
    def run(self, start: int, stop: int) -> None:
        """Train on the batches `start` to `stop` (not included) of the epoch; in order, each once."""

    @abstractmethod
    def loss(self) -> float:
        """The mean training loss over the images of the finished epoch; waits for the device."""

    def epoch(self, permutation: Tensor | None) -> float:
        """A whole epoch without a clock; its mean loss."""
        self.begin(permutation)
        self.run(0, self.steps)
        return self.loss()


@torch.no_grad()
def accuracy(net: nn.Module, split: Split) -> float:
    """Share of images classified rightly, 0..1, without dropout."""
    net.eval()
    pieces = zip(split.images.split(1000), split.labels.split(1000), strict=True)
    right = torch.stack([(net(images).argmax(1) == labels).sum() for images, labels in pieces]).sum()
    net.train()
    return int(right) / len(split)

"""PyTorch's ordinary way without its waste: data on the device, one gather an epoch, no question in between."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .courses import Course, Split
from .trainer import Trainer


class EagerTrainer(Trainer):
    """Autograd and a fused optimizer, on any device; `train` and `net` are on it."""

    style = "eager"

    def __init__(self, course: Course, net: nn.Module, train: Split, seed: int) -> None:
        super().__init__(course, net, train, seed)
        # Measured on a CPU: a step takes 15 % less time with the channels innermost.
        self.layout = torch.channels_last if train.images.dim() == 4 else torch.contiguous_format
        net.to(memory_format=self.layout)
        self.optimizer = course.optimizer(net.parameters())
        self.shuffled = Split(train.images.contiguous(memory_format=self.layout), train.labels)

    def begin(self, permutation: Tensor | None) -> None:
        if permutation is not None:
            order = permutation.to(self.train.labels.device)
            images = self.train.images[order].contiguous(memory_format=self.layout)
            self.shuffled = Split(images, self.train.labels[order])
        batch = self.course.batch
        self.batches = list(zip(self.shuffled.images.split(batch), self.shuffled.labels.split(batch), strict=True))
        self.total = torch.zeros((), device=self.train.labels.device)

    def run(self, start: int, stop: int) -> None:
        for images, labels in self.batches[start:stop]:
            self.optimizer.zero_grad(set_to_none=True)
            loss = nn.functional.cross_entropy(self.net(images), labels)
            loss.backward()
            self.optimizer.step()
            self.total += loss.detach() * len(labels)

    def loss(self) -> float:
        return float(self.total) / len(self.train)

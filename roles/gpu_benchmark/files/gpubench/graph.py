"""For a GPU: the whole step, from picking the batch to the update, captured once and replayed without Python.

Small nets are bound by the launching of kernels, so replaying a recorded graph of them is what gets near the limit.
The recorder is handed in: `capture` on CUDA, and `immediate` where nothing can be recorded, which is how
a machine without a GPU tests everything but the recording itself.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from .courses import Course, Split
from .trainer import Trainer

Step = Callable[[], None]
_WARM_UP = 3
"""Runs before recording, which PyTorch asks for: libraries set themselves up in them."""


def immediate(step: Step) -> Step:
    """Record nothing: each replay runs the step."""
    return step


def capture(step: Step) -> Step:
    """Record a step's kernels; calling the result replays them. The step really runs a few times before."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(_WARM_UP):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    replay: Step = graph.replay
    return replay


class GraphTrainer(Trainer):
    """Steps that find their batch by a counter on the device, so that every replay is the same sequence of kernels."""

    style = "graph"

    def __init__(
        self, course: Course, net: nn.Module, train: Split, seed: int, record: Callable[[Step], Step] = capture
    ) -> None:
        super().__init__(course, net, train, seed)
        device = train.labels.device
        if train.images.dim() == 4:
            net.to(memory_format=torch.channels_last)
        self.optimizer = course.optimizer(net.parameters(), capturable=device.type == "cuda")
        self.order = torch.arange(len(train), device=device)
        self.position = torch.zeros((), dtype=torch.int64, device=device)
        self.total = torch.zeros((), device=device)
        counts = {min(course.batch, len(train)), len(train) % course.batch or course.batch}
        weights = [parameter.detach().clone() for parameter in net.parameters()]
        self.replays = {count: record(self._step(count)) for count in sorted(counts)}
        self._undo(weights)

    def _step(self, count: int) -> Step:
        """A step for batches of `count` images."""
        offsets = torch.arange(count, device=self.order.device)

        def step() -> None:
            index = self.order.index_select(0, self.position + offsets)
            images, labels = self.train.images.index_select(0, index), self.train.labels.index_select(0, index)
            self.optimizer.zero_grad(set_to_none=True)
            loss = nn.functional.cross_entropy(self.net(images), labels)
            loss.backward()
            self.optimizer.step()
            self.total.add_(loss.detach() * count)
            self.position.add_(count)

        return step

    @torch.no_grad()
    def _undo(self, weights: list[Tensor]) -> None:
        """Take back what recording changed, in place, since the recorded kernels know these addresses."""
        for parameter, weight in zip(self.net.parameters(), weights, strict=True):
            parameter.copy_(weight)
        for state in self.optimizer.state.values():
            for value in state.values():
                if isinstance(value, Tensor):
                    value.zero_()

    def begin(self, permutation: Tensor | None) -> None:
        if permutation is not None:
            self.order.copy_(permutation)
        self.position.zero_()
        self.total.zero_()

    def run(self, start: int, stop: int) -> None:
        for step in range(start, stop):
            self.replays[min(self.course.batch, len(self.train) - step * self.course.batch)]()

    def loss(self) -> float:
        return float(self.total) / len(self.train)

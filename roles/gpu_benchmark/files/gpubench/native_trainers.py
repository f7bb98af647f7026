"""The trainers of native.py: they lay out the memory that the C loops work in."""

from __future__ import annotations

import ctypes
from typing import Any

import torch
from torch import Tensor, nn

from . import native, nets
from .courses import Course, Split
from .trainer import Trainer


class NotCompiled(RuntimeError):
    """There is no C library on this machine; the text says why."""


def _structure(pointers: str, others: dict[str, Any]) -> type[ctypes.Structure]:
    fields = [*((name, ctypes.c_void_p) for name in pointers.split()), *others.items(), ("barrier", native.Barrier)]
    return type("State", (ctypes.Structure,), {"_fields_": fields})


_Mlp = _structure(
    "w1 b1 w2 b2 w3 b3 images labels logits h1 h2 g1 g2",
    {
        "steps_before": ctypes.c_int64,
        "key": ctypes.c_uint32,
        "dropped": ctypes.c_float,
        "rate": ctypes.c_float,
        "last_count": ctypes.c_int32,
        "last_step": ctypes.c_int64,
    },
)
_LeNet = _structure(
    "values mean square images order labels logits gradient inputs gradients own partial",
    {"count": ctypes.c_int64, "steps_before": ctypes.c_int64, "rate": ctypes.c_float, "batch": ctypes.c_int32},
)


class _Native(Trainer):
    """What both have in common: a C structure, and the tensors that it points to.

    Of the numbers that a library tells of itself the first is that of threads among which it can share its work.
    """

    style = "native"
    source: str
    kind: type[ctypes.Structure]
    function: str
    sizes: tuple[str, int]

    def __init__(self, course: Course, net: nn.Module, train: Split, seed: int) -> None:
        """Raises NotCompiled."""
        super().__init__(course, net, train, seed)
        if why := native.build().wait():
            raise NotCompiled(why)
        self.library = native.build().libraries[self.source]
        name, count = self.sizes
        shares, *self.told = (ctypes.c_int32 * count).in_dll(self.library, name)
        self.state = self.kind()
        self.state.barrier.threads = self.threads = min(torch.get_num_threads(), shares)
        self.kept: dict[str, Tensor] = {}
        self.logits = torch.empty(-(-len(train) // course.batch) * course.batch, 10)
        self.point(logits=self.logits)
        self.epochs = 0

    def point(self, **tensors: Tensor) -> None:
        """Make the structure point to tensors, and keep them alive."""
        for name, tensor in tensors.items():
            assert tensor.is_contiguous()
            self.kept[name] = tensor
            setattr(self.state, name, tensor.data_ptr())

    def count_epoch(self) -> None:
        """One more begins: the loop's random numbers, and Adam, go by the steps since the start."""
        self.state.steps_before = self.epochs * self.steps
        self.epochs += 1

    def run(self, start: int, stop: int) -> None:
        native.together(self.library[self.function], self.state, self.threads, start, stop)

    def loss(self) -> float:
        logits, labels = self.logits[: len(self.train)], self.kept["labels"][: len(self.train)]
        return float(nn.functional.cross_entropy(logits, labels))


class NativeMLP(_Native):
    """The MLP; its net has the weights of the last finished epoch."""

    source, kind, function = "native_mlp.c", _Mlp, "native_mlp_run"
    sizes = ("native_mlp_sizes", 4)

    def __init__(self, course: Course, net: nn.Module, train: Split, seed: int) -> None:
        super().__init__(course, net, train, seed)
        assert isinstance(net, nets.MLP)
        self.tile, self.pair, row = self.told
        self.layers = {"w1": net.fc1.weight.detach(), "w2": net.fc2.weight.detach()}
        self.point(**{name: self._tiles(weight) for name, weight in self.layers.items()})
        rest = {"b1": net.fc1.bias, "b2": net.fc2.bias, "w3": net.fc3.weight, "b3": net.fc3.bias}
        self.point(**{name: parameter.detach() for name, parameter in rest.items()})
        self.point(**{name: torch.zeros(course.batch, row) for name in ("h1", "h2", "g1", "g2")})
        self.point(images=train.images, labels=train.labels)
        self.state.key, self.state.dropped, self.state.rate = native.key(seed), nets.MLP_DROPOUT, nets.MLP_RATE
        self.state.last_step = self.steps - 1
        self.state.last_count = len(train) - self.state.last_step * course.batch

    def _tiles(self, weight: Tensor) -> Tensor:
        """Weights (out, in) as (in / tile, out / pair, tile, pair), contiguous."""
        tiles = weight.t().unflatten(0, (-1, self.tile)).unflatten(2, (-1, self.pair)).transpose(1, 2)
        return tiles.contiguous()

    def begin(self, permutation: Tensor | None) -> None:
        self.count_epoch()
        images, labels = self.train.images, self.train.labels
        if permutation is not None:
            images, labels = images[permutation], labels[permutation]
        # The loop does whole batches: what fills up the last one has no label, and no gradient.
        missing = len(self.logits) - len(images)
        if missing:
            images = nn.functional.pad(images, (0, 0, 0, missing))
            labels = nn.functional.pad(labels, (0, missing), value=-1)
        self.point(images=images, labels=labels)

    def loss(self) -> float:
        for name, weight in self.layers.items():
            weight.copy_(self.kept[name].transpose(1, 2).flatten(2).flatten(0, 1).t())
        return super().loss()


class NativeLeNet(_Native):
    """LeNet-5. All weights are views of one flat tensor, which the loop reads and writes."""

    source, kind, function = "native_lenet.c", _LeNet, "native_lenet_run"
    sizes = ("native_lenet_sizes", 6)

    def __init__(self, course: Course, net: nn.Module, train: Split, seed: int) -> None:
        super().__init__(course, net, train, seed)
        assert isinstance(net, nets.LeNet)
        largest, inputs, gradients, own, convolutions = self.told
        assert course.batch <= largest
        values = torch.cat([parameter.detach().flatten() for parameter in net.parameters()])
        for parameter, part in zip(net.parameters(), values.split([p.numel() for p in net.parameters()]), strict=True):
            parameter.data = part.view_as(parameter)
        self.point(values=values, **{name: torch.zeros_like(values) for name in ("mean", "square", "gradient")})
        self.point(
            inputs=torch.zeros(largest, inputs),
            gradients=torch.zeros(largest, gradients),
            own=torch.zeros(self.threads, own, dtype=torch.uint8),
            partial=torch.zeros(self.threads, convolutions),
            images=train.images,
            labels=train.labels,
            order=torch.arange(len(train)),
        )
        self.state.count, self.state.rate, self.state.batch = len(train), nets.LENET_RATE, course.batch

    def begin(self, permutation: Tensor | None) -> None:
        self.count_epoch()
        if permutation is not None:
            self.point(order=permutation, labels=self.train.labels[permutation])

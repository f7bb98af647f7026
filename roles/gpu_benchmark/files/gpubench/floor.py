"""The floor of a CPU's training time: the net's own matrix products and nothing else, measured in the same process."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable

import torch
from torch import Tensor

from .courses import Course

_PATIENCE = 0.002
"""Seconds for one way to store and share one product; one measured run there always is."""

# A layer's outputs, its inputs, the places of an image it is applied at, and whether its input needs a gradient:
# a convolution is the product of its kernels and the patches that they see.
_LAYERS = {
    "lenet": [
        (6, 25, 784, False),
        (16, 150, 100, True),
        (120, 400, 1, True),
        (84, 120, 1, True),
        (10, 84, 1, True),
    ],
    "mlp": [(512, 784, 1, False), (512, 512, 1, True), (10, 512, 1, True)],
}


def products(course: Course) -> list[tuple[int, int, int]]:
    """(m, k, n) of each product: forward, weights' gradient and, but for the first layer, input's gradient."""
    found = []
    for outputs, inputs, places, back in _LAYERS[course.name]:
        columns = places * course.batch
        found += [(outputs, inputs, columns), (outputs, columns, inputs)]
        found += [(inputs, outputs, columns)] if back else []
    return found


def seconds_per_epoch(course: Course) -> float:
    """Seconds of an epoch's products with the present number of threads, each in the fastest of its storage orders."""
    wanted = products(course)
    # The same memory for all: new pages and random numbers would take longer than the products.
    room = [torch.ones(max(max(m * k, k * n, m * n) for m, k, n in wanted)) for _ in range(3)]
    return sum(_fastest(*product, *room) for product in wanted) * course.size / course.batch


def _fastest(m: int, k: int, n: int, one: Tensor, other: Tensor, result: Tensor) -> float:
    """Seconds of one product (m, k) x (k, n): the best over both operands' and the result's orders in memory.

    Each is tried as one product that the threads share, and as one product for each thread, of its own rows.
    `one`, `other` and `result` are flat, and have room for any operand.
    """
    best, threads = math.inf, torch.get_num_threads()
    for rows, columns in ((m, n), (n, m)):
        out = result[: rows * columns].view(rows, columns)
        lefts, rights = _orders(one, rows, k), _orders(other, k, columns)
        for left, right in itertools.product(lefts, rights):
            best = min(best, _best(torch.mm, left, right, out))
            if threads > 1 and rows % threads == 0:
                shares = [part.unflatten(0, (threads, -1)) for part in (left, out)]
                best = min(best, _best(torch.bmm, shares[0], right.expand(threads, -1, -1), shares[1]))
    return best


def _best(product: Callable[..., Tensor], left: Tensor, right: Tensor, out: Tensor) -> float:
    """The shortest run within _PATIENCE (seconds)."""
    product(left, right, out=out)
    best = math.inf
    begun = now = time.perf_counter()
    while now - begun < _PATIENCE:
        product(left, right, out=out)
        start, now = now, time.perf_counter()
        best = min(best, now - start)
    return best


def _orders(room: Tensor, rows: int, columns: int) -> tuple[Tensor, Tensor]:
    part = room[: rows * columns]
    return part.view(rows, columns), part.view(columns, rows).t()

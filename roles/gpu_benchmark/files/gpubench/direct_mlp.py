"""The MLP's training step written out by hand for a CPU: no autograd, no allocation, the update inside the product.

At batch 20 a step is so short that a third of it would be the framework's own work. The arithmetic is the course's:
the weight gradient's product is added to the weights at once, scaled by -rate/batch, which is what SGD does next.
The large products are batches of one product for each thread, which has a share of the units for itself: threads that
share one product of 20 rows wait for one another longer than they compute.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from . import nets
from .courses import Course, Split
from .trainer import Trainer

# 2**16 equally likely integers; dropping the lowest 13,107 of them is dropping with probability 0.19999.
_DROPPED = -(2**15) + round(nets.MLP_DROPOUT * 2**16)
_KEPT_SCALE = 1 / (1 - nets.MLP_DROPOUT)
_MASKS = 50
"""Steps for which dropout's masks are drawn at once: enough to spread the cost of a call, few enough for the cache."""

_relu_backward = torch.ops.aten.threshold_backward.grad_input


class DirectMLP(Trainer):
    """The MLP by hand; dropout's bits come 16 at a time from one seeded generator."""

    style = "direct"

    def __init__(self, course: Course, net: nn.Module, train: Split, seed: int) -> None:
        super().__init__(course, net, train, seed)
        assert isinstance(net, nets.MLP)
        batch, hidden = course.batch, net.fc1.out_features
        self.parameters = [p.detach() for layer in (net.fc1, net.fc2, net.fc3) for p in (layer.weight, layer.bias)]
        self.shares = math.gcd(torch.get_num_threads(), hidden)
        self.generator = torch.Generator().manual_seed(seed)
        self.bits = torch.empty(_MASKS * 2 * batch * hidden // 4, dtype=torch.int64)
        self.kept = torch.empty(_MASKS, 2, batch, hidden, dtype=torch.bool)
        self.masks = torch.empty(_MASKS, 2, batch, hidden)
        self.pairs = [pair.unbind() for pair in self.masks]
        self.logits = torch.empty(len(train), 10)
        self.onehot = nn.functional.one_hot(train.labels, 10).float()
        self.labels, self.images = train.labels, train.images
        self.work = [torch.empty(batch, size) for size in (hidden, hidden, hidden, hidden, 10)]

    def begin(self, permutation: Tensor | None) -> None:
        if permutation is not None:
            self.images, self.labels = self.train.images[permutation], self.train.labels[permutation]
            self.onehot = nn.functional.one_hot(self.labels, 10).float()
        batch = self.course.batch
        images, *parts = (part.split(batch) for part in (self.images, self.onehot, self.logits))
        self.batches = list(zip(map(self._for_each, images), *parts, strict=True))

    def _draw_masks(self) -> None:
        """Masks of the next steps: 0, or the scale that keeps the mean."""
        # A generator's 64-bit draw costs as much as a 32-bit one, and is four masks' worth.
        self.bits.random_(-(2**63), None, generator=self.generator)
        torch.ge(self.bits.view(torch.int16), _DROPPED, out=self.kept.view(-1))
        torch.mul(self.kept, _KEPT_SCALE, out=self.masks)

    def _by_units(self, part: Tensor) -> Tensor:
        """(n, units) as (shares, n, units of a share), without a copy."""
        return part.unflatten(1, (self.shares, -1)).transpose(0, 1)

    def _for_each(self, part: Tensor) -> Tensor:
        """(n, units) as (shares, n, units), the same for every share."""
        return part.expand(self.shares, *part.shape)

    @torch.no_grad()
    def run(self, start: int, stop: int) -> None:
        w1, b1, w2, b2, w3, b3 = self.parameters
        # By output units: rows of the weights. By input units: columns.
        u1, u2 = (w.unflatten(0, (self.shares, -1)) for w in (w1, w2))
        c1, c2 = (b.view(self.shares, 1, -1) for b in (b1, b2))
        u1_t, u2_t, w3_t, in2 = u1.mT, u2.mT, w3.t(), self._by_units(w2)
        count = -1
        for step in range(start, stop):
            if step % _MASKS == 0 or step == start:
                self._draw_masks()
            images, onehot, z3 = self.batches[step]
            if count != len(z3):
                count = len(z3)
                h1, h2, g1, g2, g3 = (buffer[:count] for buffer in self.work)
                h1_out, h2_out, g1_out = (self._by_units(part) for part in (h1, h2, g1))
                h1_in, g2_in = self._for_each(h1), self._for_each(g2)
                g1_rows, g2_rows = self._by_units(g1).mT, self._by_units(g2).mT
                g1_t, g2_t, g3_t = g1.t(), g2.t(), g3.t()
                ones, scale = torch.ones(count), -nets.MLP_RATE / count
            mask1, mask2 = self.pairs[step % _MASKS]
            if count < self.course.batch:
                mask1, mask2 = mask1[:count], mask2[:count]
            torch.baddbmm(c1, images, u1_t, out=h1_out)
            h1.relu_().mul_(mask1)
            torch.baddbmm(c2, h1_in, u2_t, out=h2_out)
            h2.relu_().mul_(mask2)
            torch.addmm(b3, h2, w3_t, out=z3)
            torch.softmax(z3, 1, out=g3).sub_(onehot)
            # A hidden value is positive where ReLU passed it and dropout kept it: one test for both, then the scale.
            torch.addmm(g2, g3, w3, beta=0, alpha=_KEPT_SCALE, out=g2)
            _relu_backward(g2, h2, 0, grad_input=g2)
            w3.addmm_(g3_t, h2, alpha=scale)
            b3.addmv_(g3_t, ones, alpha=scale)
            torch.baddbmm(g1_out, g2_in, in2, beta=0, alpha=_KEPT_SCALE, out=g1_out)
            _relu_backward(g1, h1, 0, grad_input=g1)
            u2.baddbmm_(g2_rows, h1_in, alpha=scale)
            b2.addmv_(g2_t, ones, alpha=scale)
            u1.baddbmm_(g1_rows, images, alpha=scale)
            b1.addmv_(g1_t, ones, alpha=scale)

    def loss(self) -> float:
        # Every step left its logits, so the loss costs nothing in between.
        return float(nn.functional.cross_entropy(self.logits, self.labels))

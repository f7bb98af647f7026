"""The MLP's training step written out by hand for a CPU: no autograd, no allocation, the update inside the product.

At batch 20 a step is so short that a third of it would be the framework's own work. The arithmetic is the course's:
the weight gradient's product is added to the weights at once, scaled by -rate/batch, which is what SGD does next.
"""

from __future__ import annotations

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
        self.generator = torch.Generator().manual_seed(seed)
        self.bits = torch.empty(_MASKS * 2 * batch * hidden // 4, dtype=torch.int64)
        self.kept = torch.empty(_MASKS, 2, batch, hidden, dtype=torch.bool)
        self.masks = torch.empty(_MASKS, 2, batch, hidden)
        self.logits = torch.empty(len(train), 10)
        self.onehot = nn.functional.one_hot(train.labels, 10).float()
        self.labels, self.images = train.labels, train.images
        self.work = [torch.empty(batch, size) for size in (hidden, hidden, hidden, hidden, 10)]

    def begin(self, permutation: Tensor | None) -> None:
        if permutation is not None:
            self.images, self.labels = self.train.images[permutation], self.train.labels[permutation]
            self.onehot = nn.functional.one_hot(self.labels, 10).float()
        batch = self.course.batch
        parts = (self.images, self.onehot, self.logits)
        self.batches = list(zip(*(part.split(batch) for part in parts), strict=True))

    def _draw_masks(self) -> None:
        """Masks of the next steps: 0, or the scale that keeps the mean."""
        # A generator's 64-bit draw costs as much as a 32-bit one, and is four masks' worth.
        self.bits.random_(-(2**63), None, generator=self.generator)
        torch.ge(self.bits.view(torch.int16), _DROPPED, out=self.kept.view(-1))
        torch.mul(self.kept, _KEPT_SCALE, out=self.masks)

    @torch.no_grad()
    def run(self, start: int, stop: int) -> None:
        w1, b1, w2, b2, w3, b3 = self.parameters
        w1_t, w2_t, w3_t = w1.t(), w2.t(), w3.t()
        count = -1
        for step in range(start, stop):
            if step % _MASKS == 0 or step == start:
                self._draw_masks()
            images, onehot, z3 = self.batches[step]
            if count != len(images):
                count = len(images)
                h1, h2, g1, g2, g3 = (buffer[:count] for buffer in self.work)
                g1_t, g2_t, g3_t = g1.t(), g2.t(), g3.t()
                ones, scale = torch.ones(count), -nets.MLP_RATE / count
            mask1, mask2 = self.masks[step % _MASKS, :, :count]
            torch.addmm(b1, images, w1_t, out=h1)
            h1.relu_().mul_(mask1)
            torch.addmm(b2, h1, w2_t, out=h2)
            h2.relu_().mul_(mask2)
            torch.addmm(b3, h2, w3_t, out=z3)
            torch.softmax(z3, 1, out=g3).sub_(onehot)
            # A hidden value is positive where ReLU passed it and dropout kept it: one test for both, then the scale.
            torch.addmm(g2, g3, w3, beta=0, alpha=_KEPT_SCALE, out=g2)
            _relu_backward(g2, h2, 0, grad_input=g2)
            w3.addmm_(g3_t, h2, alpha=scale)
            b3.addmv_(g3_t, ones, alpha=scale)
            torch.addmm(g1, g2, w2, beta=0, alpha=_KEPT_SCALE, out=g1)
            _relu_backward(g1, h1, 0, grad_input=g1)
            w2.addmm_(g2_t, h1, alpha=scale)
            b2.addmv_(g2_t, ones, alpha=scale)
            w1.addmm_(g1_t, images, alpha=scale)
            b1.addmv_(g1_t, ones, alpha=scale)

    def loss(self) -> float:
        # Every step left its logits, so the loss costs nothing in between.
        return float(nn.functional.cross_entropy(self.logits, self.labels))

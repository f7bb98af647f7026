"""A 5x5 convolution and the 2x2 pool behind it as one matrix product, forward and backward, for a CPU.

Three ideas, each exact:

* The four outputs under one pooling window see one 6x6 patch of the input. A stride-2 convolution whose kernels are the
  5x5 kernels at the four offsets in 6x6 gives the four as four groups of channels: pooling becomes three elementwise
  maxima of contiguous planes, and the product has four times the rows, which a matrix library runs nearer its limit.
* The batch is the innermost dimension, so patches are gathered in runs of a whole batch, not of a kernel's row.
* Bias and ReLU come after the pool, on a quarter of the values: maximum commutes with both.
"""

from __future__ import annotations

import torch
from torch import Tensor

_KERNEL, _PATCH = 5, 6

relu_backward = torch.ops.aten.threshold_backward.grad_input
"""out = where(value > threshold, gradient, 0)"""


class PooledConv:
    """relu(maxpool2(conv5x5(x))) for one batch size: x (cin, side, side, batch) to (cout, half, half, batch)."""

    def __init__(self, weight: Tensor, bias: Tensor, side: int, batch: int, needs_input_gradient: bool) -> None:
        """Take views of the parameters, (cout, cin, 5, 5) and (cout); `side` is the input's height and width."""
        cout, cin = weight.shape[:2]
        half = (side - _KERNEL + 1) // 2
        self.weight, self.bias = weight, bias.view(cout, 1)
        self.input = torch.zeros(cin, side, side, batch)
        line, plane = side * batch, side * side * batch
        # (cin, ky, kx, y, x, batch): the patches as a view of the input, and the buffer that holds them as a matrix.
        shape = (cin, _PATCH, _PATCH, half, half, batch)
        self.patches = self.input.as_strided(shape, (plane, line, batch, 2 * line, 2 * batch, 1))
        self.columns = torch.empty(shape)
        self.matrix = self.columns.view(cin * _PATCH**2, -1)
        self.kernels, self.kernel_slots = _shifted_kernels(cout, cin)
        self.kernel_gradient, self.gradient_slots = _shifted_kernels(cout, cin)
        self.phases = torch.empty(4, cout, half * half * batch)
        self.stacked = self.phases.view(4 * cout, -1)
        self.maxima = torch.empty(2, cout, half * half * batch)
        self.output = torch.empty(cout, half * half * batch)
        self.difference = torch.empty_like(self.output)
        self.phase_gradients = torch.empty_like(self.phases)
        self.stacked_gradients = self.phase_gradients.view(4 * cout, -1)
        self.scatter: list[tuple[Tensor, Tensor]] = []
        if needs_input_gradient:
            self.column_gradient = torch.empty_like(self.matrix)
            self.input_gradient = torch.empty(cin, side, side, batch)
            self.scatter = _scatter_views(self.column_gradient.view(shape), self.input_gradient)

    def forward(self) -> Tensor:
        """From `input`, which the caller filled; the output as (cout, half * half * batch)."""
        self.columns.copy_(self.patches)
        self.kernel_slots.copy_(self.weight)
        torch.mm(self.kernels, self.matrix, out=self.stacked)
        torch.maximum(self.phases[0], self.phases[1], out=self.maxima[0])
        torch.maximum(self.maxima[0], self.phases[2], out=self.maxima[1])
        torch.maximum(self.maxima[1], self.phases[3], out=self.output)
        return self.output.add_(self.bias).relu_()

    def backward(self, gradient: Tensor, weight_gradient: Tensor, bias_gradient: Tensor) -> None:
        """From the output's gradient, which is overwritten, to the parameters' and, if wanted, `input_gradient`."""
        relu_backward(gradient, self.output, 0, grad_input=gradient)
        torch.sum(gradient, 1, out=bias_gradient)
        # Each window's gradient goes to its first greatest value, as PyTorch's and TensorFlow's pools send it.
        before = (self.phases[0], self.maxima[0], self.maxima[1])
        for phase in (3, 2, 1):
            torch.sub(self.phases[phase], before[phase - 1], out=self.difference)
            taken = self.phase_gradients[phase]
            relu_backward(gradient, self.difference, 0, grad_input=taken)
            torch.sub(gradient, taken, out=gradient if phase > 1 else self.phase_gradients[0])
        torch.mm(self.stacked_gradients, self.matrix.t(), out=self.kernel_gradient)
        torch.sum(self.gradient_slots, (0, 1), out=weight_gradient)
        if self.scatter:
            torch.mm(self.kernels.t(), self.stacked_gradients, out=self.column_gradient)
            self.input_gradient.zero_()
            for target, source in self.scatter:
                target.add_(source)


def _shifted_kernels(cout: int, cin: int) -> tuple[Tensor, Tensor]:
    """A zeroed matrix (4 * cout, cin * 36) and its view (2, 2, cout, cin, 5, 5): the kernels at the four offsets."""
    matrix = torch.zeros(4 * cout, cin * _PATCH**2)
    row = cin * _PATCH**2
    strides = (2 * cout * row + _PATCH, cout * row + 1, row, _PATCH**2, _PATCH, 1)
    return matrix, matrix.as_strided((2, 2, cout, cin, _KERNEL, _KERNEL), strides)


def _scatter_views(columns: Tensor, target: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Pairs (part of the input's gradient, the columns added to it), nine: the four parities of a tap at a time."""
    cin, _, _, half, _, batch = columns.shape
    # The side is even; (y, x) = (2 * row + p, 2 * column + q).
    parities = target.view(cin, target.shape[1] // 2, 2, target.shape[2] // 2, 2, batch)
    taps = columns.view(cin, 3, 2, 3, 2, half, half, batch)
    return [
        (parities[:, a : a + half, :, b : b + half], taps[:, a, :, b].permute(0, 3, 1, 4, 2, 5))
        for a in range(3)
        for b in range(3)
    ]

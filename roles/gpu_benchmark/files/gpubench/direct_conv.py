"""A 5x5 convolution and the 2x2 pool behind it as one matrix product, forward and backward, for a CPU.

Three ideas, each exact:

* The four outputs under one pooling window see one 6x6 patch of the input. A stride-2 convolution whose kernels are the
  5x5 kernels at the four offsets in 6x6 gives the four as four groups of channels: pooling becomes elementwise maxima
  of contiguous planes, and the product has four times the rows, which a matrix library runs nearer its limit.
* The batch is the innermost dimension, so patches are gathered in runs of a whole batch, not of a kernel's row.
* Bias and ReLU come after the pool, on a quarter of the values: maximum commutes with both.

All buffers and all views of them are made once: at these sizes making a view costs as much as a small product.
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
        self.matrix_t = self.matrix.t()
        self.kernels = torch.zeros(4 * cout, cin * _PATCH**2)
        self.kernels_t = self.kernels.t()
        self.kernel_slots = self.kernels.as_strided(*_slots(cout, cin))
        self.kernel_gradient = torch.empty_like(self.kernels)
        # Where each of a kernel's values stands in the four: their gradients are added.
        places = torch.arange(self.kernels.numel()).as_strided(*_slots(cout, cin))
        self.places = places.reshape(-1)
        self.gathered = torch.empty(self.places.numel())
        self.four = self.gathered.view(4, *weight.shape)
        self.flat_gradient = self.kernel_gradient.view(-1)
        # The four outputs of a window as two rows of two: (row, column, cout, places).
        size = half * half * batch
        windows, gradients = torch.empty(2, 2, cout, size), torch.empty(2, 2, cout, size)
        self.stacked, self.stacked_gradients = windows.view(4 * cout, size), gradients.view(4 * cout, size)
        self.left, self.right = windows.unbind(1)
        self.left_gradient, self.right_gradient = gradients.unbind(1)
        self.rows, self.row_gradients = torch.empty(2, cout, size), torch.empty(2, cout, size)
        self.upper, self.lower = self.rows.unbind(0)
        self.upper_gradient, self.lower_gradient = self.row_gradients.unbind(0)
        self.output = torch.empty(cout, size)
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
        torch.maximum(self.left, self.right, out=self.rows)
        torch.maximum(self.upper, self.lower, out=self.output)
        return self.output.add_(self.bias).relu_()

    def backward(self, gradient: Tensor, weight_gradient: Tensor, bias_gradient: Tensor) -> None:
        """From the output's gradient, which is overwritten, to the parameters' and, if wanted, `input_gradient`."""
        relu_backward(gradient, self.output, 0, grad_input=gradient)
        torch.sum(gradient, 1, out=bias_gradient)
        # Each window's gradient goes to its first greatest value, as PyTorch's and TensorFlow's pools send it: to the
        # lower row where that is greater, and within the row to the right where that is greater.
        _share(gradient, self.upper, self.lower, self.upper_gradient, self.lower_gradient)
        _share(self.row_gradients, self.left, self.right, self.left_gradient, self.right_gradient)
        torch.mm(self.stacked_gradients, self.matrix_t, out=self.kernel_gradient)
        torch.index_select(self.flat_gradient, 0, self.places, out=self.gathered)
        torch.sum(self.four, 0, out=weight_gradient)
        if self.scatter:
            torch.mm(self.kernels_t, self.stacked_gradients, out=self.column_gradient)
            self.input_gradient.zero_()
            for target, source in self.scatter:
                target.add_(source)


def _share(gradient: Tensor, first: Tensor, second: Tensor, to_first: Tensor, to_second: Tensor) -> None:
    """Give each gradient to the greater of two values, to the first where they are equal. Overwrites `to_first` too."""
    torch.sub(second, first, out=to_first)
    relu_backward(gradient, to_first, 0, grad_input=to_second)
    torch.sub(gradient, to_second, out=to_first)


def _slots(cout: int, cin: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Shape and strides of the view (2, 2, cout, cin, 5, 5) of a matrix (4 * cout, cin * 36): kernels at offsets."""
    row = cin * _PATCH**2
    strides = (2 * cout * row + _PATCH, cout * row + 1, row, _PATCH**2, _PATCH, 1)
    return (2, 2, cout, cin, _KERNEL, _KERNEL), strides


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

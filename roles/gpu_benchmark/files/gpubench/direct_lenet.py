"""LeNet-5's training step written out by hand for a CPU: no autograd, no allocation, the batch innermost."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from . import nets
from .courses import Course, Split
from .direct_conv import PooledConv, relu_backward
from .trainer import Trainer


class _Dense:
    """W x + b for one batch size, x (inputs, batch)."""

    def __init__(self, weight: Tensor, bias: Tensor, batch: int) -> None:
        self.weight, self.weight_t, self.bias = weight, weight.t(), bias.view(-1, 1)
        self.input_gradient = torch.empty(weight.shape[1], batch)
        self.output = torch.empty(weight.shape[0], batch)

    def forward(self, values: Tensor) -> Tensor:
        self.values = values
        return torch.addmm(self.bias, self.weight, values, out=self.output)

    def backward(self, gradient: Tensor, weight_gradient: Tensor, bias_gradient: Tensor) -> Tensor:
        torch.mm(gradient, self.values.t(), out=weight_gradient)
        torch.sum(gradient, 1, out=bias_gradient)
        return torch.mm(self.weight_t, gradient, out=self.input_gradient)


class _Step:
    """Forward and backward for one batch size; the mean loss's gradients go to `gradients`, in that order."""

    def __init__(self, parameters: list[Tensor], gradients: list[Tensor], batch: int) -> None:
        pairs = [(parameters[i], parameters[i + 1]) for i in range(0, 10, 2)]
        self.gradients = [(gradients[i], gradients[i + 1]) for i in range(0, 10, 2)]
        self.conv1 = PooledConv(*pairs[0], side=32, batch=batch, needs_input_gradient=False)
        self.conv2 = PooledConv(*pairs[1], side=14, batch=batch, needs_input_gradient=True)
        self.dense = [_Dense(weight, bias, batch) for weight, bias in pairs[2:]]
        self.batch = batch
        self.rows = torch.empty(batch, 1024)
        self.pixels = self.conv1.input.view(32, 32, batch)
        # Three dimensions and not two: the copy of a transposed matrix is one that PyTorch does with one thread.
        self.pixels_of_rows = self.rows.view(batch, 32, 32).permute(1, 2, 0)
        self.maps = self.conv2.input.view(6, -1)
        self.maps_gradient = self.conv2.input_gradient.view(6, -1)
        self.probabilities = torch.empty(10, batch)

    def __call__(self, onehot: Tensor, logits: Tensor) -> None:
        """From `rows`, which the caller filled, and labels as onehot / batch (10, batch); leaves logits (10, batch)."""
        self.pixels.copy_(self.pixels_of_rows)
        self.maps.copy_(self.conv1.forward())
        fc1, fc2, fc3 = self.dense
        hidden1 = fc1.forward(self.conv2.forward().view(400, self.batch)).relu_()
        hidden2 = fc2.forward(hidden1).relu_()
        logits.copy_(fc3.forward(hidden2))
        gradient = torch.softmax(logits, 0, out=self.probabilities).div_(self.batch).sub_(onehot)
        gradient = fc3.backward(gradient, *self.gradients[4])
        gradient = fc2.backward(relu_backward(gradient, hidden2, 0, grad_input=gradient), *self.gradients[3])
        gradient = fc1.backward(relu_backward(gradient, hidden1, 0, grad_input=gradient), *self.gradients[2])
        self.conv2.backward(gradient.view(16, -1), *self.gradients[1])
        self.conv1.backward(self.maps_gradient, *self.gradients[0])


class _Adam:
    """Adam (Kingma and Ba, 2015, algorithm 1) on one flat tensor, as torch.optim.Adam computes it."""

    betas, eps = (0.9, 0.999), 1e-8

    def __init__(self, values: Tensor, gradient: Tensor, rate: float) -> None:
        self.values, self.gradient, self.rate = values, gradient, rate
        self.mean, self.square, self.work = (torch.zeros_like(values) for _ in range(3))
        self.steps = 0

    def step(self) -> None:
        self.steps += 1
        first, second = self.betas
        self.mean.lerp_(self.gradient, 1 - first)
        self.square.mul_(second).addcmul_(self.gradient, self.gradient, value=1 - second)
        torch.sqrt(self.square, out=self.work)
        self.work.div_((1 - second**self.steps) ** 0.5).add_(self.eps)
        self.values.addcdiv_(self.mean, self.work, value=-self.rate / (1 - first**self.steps))


class DirectLeNet(Trainer):
    """LeNet-5 by hand. All weights are views of one flat tensor, which the optimizer updates in one pass."""

    style = "direct"

    def __init__(self, course: Course, net: nn.Module, train: Split, seed: int) -> None:
        super().__init__(course, net, train, seed)
        assert isinstance(net, nets.LeNet)
        modules = list(net.parameters())
        flat = torch.cat([p.detach().flatten() for p in modules])
        self.gradient = torch.zeros_like(flat)
        sizes = [p.numel() for p in modules]
        parameters = [part.view_as(p) for part, p in zip(flat.split(sizes), modules, strict=True)]
        gradients = [part.view_as(p) for part, p in zip(self.gradient.split(sizes), modules, strict=True)]
        for parameter, view in zip(modules, parameters, strict=True):
            parameter.data = view
        self.optimizer = _Adam(flat, self.gradient, nets.LENET_RATE)
        counts = {min(course.batch, len(train)), len(train) % course.batch or course.batch}
        self.by_count = {count: _Step(parameters, gradients, count) for count in counts}
        self.images = train.images.flatten(1)
        self.order = torch.arange(len(train))

    def begin(self, permutation: Tensor | None) -> None:
        if permutation is not None:
            self.order = permutation
        self.labels = self.train.labels[self.order].split(self.course.batch)
        self.orders = self.order.split(self.course.batch)
        self.onehots = [nn.functional.one_hot(part, 10).t().float().div_(len(part)) for part in self.labels]
        self.logits = [torch.empty(10, len(part)) for part in self.labels]

    @torch.no_grad()
    def run(self, start: int, stop: int) -> None:
        for step in range(start, stop):
            order = self.orders[step]
            one = self.by_count[len(order)]
            torch.index_select(self.images, 0, order, out=one.rows)
            one(self.onehots[step], self.logits[step])
            self.optimizer.step()

    def loss(self) -> float:
        pairs = zip(self.logits, self.labels, strict=True)
        total = sum(nn.functional.cross_entropy(logits.t(), labels, reduction="sum") for logits, labels in pairs)
        return float(total) / len(self.train)

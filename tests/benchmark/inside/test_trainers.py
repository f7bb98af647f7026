"""Every way of training computes what autograd computes, and what the courses' pages say."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from gpubench import graph, train
from gpubench.courses import COURSES, Split
from gpubench.direct_conv import PooledConv
from gpubench.direct_lenet import DirectLeNet
from gpubench.direct_mlp import DirectMLP
from gpubench.graph import GraphTrainer
from gpubench.trainer import Trainer, accuracy
from torch import Tensor, nn

Some = Callable[[str, int], Split]


def weights(net: nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in net.parameters()])


def reference(course: str, part: Split, order: Tensor, epochs: int = 1) -> tuple[nn.Module, float]:
    """Train with plain autograd and the stock optimizer; the net, without dropout, and the last epoch's loss."""
    net = COURSES[course].net(0)
    net.eval()
    stock, rate = (torch.optim.Adam, 0.001) if course == "lenet" else (torch.optim.SGD, 0.01)
    optimizer = stock(net.parameters(), lr=rate)
    total = 0.0
    for _ in range(epochs):
        total = 0.0
        for index in order.split(COURSES[course].batch):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(net(part.images[index]), part.labels[index])
            loss.backward()
            optimizer.step()
            total += float(loss) * len(index)
    return net, total / len(part)


@pytest.fixture
def without_dropout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep every unit, so that ways with different random numbers can be compared."""
    monkeypatch.setattr(DirectMLP, "_draw_masks", lambda self: self.masks.fill_(1))
    monkeypatch.setattr("gpubench.direct_mlp._KEPT_SCALE", 1.0)
    monkeypatch.setattr("gpubench.nets.MLP_DROPOUT", 0.0)


def ways(course: str, part: Split) -> list[Trainer]:
    recorded = GraphTrainer(COURSES[course], COURSES[course].net(0), part, 0, record=graph.immediate)
    styles = ("native", "direct", "eager", "naive")
    return [*(train.trainer(COURSES[course], part, "cpu", style, 0) for style in styles), recorded]


@pytest.mark.usefixtures("without_dropout")
@pytest.mark.parametrize(("course", "count", "tolerance"), [("lenet", 300, 2e-4), ("mlp", 310, 2e-6)])
def test_every_way_trains_as_autograd_does(course: str, count: int, tolerance: float, some: Some) -> None:
    """Two epochs in a shuffled order, the last batch smaller; Adam magnifies rounding, hence two tolerances."""
    part = some(course, count)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(1))
    expected, loss = reference(course, part, order, epochs=2)
    for way in ways(course, part):
        way.epoch(order)
        assert way.epoch(order) == pytest.approx(loss, abs=1e-5), way.style
        torch.testing.assert_close(weights(way.net), weights(expected), rtol=0, atol=tolerance, msg=way.style)


def test_gradients_by_hand_are_autograds(some: Some, monkeypatch: pytest.MonkeyPatch) -> None:
    part = some("lenet", 128)
    net, same = COURSES["lenet"].net(3), COURSES["lenet"].net(3)
    way = DirectLeNet(COURSES["lenet"], net, part, 3)
    monkeypatch.setattr(way.optimizer, "step", lambda: None)
    way.begin(None)
    way.run(0, 1)
    nn.functional.cross_entropy(same(part.images), part.labels).backward()
    expected = torch.cat([parameter.grad.flatten() for parameter in same.parameters() if parameter.grad is not None])
    torch.testing.assert_close(way.gradient, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("equal", [False, True])
def test_the_pool_sends_a_tie_to_its_first_value(equal: bool) -> None:
    """In an image's background whole windows are equal, so this decides the second layer's gradients."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(3, 14, 14, 4, generator=generator)
    images[:, :9] = 0.25 if equal else images[:, :9]
    weight, bias = torch.randn(5, 3, 5, 5, generator=generator), torch.randn(5, generator=generator)
    layer = PooledConv(weight, bias, 14, 4, needs_input_gradient=True)
    layer.input.copy_(images)
    output = layer.forward().clone()
    upstream = torch.randn(output.shape, generator=generator)
    found = torch.empty_like(weight), torch.empty_like(bias)
    layer.backward(upstream.clone(), *found)

    leaf = images.permute(3, 0, 1, 2).clone().requires_grad_()
    weight, bias = weight.clone().requires_grad_(), bias.clone().requires_grad_()
    plain = torch.relu(nn.functional.max_pool2d(nn.functional.conv2d(leaf, weight, bias), 2))
    plain = plain.permute(1, 2, 3, 0).reshape(5, -1)
    plain.backward(upstream)
    assert leaf.grad is not None
    torch.testing.assert_close(output, plain.detach(), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found[0], weight.grad, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found[1], bias.grad, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(layer.input_gradient.permute(3, 0, 1, 2), leaf.grad, rtol=1e-4, atol=1e-4)


def test_masks_drop_a_fifth_and_keep_the_mean(some: Some) -> None:
    way = DirectMLP(COURSES["mlp"], COURSES["mlp"].net(0), some("mlp", 100), seed=5)
    way._draw_masks()
    first = way.masks.clone()
    assert set(first.unique().tolist()) == {0.0, 1.25}
    assert float((first == 0).float().mean()) == pytest.approx(0.2, abs=0.003)
    # No unit is favoured, and the two layers' masks have nothing to do with each other.
    assert float((first == 0).float().mean((0, 1, 2)).std()) < 0.02
    assert float(torch.corrcoef(first.transpose(0, 1).reshape(2, -1))[0, 1]) == pytest.approx(0, abs=0.01)
    way._draw_masks()
    assert not torch.equal(first, way.masks)


def test_the_same_seed_trains_the_same_net(some: Some) -> None:
    for course in COURSES:
        part = some(course, 200)
        runs = [train.trainer(COURSES[course], part, "cpu", "direct", seed) for seed in (0, 0, 1)]
        losses = [way.epoch(None) for way in runs]
        assert losses[0] == losses[1] != losses[2]
        assert torch.equal(weights(runs[0].net), weights(runs[1].net))


def test_recording_leaves_net_and_optimizer_as_they_were(some: Some) -> None:
    """A recorder that runs the step, as CUDA's warm-up does; it stands in for the capture, which needs a GPU."""

    def eager_recorder(step: graph.Step) -> graph.Step:
        for _ in range(3):
            step()
        return step

    part = some("lenet", 1000)
    disturbed = GraphTrainer(COURSES["lenet"], COURSES["lenet"].net(0), part, 0, record=eager_recorder)
    plain = GraphTrainer(COURSES["lenet"], COURSES["lenet"].net(0), part, 0, record=graph.immediate)
    assert disturbed.epoch(None) == pytest.approx(plain.epoch(None), abs=1e-6)
    torch.testing.assert_close(weights(disturbed.net), weights(plain.net), rtol=0, atol=1e-6)


def test_accuracy_counts_without_dropout_and_goes_back_to_training(some: Some) -> None:
    part = some("mlp", 1500)
    net = COURSES["mlp"].net(0)
    net.eval()
    expected = float((net(part.images).argmax(1) == part.labels).float().mean())
    net.train()
    assert accuracy(net, part) == pytest.approx(expected, abs=1e-6)
    assert net.training

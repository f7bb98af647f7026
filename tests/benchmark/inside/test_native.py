"""The loops in C: the same for every number of threads and width of vectors; and what is done without a compiler."""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from gpubench import native, train
from gpubench.courses import COURSES, Split
from gpubench.native_trainers import NativeMLP
from torch import Tensor, nn

Some = Callable[[str, int], Split]


@pytest.fixture
def fresh() -> Iterator[None]:
    """A build of the test's own."""
    native.build.cache_clear()
    yield
    native.build.cache_clear()


def trained(course: str, part: Split, threads: int) -> tuple[Tensor, float]:
    """All weights after two epochs in another order, and the last loss."""
    torch.set_num_threads(threads)
    way = train.trainer(COURSES[course], part, "cpu", "native", 0)
    order = torch.randperm(len(part), generator=torch.Generator().manual_seed(1))
    way.epoch(order)
    loss = way.epoch(order)
    return torch.cat([parameter.detach().flatten() for parameter in way.net.parameters()]), loss


@pytest.mark.parametrize(("course", "tolerance"), [("mlp", 0), ("lenet", 1e-4)])
def test_threads_share_the_work_and_change_nothing(course: str, tolerance: float, some: Some) -> None:
    """The MLP's sums are the very same; LeNet-5's images are added up in other groups, and Adam magnifies rounding."""
    part = some(course, 600)
    alone, loss = trained(course, part, 1)
    for threads in (2, 3, 40):
        shared, same = trained(course, part, threads)
        assert same == pytest.approx(loss, abs=tolerance)
        torch.testing.assert_close(shared, alone, rtol=0, atol=tolerance)


@pytest.mark.usefixtures("fresh")
def test_wider_vectors_compute_the_same(some: Some, monkeypatch: pytest.MonkeyPatch) -> None:
    """AVX-512's width, which the compiler makes of two halves where the machine has not got it, and takes its time."""
    parts = {course: some(course, 600) for course in COURSES}
    here = {course: trained(course, part, 2)[0] for course, part in parts.items()}
    native.build.cache_clear()
    monkeypatch.setattr(native, "FLAGS", (*native.FLAGS, "-O1", "-DLANES=16"))
    for course, part in parts.items():
        torch.testing.assert_close(trained(course, part, 2)[0], here[course], rtol=0, atol=2e-4)


def test_a_fifth_of_the_units_is_dropped_each_time_another(some: Some) -> None:
    """With biases that let every unit through ReLU, what is zero was dropped."""
    net = COURSES["mlp"].net(0)
    for layer in (net.fc1, net.fc2):
        assert isinstance(layer, nn.Linear)
        nn.init.constant_(layer.bias, 100.0)
        layer.weight.detach().mul_(0.01)
    way = NativeMLP(COURSES["mlp"], net, some("mlp", 200), seed=5)
    way.state.rate = 0.0
    seen = []
    for epoch in range(2):
        way.begin(None)
        for step in range(10):
            way.run(step, step + 1)
            seen += [way.kept[name][:, :512].eq(0).clone() for name in ("h1", "h2")]
        assert len(seen) == 20 * (epoch + 1)
    dropped = torch.stack(seen).float()
    assert float(dropped.mean()) == pytest.approx(0.2, abs=0.003)
    # No unit and no place in the batch is favoured, and no two masks have to do with each other.
    assert float(dropped.mean((0, 1)).std()) < 0.02
    assert float(dropped.mean((0, 2)).std()) < 0.01
    related = torch.corrcoef(dropped.flatten(1)) - torch.eye(len(seen))
    assert float(related.abs().max()) < 0.06
    kept = way.kept["h1"][:, :512][way.kept["h1"][:, :512] > 0]
    assert float(kept.mean()) == pytest.approx(125, rel=0.01)


@pytest.mark.parametrize("course", COURSES)
def test_what_is_not_a_number_is_not_lost(course: str, some: Some) -> None:
    way = train.trainer(COURSES[course], some(course, 256), "cpu", "native", 0)
    with torch.no_grad():
        next(way.net.parameters())[0] = math.nan
    if isinstance(way, NativeMLP):
        way.kept["w1"].fill_(math.nan)
    assert math.isnan(way.epoch(None))


@pytest.mark.usefixtures("fresh")
def test_without_a_compiler_pytorch_does_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert train.style_for("cpu", "auto") == "direct"
    with pytest.raises(
        train.TrainingError, match=r"because there is no C compiler \(cc\): install gcc, or use --style"
    ):
        train.style_for("cpu", "native")


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize(
    ("does", "told"),
    [
        (
            "echo 'fatal error: math.h: No such file or directory' >&2; exit 1",
            r"does not compile native_\w+\.c here \(fatal error: math\.h",
        ),
        # As from a temporary folder on a file system that is mounted noexec: here nothing usable is written.
        ("exit 0", "what was compiled cannot be loaded"),
    ],
)
def test_a_compiler_that_is_of_no_use_is_told(
    does: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler = tmp_path / "cc"
    compiler.write_text(f"#!/bin/sh\n{does}\n")
    compiler.chmod(compiler.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("CC", os.fspath(compiler))
    assert train.style_for("cpu", "auto") == "direct"
    with pytest.raises(train.TrainingError, match=told):
        train.style_for("cpu", "native")


def test_nothing_is_left_behind() -> None:
    assert not native.build().wait()
    assert not Path(native.build().folder.name).exists()

"""Training over several workers: gloo on this machine against one process, and who is named when one is gone."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from gpubench import courses, distributed, group

IMAGES = 720
"""A part of LeNet-5's training images: 6 steps, the last of them with 80 images."""

WAITING = {"OMP_WAIT_POLICY": "PASSIVE"}
"""Threads that wait for others sleep; here all workers share the cores."""


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        found: int = free.getsockname()[1]
    return found


def command(data: Path, out: Path, *arguments: str) -> list[str]:
    common = ["--net", "lenet", "--device", "cpu", "--seed", "3", "--images", str(IMAGES), "--double"]
    return ["gpubench.distributed", *common, "--data", str(data), "--json", str(out), *arguments]


def one_process(folder: Path, epochs: int) -> list[float]:
    """The mean loss of each epoch of the plainest loop; in float64, where rounding does not part the curves."""
    course = courses.COURSES["lenet"]
    train, net = course.load(folder)["train"], course.net(3).double()
    images = train.images.double()
    optimizer, generator = course.optimizer(net.parameters()), torch.Generator().manual_seed(3)
    losses = []
    for _ in range(epochs):
        order = course.permutation(generator)
        assert order is not None
        total = 0.0
        for numbers in order[order < IMAGES].split(course.batch):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(net(images[numbers]), train.labels[numbers])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(numbers)
        losses.append(total / IMAGES)
    return losses


def test_two_workers_learn_as_one_process_does(mnist: Path, tmp_path: Path, port: int) -> None:
    launcher = ["--nnodes", "1", "--nproc-per-node", "2", "--master-addr", "127.0.0.1", "--master-port", str(port)]
    program = command(mnist, tmp_path / "out.json", "--epochs", "2")
    run = [sys.executable, "-m", "torch.distributed.run", *launcher, "-m", *program]
    done = subprocess.run(run, env=os.environ | WAITING, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "out.json").read_text())
    assert (found["world"], found["nodes"], found["backend"]) == (2, 1, "gloo")
    assert found["lenet"]["losses"] == pytest.approx(one_process(mnist, 2), abs=1e-6)
    assert found["lenet"]["losses"][1] < found["lenet"]["losses"][0]
    assert len(found["lenet"]["walls"]) == 2
    assert done.stderr.count("lenet 2 x cpu epoch ") == 2, "rank 0 alone tells"
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]


@pytest.mark.parametrize(("batch", "world"), [(128, 2), (20, 3), (128, 4), (3, 4)])
def test_shares_are_the_batch_and_their_mean_is_its_mean(batch: int, world: int) -> None:
    order = torch.randperm(250, generator=torch.Generator().manual_seed(1))
    values = torch.rand(250, dtype=torch.float64)
    every = [list(distributed.shares(order, batch, rank, world)) for rank in range(world)]
    assert len({len(parts) for parts in every}) == 1, "all take every step"
    for whole, parts in zip(order.split(batch), zip(*every, strict=True), strict=True):
        seen = torch.cat([numbers for numbers, factor in parts if factor])
        assert sorted(seen.tolist()) == sorted(whole.tolist())
        mean = sum(float(values[numbers].sum()) * factor for numbers, factor in parts) / world
        assert mean == pytest.approx(float(values[whole].mean()))


def test_a_worker_that_dies_is_named(mnist: Path, tmp_path: Path, port: int) -> None:
    """The launcher would end all workers of its own host, so each is started as if on a host of its own."""
    program = command(mnist, tmp_path / "out.json", "--epochs", "1000", "--patience", "60")
    here = os.environ | {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": "2",
        "GROUP_WORLD_SIZE": "2",
    }
    here |= {"LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "2"}
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", *program], env={**here, "RANK": rank}, stderr=subprocess.PIPE, text=True
        )
        for rank in "01"
    ]
    try:
        assert workers[0].stderr is not None
        assert any(" epoch 1/1000: " in line for line in workers[0].stderr), "it began"
        workers[1].kill()
        told = [line for line in workers[0].stderr if line.startswith("gpubench: ")]
        name = socket.gethostname()
        assert len(told) == 1
        assert (
            f"Worker 0 on {name} waited for worker 1 on {name}, which no longer answers: see what that host" in told[0]
        )
        assert workers[0].wait() == 2
        assert not (tmp_path / "out.json").exists()
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()


def about(host: str, **other: str) -> dict[str, str]:
    return {"host": host, "backend": "gloo", "torch": "2.13.0", "training": "lenet"} | other


def test_a_worker_that_does_not_come_is_named() -> None:
    with pytest.raises(group.DistributedError, match=r"Worker 0 on gpu-1 waited 0 s for worker 1, 2 of 3: see what"):
        group.meet(dist.HashStore(), 0, 3, about("gpu-1"), 0.3)


@pytest.mark.parametrize(("other", "hosts"), [({}, ["gpu-1", "gpu-2"]), ({"torch": "2.12.0"}, None)])
def test_workers_compare_what_they_are_about_to_do(other: dict[str, str], hosts: list[str] | None) -> None:
    store, seen = dist.HashStore(), []
    second = threading.Thread(target=lambda: store.set("here/1", json.dumps(about("gpu-2", **other))))
    second.start()
    try:
        if hosts is None:
            with pytest.raises(
                group.DistributedError, match=r"gpu-2 has torch 2\.12\.0 and gpu-1 has 2\.13\.0, expected"
            ):
                group.meet(store, 0, 2, about("gpu-1"), 5)
        else:
            seen = group.meet(store, 0, 2, about("gpu-1"), 5)
            assert seen == hosts
    finally:
        second.join()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--epochs", "0"], "--epochs is 0, expected at least 1"),
        (["--net", "lenet,alex"], "--net has alex, expected some of"),
    ],
)
def test_bad_input_is_refused(arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        distributed.arguments([*arguments, "--data", "d", "--json", "j"])
    assert sentence in capsys.readouterr().err

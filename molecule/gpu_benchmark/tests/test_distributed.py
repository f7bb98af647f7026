"""What one training over two hosts leaves: one process's curve, on the first host, and nothing that runs on."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import testinfra

STATE = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"]) / ".cache/molecule/gpu_benchmark"
FOLDER = "/opt/gpulab/benchmark"
NAMES = ["gpu-benchmark", "gpu-benchmark-2"]


def host(name: str) -> Any:
    return testinfra.get_host(f"ssh://{name}", ssh_config=str(STATE / "ssh_config"))


def test_two_hosts_trained_together(result: dict[str, Any]) -> None:
    (file,) = host(NAMES[0]).check_output(f"ls {FOLDER}/distributed/*.json").split()
    two = json.loads(host(NAMES[0]).file(file).content_string)
    assert (two["world"], two["nodes"], two["backend"]) == (2, 2, "gloo")
    assert len(two["lenet"]["walls"]) == 1
    # Of other programs in float32: their rounding parts them by some 1e-4 within the epoch.
    assert two["lenet"]["losses"] == pytest.approx(result["lenet"]["cpu"]["losses"], abs=5e-3)
    assert two["lenet"]["accuracy"] == pytest.approx(result["lenet"]["cpu"]["accuracy"], abs=0.01)
    assert two["lenet"]["images_per_second"] == pytest.approx(55000 / two["lenet"]["seconds_per_epoch"])


def train(names: list[str], port: int) -> list[float]:
    """One epoch over a part of the images on these hosts, by hand as docs/several-gpus.md says; the loss curve."""
    place = f"cd {FOLDER}/program && rm -f /tmp/curve.json && OMP_WAIT_POLICY=PASSIVE timeout 120"
    launch = f"{FOLDER}/venv/bin/python -m torch.distributed.run --nproc-per-node 1 --nnodes {len(names)}"
    address = host(NAMES[0]).check_output("hostname -I").split()[0]
    meet = f"--master-addr {address} --master-port {port} --rdzv-conf timeout=60"
    what = f"-m gpubench.distributed --double --images 1280 --epochs 2 --data {FOLDER}/mnist --json /tmp/curve.json"
    lines = [f"{place} {launch} {meet} --node-rank {rank} {what}" for rank in range(len(names))]
    with ThreadPoolExecutor() as pool:
        for done in pool.map(lambda name, line: host(name).run(line), names, lines):
            assert done.rc == 0, done.stderr
    losses: list[float] = json.loads(host(NAMES[0]).file("/tmp/curve.json").content_string)["lenet"]["losses"]
    return losses


def test_two_hosts_learn_as_one_process_does() -> None:
    one, two = train(NAMES[:1], 29511), train(NAMES, 29512)
    assert len(two) == 2
    assert two[1] < two[0]
    assert two == pytest.approx(one, abs=1e-3)


def test_only_the_first_host_keeps_the_result() -> None:
    assert host(NAMES[1]).check_output(f"find {FOLDER}/distributed -name '*.json*'") == ""


@pytest.mark.parametrize("name", NAMES)
def test_no_launcher_and_no_worker_runs_on(name: str) -> None:
    assert host(name).run("pgrep -f 'torch[.]distributed|gpubench[.]distributed'").rc == 1

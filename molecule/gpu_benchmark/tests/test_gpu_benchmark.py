"""What the role leaves on a host, seen over ssh by its own login user."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

FOLDER = "/opt/gpulab/benchmark"


def gpubench(host: Any, arguments: str) -> Any:
    program = f"{FOLDER}/venv/bin/python -m gpubench --data {FOLDER}/mnist --json /tmp/x.json"
    return host.run(f"cd {FOLDER}/program && {program} {arguments}")


def test_lenet_learned_in_one_epoch(result: dict[str, Any]) -> None:
    cpu = result["lenet"]["cpu"]
    assert result["gates"] == {"passed": True, "reasons": []}
    assert cpu["style"] == "native"
    assert cpu["epochs"] == len(cpu["losses"]) == 1
    assert cpu["validation_accuracy"] >= 0.93
    assert cpu["accuracy"] >= 0.93


def test_figures_agree_with_each_other(result: dict[str, Any]) -> None:
    cpu = result["lenet"]["cpu"]
    assert result["version"] == 2
    assert cpu["images_per_second"] == pytest.approx(55000 / cpu["seconds_per_epoch"])
    assert cpu["gflops"] == pytest.approx(cpu["images_per_second"] * 2 * 1131960 / 1e9)
    assert cpu["fraction_of_gemm_rate"] > 0
    assert cpu["times_floor"] == pytest.approx(cpu["best_seconds_per_epoch"] / cpu["floor_seconds_per_epoch"])
    assert cpu["reliable"] is not bool(cpu["unreliable_reasons"])
    assert cpu["seconds_per_epoch"] in cpu["walls"]


def test_torch_is_the_locked_build(result: dict[str, Any]) -> None:
    assert result["torch"] == "2.13.0+cpu"


def test_no_gpu_number_without_a_gpu(result: dict[str, Any]) -> None:
    assert result["device_found"] == {"cuda": False, "name": None, "count": 0}
    assert set(result["lenet"]) == {"cpu"}
    assert result["gpus"] == []
    assert set(result["probes"]) == {"cpu"}


def test_the_result_is_the_first_entry_of_the_history(host: Any, result: dict[str, Any]) -> None:
    (entry,) = map(json.loads, host.file(f"{FOLDER}/history.jsonl").content_string.splitlines())
    assert result["history"] == {"previous": None, "changes": []}
    assert entry["finished"] == result["finished"]
    assert entry["runs"]["lenet"]["cpu"]["walls"] == result["lenet"]["cpu"]["walls"]


def test_the_program_is_there_in_whole_and_nothing_else(host: Any) -> None:
    source = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"]) / "roles/gpu_benchmark/files/gpubench"
    suffixes = (".py", ".json", ".c", ".h")
    program = host.check_output(f"cd {FOLDER}/program/gpubench && find . -maxdepth 1 -type f").split()
    assert sorted(program) == sorted(f"./{file.name}" for file in source.iterdir() if file.suffix in suffixes)


def test_each_epoch_was_shown(host: Any) -> None:
    log = host.file(f"{FOLDER}/job/log").content_string
    assert len([line for line in log.splitlines() if "lenet cpu epoch 1/1: " in line]) == 1


def test_files_belong_to_the_login_user(host: Any) -> None:
    assert host.file(FOLDER).user == "ubuntu"
    assert host.file(f"{FOLDER}/mnist/train-images-idx3-ubyte").size == 47040016


def test_cuda_without_a_gpu_is_one_sentence(host: Any) -> None:
    run = gpubench(host, "--device cuda")
    assert run.rc == 2
    assert len(run.stderr.strip().splitlines()) == 1
    assert "finds no usable CUDA device" in run.stderr
    assert not host.file("/tmp/x.json").exists


def test_truncated_data_is_refused_with_both_hashes(host: Any) -> None:
    host.check_output(
        f"rm -rf /tmp/short && cp -r {FOLDER}/mnist /tmp/short && truncate -s 1000 /tmp/short/train-labels-idx1-ubyte"
    )
    run = gpubench(host, "--data /tmp/short")
    assert run.rc == 2
    assert "expected 65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5" in run.stderr
    assert "has sha256" in run.stderr
    assert len(run.stderr.strip().splitlines()) == 1

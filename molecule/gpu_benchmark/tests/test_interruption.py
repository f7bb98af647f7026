"""What prepare.yml left on the first host: trainings that AWS cut off, before the one that converge.yml measured."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

STATE = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"]) / ".cache/molecule/gpu_benchmark"
FOLDER = "/opt/gpulab/benchmark"
NOTICE = {"action": "stop", "time": "2026-11-22T18:00:00Z"}


def test_fault_29_a_host_that_is_taken_back_while_it_trains_has_no_figure(
    host: Any, results: list[dict[str, Any]]
) -> None:
    epochs = re.findall(r"lenet cpu epoch (\d+)/1000: ", host.file("/var/tmp/interrupted.log").content_string)
    assert epochs[0] == "1"
    assert len(epochs) < 1000
    (interrupted,) = (one for one in results if "interrupted" in one)
    assert interrupted["interrupted"] == NOTICE
    assert set(interrupted) == {"version", "interrupted", "gates", "finished"}
    assert interrupted["gates"]["passed"] is False
    report = json.loads((STATE / "reports/gpu-benchmark-benchmark.json").read_text())
    assert report["verdict"] == "failed"
    assert report["sentence"] == interrupted["gates"]["reasons"][0]
    assert report["sentence"].startswith("AWS takes this spot host back (stop at 2026-11-22T18:00:00Z)")


def test_fault_29_the_next_run_measures_and_the_history_knows_of_it_alone(host: Any, result: dict[str, Any]) -> None:
    # The training that was tried while the notice stood had this result's place.
    assert host.file("/var/tmp/metadata.answers").content_string.splitlines()[-2:] == ["PUT 200", "GET 200"]
    assert result["gates"]["passed"] is True
    assert result["lenet"]["cpu"]["epochs"] == 1
    (entry,) = map(json.loads, host.file(f"{FOLDER}/history.jsonl").content_string.splitlines())
    assert entry["finished"] == result["finished"]


def test_the_service_was_asked_before_the_training_and_during_it(host: Any) -> None:
    answers = host.file("/var/tmp/metadata.answers").content_string.splitlines()[:-2]
    assert answers[:2] == ["PUT 200", "GET 404"]
    assert answers[-1] == "GET 200"
    assert set(answers[2:-1]) <= {"GET 404"}

"""benchmark.yml and the parts of its role that decide, on this machine: no host, no PyTorch; a stand-in trains."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from rehearsal.settings import ROOT
from tests.support.playbook import Run

HOST = {"python": "3.11", "machine": "x86_64", "environment": "", "environment_torch": ""}
HOST |= {"nvidia_cards": 0, "nvidia_device": False, "nvidia_driver": "", "nvidia_gpus": []}
"""A host without a card, as host_probe.py describes it."""
SETTINGS = {"nets": ["lenet"], "devices": "auto", "epochs": 1, "seeds": [0], "style": "auto", "gpus": "1"}
HEALTHY: dict[str, Any] = {"gates": {"passed": True, "reasons": []}, "health": {"findings": []}}
UNLEARNED = {"gates": {"passed": False, "reasons": ["It did not learn."]}}
SICK = {"health": {"findings": [{"code": "throttled", "severity": "failed", "sentence": "It is too hot."}]}}
RUN = {"style": "direct", "seconds_per_epoch": 2.0, "images_per_second": 27500.0, "walls": [2.0], "threads": 2}
RUN |= {"epochs": 1, "loss": 0.37, "losses": [0.37], "accuracy": 0.966, "reliable": True, "unreliable_reasons": []}
MADE_UP = {"torch": "2.13.0+cpu", "device_found": {"cuda": False, "name": None, "count": 0}, "lenet": {"cpu": RUN}}
"""A result as a CPU would leave it, made up by hand."""

STAND_IN = """#!/bin/sh
# Stands in for the environment's Python: notes how gpubench is called, and writes what it is told to, trains nothing.
echo "$@" >> {folder}/calls
while [ "$1" != --json ]; do shift; done
echo "lenet cpu epoch 1/1: 2.31 s, 23,800 images/s" >&2
cat {folder}/says >&2
[ -e {folder}/result ] && mkdir -p "${{2%/*}}" && cp {folder}/result "$2"
exit $(cat {folder}/code)
"""


class Machine:
    """A folder that looks like a host's to the role, and this machine as Ansible's host."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        python = folder / "venv/bin/python"
        python.parent.mkdir(parents=True)
        (folder / "program").mkdir()
        python.write_text(STAND_IN.format(folder=folder))
        python.chmod(0o755)
        self.trains(HEALTHY)

    def trains(self, result: dict[str, Any] | None, code: int = 0, says: str = "") -> None:
        """What the next training leaves, ends with and says last."""
        (self.folder / "result").unlink(missing_ok=True)
        if result is not None:
            (self.folder / "result").write_text(json.dumps(result))
        (self.folder / "code").write_text(str(code))
        (self.folder / "says").write_text(says)

    @property
    def calls(self) -> list[str]:
        """How gpubench was called, all times."""
        file = self.folder / "calls"
        return file.read_text().splitlines() if file.exists() else []

    def play(self, part: str, *arguments: str, again: bool = False, **variables: Any) -> Run:
        """Play one task file of the role with what the files before it leave."""
        known = {
            "gpu_benchmark_dir": str(self.folder),
            "__gpu_benchmark_host": HOST,
        }
        known |= {
            "__gpu_benchmark_settings": SETTINGS | {"again": again},
            "ansible_facts": {"processor": ["0", "Made up"]},
        }
        task = {"name": "Play", "ansible.builtin.import_role": {"name": "gpu_benchmark", "tasks_from": part}}
        tell = {
            "name": "Tell",
            "ansible.builtin.debug": {"msg": "RESULT{{ gpu_benchmark_result | default({}) | to_json }}"},
        }
        play = {"name": "Test", "hosts": "box", "gather_facts": False, "vars": known | variables, "tasks": [task, tell]}
        (self.folder / "play.yml").write_text(json.dumps([play]))
        return playbook(self.folder, str(self.folder / "play.yml"), *arguments)


def playbook(folder: Path, *arguments: str, **host: Any) -> Run:
    """Run ansible-playbook with an inventory of one host, `box`; this machine, unless told otherwise."""
    box = {"ansible_connection": "local", "ansible_python_interpreter": str(ROOT / ".venv/bin/python")} | host
    (folder / "hosts.yml").write_text(json.dumps({"all": {"hosts": {"box": box}}}))
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "GPULAB_", "ANSIBLE_"))}
    paths = {f"ANSIBLE_{kind.upper()}_PATH": str(ROOT / kind) for kind in ("roles", "collections")}
    command = [str(ROOT / ".venv/bin/ansible-playbook"), f"--inventory={folder / 'hosts.yml'}", *arguments]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=kept | paths | {"ANSIBLE_HOME": str(ROOT / ".ansible"), "ANSIBLE_NOCOLOR": "true", "COLUMNS": "400"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return Run(done.returncode, done.stdout)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "benchmark")


def test_bad_input_is_told_before_the_host_is_asked_anything(tmp_path: Path) -> None:
    given = {"gpu_benchmark_nets": "lenet,vgg", "gpu_benchmark_epochs": 0}
    nowhere = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
    run = playbook(tmp_path, "benchmark.yml", f"--extra-vars={json.dumps(given)}", **nowhere)
    run.refused("gpu_benchmark_nets is 'lenet,vgg', expected lenet or mlp", "gpu_benchmark_epochs is '0', expected")
    assert "UNREACHABLE" not in run.output


def test_a_result_is_made_once_unless_it_tells_of_something_wrong_or_another_is_wanted(machine: Machine) -> None:
    told = machine.play("run", "--check").ok()
    assert "lenet would be trained (devices: auto, epochs: 1)." in told.flat
    assert machine.calls == []
    assert not (machine.folder / "results").exists()
    first = machine.play("run").ok()
    assert first.changed["box"] == 1
    assert "box | benchmark: lenet cpu epoch 1/1: 2.31 s" in first.output
    assert f"RESULT{json.dumps(HEALTHY)}" in first.output
    assert machine.play("run").ok().changed["box"] == 0
    assert len(machine.calls) == 1
    (kept,) = (machine.folder / "results").iterdir()
    for wrong in SICK, UNLEARNED:  # it may have been mended since
        kept.write_text(json.dumps(HEALTHY | wrong))
        assert machine.play("run").ok().changed["box"] == 1
        assert json.loads(kept.read_text()) == HEALTHY
    assert machine.play("run", again=True).ok().changed["box"] == 1
    first_call, *later = machine.calls
    assert "-m gpubench --once --net lenet --device auto --epochs 1 --seed 0 --style auto --data" in first_call
    assert later == [first_call.replace(" --once", "")] * 3


def test_the_programs_own_sentence_is_the_failure(machine: Machine) -> None:
    said = "--device cuda was asked for, but torch 2.13.0+cpu finds no usable CUDA device: see what nvidia-smi says."
    machine.trains(None, code=2, says=said)
    machine.play("run").refused(said)


def test_a_crash_names_the_log(machine: Machine) -> None:
    machine.trains(None, code=1, says="ZeroDivisionError: division by zero")
    run = machine.play("run")
    assert run.code != 0
    assert "benchmark ended with exit code 1 after" in run.flat
    assert f"(its whole output is in {machine.folder}/job/log on the host)" in run.flat
    assert "ZeroDivisionError: division by zero" in run.flat


def test_a_broken_promise_fails_the_play_after_its_report_was_written(machine: Machine) -> None:
    reports = machine.folder / "reports"
    told = {"gpu_benchmark_reports_dir": str(reports), "gpu_benchmark_result": HEALTHY | MADE_UP}
    fine = machine.play("report", **told).ok()
    assert fine.changed["box"] == 1
    assert "No GPU was used" in fine.flat
    assert json.loads((reports / "box-benchmark.json").read_text())["verdict"] == "rehearsed"
    # The same figures where a card is in the machine: the CPU stood in for it, silently.
    run = machine.play("report", **told, __gpu_benchmark_host=HOST | {"nvidia_cards": 1})
    run.refused("GPU was expected")
    assert json.loads((reports / "box-benchmark.json").read_text())["verdict"] == "failed"
    assert sorted(file.name for file in reports.iterdir()) == ["box-benchmark.json", "box-benchmark.svg"]

"""The action long_command, run by ansible-playbook on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SECRET = "hush-hush-0123456789-abcdefghijkl"


def play(work: Path, *arguments: str, no_log: bool = False, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run one task; its result is left in result.json."""
    task = {"name": "Run it", "gpulab.core.long_command": {"job": str(work / "job")} | options}
    keep = {
        "name": "Keep it",
        "ansible.builtin.copy": {"content": "{{ r | to_json }}", "dest": str(work / "result.json")},
    }
    tasks = [{"block": [task | {"register": "r", "no_log": no_log}], "always": [keep | {"check_mode": False}]}]
    variables = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    (work / "play.yml").write_text(
        json.dumps([{"hosts": "all", "gather_facts": False, "vars": variables, "tasks": tasks}])
    )
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    return subprocess.run(
        [ROOT / ".venv/bin/ansible-playbook", "--inventory=box,", *arguments, work / "play.yml"],
        env=clean | {"ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"), "ANSIBLE_HOME": str(work / "ansible")},
        cwd=work,
        capture_output=True,
        text=True,
        check=False,
    )


def result(work: Path) -> dict[str, Any]:
    return json.loads((work / "result.json").read_text())


def test_matching_lines_are_shown_and_the_last_ones_returned(tmp_path: Path) -> None:
    done = play(tmp_path, argv=["printf", r"cell 1\nnoise\n10 %%\r20 %%\ncell 2\n"], progress="^cell", label="lab")
    assert done.returncode == 0, done.stdout
    assert [line for line in done.stdout.splitlines() if " | lab: " in line] == [
        "box | lab: cell 1",
        "box | lab: cell 2",
    ]
    told = result(tmp_path)
    assert (told["rc"], told["changed"], told["attached"]) == (0, True, False)
    assert told["stdout_lines"] == ["cell 1", "noise", "20 %", "cell 2"]
    assert Path(told["log"]).read_text().startswith("cell 1\n")


def test_failure_shows_the_last_lines(tmp_path: Path) -> None:
    done = play(tmp_path, argv=["sh", "-c", "echo no space left; exit 5"])
    assert done.returncode == 2
    assert result(tmp_path)["rc"] == 5
    assert "sh ended with exit code 5 after 0 seconds" in result(tmp_path)["msg"]
    assert result(tmp_path)["msg"].endswith("its last lines are:\nno space left")


def test_nothing_of_a_secret_task_is_shown(tmp_path: Path) -> None:
    script = f"echo cell {SECRET}; exit 5"
    done = play(
        tmp_path, "-vvv", argv=["sh", "-c", script], environment={"TOKEN": SECRET}, progress="^cell", no_log=True
    )
    assert done.returncode == 2
    assert SECRET in (tmp_path / "job/log").read_text()
    assert SECRET not in done.stdout + done.stderr


def test_check_mode_runs_nothing(tmp_path: Path) -> None:
    done = play(tmp_path, "--check", argv=["touch", str(tmp_path / "touched")])
    assert done.returncode == 0, done.stdout
    assert result(tmp_path)["skipped"] is True
    assert not (tmp_path / "touched").exists()
    assert not (tmp_path / "job").exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"argv": ["true"], "progress": "("}, "progress is no regular expression"),
        ({"argv": []}, "argv is empty, expected a command: give one."),
    ],
)
def test_wrong_options_are_refused(tmp_path: Path, options: dict[str, Any], sentence: str) -> None:
    assert play(tmp_path, **options).returncode == 2
    assert sentence in result(tmp_path)["msg"]

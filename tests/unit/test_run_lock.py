"""The lock of a deployment: held by a process that lives, by nobody else, whatever lies in the file."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import run_lock


@pytest.fixture
def other() -> Iterator[dict[str, Any]]:
    """Another run that is going on."""
    with subprocess.Popen(["sleep", "600"]) as process:
        yield run(process.pid, "0b5e55ed")
        process.kill()


def run(pid: int, name: str) -> dict[str, Any]:
    told = {"pid": pid, "machine": "here", "began": run_lock.began(pid), "run": name}
    return told | {"command": "ansible-playbook provision.yml", "since": "2026-11-22 09:00:00 UTC"}


ME = run(os.getpid(), "3fa2b1c0")


def test_the_first_takes_it_in_a_folder_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "a/lock"
    assert not run_lock.folder_ready(file)
    assert run_lock.take(file, ME) is None
    assert run_lock.folder_ready(file)
    assert json.loads(file.read_text()) == ME
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_a_run_that_lives_keeps_it(tmp_path: Path, other: dict[str, Any]) -> None:
    file = tmp_path / "lock"
    assert run_lock.take(file, other) is None
    found = run_lock.take(file, ME)
    assert found == other
    assert json.loads(file.read_text()) == other
    told = run_lock.sentence("lab", other)
    assert f"Run 0b5e55ed of deployment lab is in progress (ansible-playbook provision.yml, pid {other['pid']}" in told
    assert f"kill {other['pid']}" in told


def test_the_same_run_may_take_it_twice(tmp_path: Path) -> None:
    assert [run_lock.take(tmp_path / "lock", ME) for _ in range(2)] == [None, None]


def test_a_dead_runs_lock_is_taken_over(tmp_path: Path, other: dict[str, Any]) -> None:
    run_lock.take(tmp_path / "lock", other)
    os.kill(other["pid"], 9)
    os.waitid(os.P_PID, other["pid"], os.WEXITED | os.WNOWAIT)
    assert run_lock.take(tmp_path / "lock", ME) is None
    assert json.loads((tmp_path / "lock").read_text()) == ME


def test_a_pid_that_is_used_again_is_another_process(tmp_path: Path, other: dict[str, Any]) -> None:
    (tmp_path / "lock").write_text(json.dumps(other | {"began": "12"}))
    assert run_lock.take(tmp_path / "lock", ME) is None


@pytest.mark.parametrize("text", ["", "{", '{"pid": "x"}', "[]", "null"])
def test_a_lock_that_was_cut_off_holds_nobody_up(tmp_path: Path, text: str) -> None:
    (tmp_path / "lock").write_text(text)
    assert run_lock.take(tmp_path / "lock", ME) is None


def test_a_longer_text_leaves_no_tail(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("x" * 5000)
    run_lock.take(tmp_path / "lock", ME)
    assert json.loads((tmp_path / "lock").read_text()) == ME


def test_the_lock_of_another_machine_says_nothing_here(tmp_path: Path, other: dict[str, Any]) -> None:
    (tmp_path / "lock").write_text(json.dumps(other | {"machine": "elsewhere"}))
    assert run_lock.take(tmp_path / "lock", ME) is None

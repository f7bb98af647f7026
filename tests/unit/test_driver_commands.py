"""driver_commands: commands that are absent, hang, print garbage or without end."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import driver_commands

from tests.support.fake_host import FakeHost, bare, put_on


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    """A host for commands."""
    return put_on(bare(tmp_path), monkeypatch)


def test_run_of_what_is_not_there(empty: FakeHost) -> None:
    assert driver_commands.run(["no-such-command-here"], 5) is None
    (empty.bin / "garbage").write_bytes(b"\x7fELF no program")
    (empty.bin / "garbage").chmod(0o755)
    assert driver_commands.run(["garbage"], 5) is None


def test_run_gives_text_that_is_no_text(empty: FakeHost) -> None:
    empty.command("bytes", "printf 'a\\377b'")
    assert driver_commands.run(["bytes"], 5) == (0, "a\ufffdb", False)


def test_run_does_not_wait_for_a_child_in_the_background(empty: FakeHost) -> None:
    empty.command("daemon", "echo ready; sleep 600 & echo $!")
    output = driver_commands.run(["daemon"], 60)
    assert output.timed_out is False
    ready, child = output.text.split()
    os.kill(int(child), 9)
    assert ready == "ready"


def test_run_ends_what_prints_without_end(empty: FakeHost) -> None:
    empty.command("endless", "exec yes NVRM")
    output = driver_commands.run(["endless"], 60)
    assert output.timed_out is False
    assert output.rc == -9


def test_path_is_completed_and_keeps_its_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/opt/x:/usr/bin")
    assert (
        driver_commands.environment()["PATH"] == "/usr/local/sbin:/opt/x:/usr/bin:/usr/local/bin:/usr/sbin:/sbin:/bin"
    )

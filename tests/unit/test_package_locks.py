"""wait_for_package_locks: who holds a lock, with a real fcntl lock of another process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.gpulab.core.plugins.modules import wait_for_package_locks as module

HOLD = """
import fcntl, sys
with open(sys.argv[1], "r+") as lock:
    {take}
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    """A lock file like dpkg's: empty, and free."""
    file = tmp_path / "lock-frontend"
    file.touch()
    return file


def hold(file: Path, take: str) -> subprocess.Popen[bytes]:
    """Start a process that takes a lock on `file`, and wait until it has it; closing its stdin ends it."""
    command = [sys.executable, "-c", HOLD.format(take=take), str(file)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    return process


@pytest.fixture
def dpkg(lock: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that holds the lock as dpkg does."""
    process = hold(lock, "fcntl.lockf(lock, fcntl.LOCK_EX)")
    yield process
    process.communicate()


def run(capsys: pytest.CaptureFixture[str], **arguments: Any) -> dict[str, Any]:
    """Run the module in this process and return its result."""
    with patch_module_args(arguments), pytest.raises(SystemExit):
        module.main()
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


def test_holder_of_a_held_lock_is_its_process(lock: Path, dpkg: subprocess.Popen[bytes]) -> None:
    assert module.holder(str(lock)) == dpkg.pid


def test_looking_does_not_take_the_lock_away(lock: Path, dpkg: subprocess.Popen[bytes]) -> None:
    assert [module.holder(str(lock)) for _ in range(3)] == [dpkg.pid] * 3


def test_a_free_and_a_missing_file_have_no_holder(lock: Path) -> None:
    assert module.holder(str(lock)) == 0
    assert module.holder(str(lock.with_name("never-made"))) == 0


def test_holder_is_gone_when_the_process_is(lock: Path, dpkg: subprocess.Popen[bytes]) -> None:
    dpkg.communicate()
    assert module.holder(str(lock)) == 0


def test_part_of_the_file_is_enough(lock: Path) -> None:
    process = hold(lock, "fcntl.lockf(lock, fcntl.LOCK_EX, 1, 100)")
    assert module.holder(str(lock)) == process.pid
    process.communicate()


def test_a_flock_lock_is_another_kind_and_does_not_count(lock: Path) -> None:
    process = hold(lock, "fcntl.flock(lock, fcntl.LOCK_EX)")
    assert module.holder(str(lock)) == 0
    process.communicate()


def test_name_of() -> None:
    assert Path(sys.executable).name in module.name_of(os.getpid())
    # A pid above the kernel's limit, so that nobody has it.
    assert module.name_of(2**22 + 1) == "gone by now"


def test_free_locks_end_at_once_and_change_nothing(lock: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = run(capsys, files=[str(lock), str(lock.with_name("never-made"))], timeout=0)
    assert result["changed"] is False
    assert "failed" not in result


def test_a_lock_that_stays_is_told_with_file_pid_and_program(
    lock: Path, dpkg: subprocess.Popen[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    result = run(capsys, files=[str(lock)], timeout=0)
    assert result["failed"] is True
    assert result["msg"].startswith(f"{lock} is still held by process {dpkg.pid} ({sys.executable} -c ")
    assert result["msg"].endswith(
        ") after 0 seconds: look what it does on the host, and run this again when it is done."
    )


def test_it_goes_on_when_the_holder_lets_go(
    lock: Path,
    dpkg: subprocess.Popen[bytes],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits: list[float] = []

    def let_go(seconds: float) -> None:
        waits.append(seconds)
        dpkg.communicate()

    monkeypatch.setattr(module.time, "sleep", let_go)
    result = run(capsys, files=[str(lock)], timeout=60)
    assert waits == [1]
    assert "failed" not in result


def test_a_lock_that_may_not_be_read_asks_for_root(
    lock: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: Any) -> int:
        raise PermissionError(13, "Permission denied")

    # Root may read everything, and these tests run as root.
    monkeypatch.setattr(module, "holder", refuse)
    result = run(capsys, files=[str(lock)])
    assert result["msg"].startswith("The package locks cannot be read ([Errno 13] Permission denied")
    assert result["msg"].endswith("with become: true.")

"""Jobs that outlive what started them: started in a process of its own each, as the module does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import long_command_job

ROOT = Path(__file__).resolve().parents[2]
STARTER = """
import json, sys
from ansible_collections.gpulab.core.plugins.module_utils import long_command_job as jobs
try:
    print(json.dumps(jobs.start(*json.loads(sys.argv[1]))))
except jobs.JobError as error:
    print(json.dumps(str(error)))
"""


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "job"
    yield folder
    long_command_job.end_members(str(folder))


def start(job: Path, script: str, chdir: str | None = None, timeout: float = 60, **environment: str) -> Any:
    """Start `sh -c script`; (identity, started) or the sentence of the refusal."""
    arguments = json.dumps([str(job), ["sh", "-c", script], chdir, environment, timeout])
    done = subprocess.run(
        [sys.executable, "-c", STARTER, arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT / "collections")},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def wait(condition: Any) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not come"
        time.sleep(0.02)


def outcome(job: Path) -> list[str]:
    """Exit code and reason, once it has ended."""
    wait((job / "exit").exists)
    code, _seconds, reason = (job / "exit").read_text().split()
    return [code, reason]


def test_command_runs_with_its_folder_environment_and_both_streams_in_the_log(job: Path, tmp_path: Path) -> None:
    _identity, started = start(job, "pwd; echo $COLOR; echo oops >&2; exit 7", str(tmp_path), COLOR="green")
    assert started is True
    assert outcome(job) == ["7", "exit"]
    assert (job / "log").read_text() == f"{tmp_path}\ngreen\noops\n"


def test_folder_is_for_its_user_and_holds_no_secret(job: Path) -> None:
    start(job, "true", TOKEN="a-very-long-secret-value-0123456789")
    assert outcome(job) == ["0", "exit"]
    assert job.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o077 for file in job.iterdir()} == {0}
    assert [file.name for file in job.iterdir() if "secret" in file.read_text()] == []


def test_command_gets_the_usual_mask(job: Path, tmp_path: Path) -> None:
    start(job, f"umask > {tmp_path}/mask")
    outcome(job)
    assert int((tmp_path / "mask").read_text(), 8) == int(subprocess.check_output(["sh", "-c", "umask"]), 8)


def test_second_start_attaches_to_the_running_job(job: Path, tmp_path: Path) -> None:
    script = f"echo started; while [ ! -e {tmp_path}/go ]; do sleep 0.05; done"
    identity, _started = start(job, script)
    assert start(job, script) == [identity, False]
    (tmp_path / "go").touch()
    assert outcome(job) == ["0", "exit"]
    assert (job / "log").read_text() == "started\n"


def test_other_command_in_the_same_folder_is_refused(job: Path) -> None:
    identity, _started = start(job, "sleep 60")
    told = start(job, "sleep 61")
    assert told.startswith(f"Another command still runs in the job folder {job} (process {identity.split()[0]}): ")


def test_job_that_ended_is_started_anew(job: Path) -> None:
    first, _started = start(job, "echo once")
    outcome(job)
    second, started = start(job, "echo once")
    assert started is True
    assert second != first
    assert outcome(job) == ["0", "exit"]
    assert (job / "log").read_text() == "once\n"


def test_limit_ends_all_that_was_started(job: Path) -> None:
    start(job, "trap '' TERM; setsid sleep 60 & sleep 60 & wait; sleep 60", timeout=0.5)
    assert outcome(job) == ["124", "timeout"]
    assert long_command_job.members(str(job)) == []


def test_what_a_command_leaves_running_is_ended(job: Path) -> None:
    start(job, "setsid sleep 60 & exit 0")
    assert outcome(job) == ["0", "exit"]
    assert long_command_job.members(str(job)) == []


def test_terminating_the_supervisor_ends_all(job: Path) -> None:
    identity, _started = start(job, "sleep 60")
    os.kill(int(identity.split()[0]), signal.SIGTERM)
    wait(lambda: not long_command_job.members(str(job)))
    assert not (job / "exit").exists()


def test_leftovers_of_a_killed_supervisor_are_ended_by_the_next_start(job: Path) -> None:
    identity, _started = start(job, "sleep 60")
    orphans = long_command_job.members(str(job))
    assert orphans
    os.kill(int(identity.split()[0]), signal.SIGKILL)
    _identity, started = start(job, "true")
    assert started is True
    assert outcome(job) == ["0", "exit"]
    assert [pid for pid in orphans if long_command_job.stat(pid)[:1] not in ([], ["Z"])] == []


def test_unknown_program_and_folder_are_sentences(job: Path, tmp_path: Path) -> None:
    with pytest.raises(long_command_job.JobError, match="no-such-program cannot be started: No such file or directory"):
        long_command_job.start(str(job), ["no-such-program"], None, {}, 60)
    with pytest.raises(long_command_job.JobError, match=r"The folder .*none to run true in does not exist"):
        long_command_job.start(str(job), ["true"], str(tmp_path / "none"), {}, 60)

"""Fixtures: hosts with a stand-in GPU, each fresh from its image, on a network of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rehearsal import podman, settings
from tests.driver import runfiles
from tests.support.playbook import Run, wait_until

MARK = "GPULAB_DRIVER_TEST"
"""Environment variable by which a test finds the processes of a playbook that it started."""


@dataclass(frozen=True)
class Host:
    """A test host: root's shell by ssh, and the playbook that repairs it. `evidence`: where that saves what it saw."""

    name: str
    state: Path
    evidence: Path

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """A shell command as root."""
        ssh = ["ssh", "-F", self.state / "ssh_config", self.name, "sudo", "sh", "-s"]
        return subprocess.run(ssh, input=command, capture_output=True, text=True, check=False)

    def sh(self, command: str) -> str:
        """What a shell command prints; it has to succeed."""
        done = self.run(command)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def packages(self) -> str:
        """Names, versions and states of all packages."""
        return self.sh("dpkg-query -W -f '${db:Status-Abbrev} ${Package} ${Version}\\n'")

    def changeable(self) -> str:
        """All that a repair may change, as text."""
        return self.sh("gpu-stand-in state")

    def power_cycle(self) -> None:
        """Switch off without warning and start again."""
        before = self.boot()
        self.run("systemctl reboot --force --force")
        wait_until(lambda: self.boot() not in ("", before))

    def boot(self) -> str:
        """What tells one boot from another; "" while the host cannot be reached."""
        return self.run("cat /run/cloud-init/result.json > /dev/null && stat -c %Z /proc/1 /run/systemd").stdout

    def play(self, *arguments: str, **environment: str) -> Run:
        """Run repair-drivers.yml on this host to its end, with more in the environment."""
        done = subprocess.run(
            self._command(*arguments),
            **_streams(),
            env=self._environment() | environment,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        return Run(done.returncode, done.stdout)

    def play_until(self, moment: Callable[[], bool], *arguments: str) -> None:
        """Run repair-drivers.yml, and kill -9 all its processes on this machine as soon as `moment` says so."""
        process = subprocess.Popen(
            self._command(*arguments), **_streams(), env=self._environment(), stdout=subprocess.DEVNULL
        )
        try:
            while not moment():
                assert process.poll() is None, "what was waited for can no longer come"
                time.sleep(0.05)
        finally:
            for environ in Path("/proc").glob("[0-9]*/environ"):
                try:
                    mine = f"{MARK}={self.name}".encode() in environ.read_bytes().split(b"\0")
                except OSError:  # it ended meanwhile
                    continue
                if mine:
                    os.kill(int(environ.parent.name), signal.SIGKILL)
            process.wait()
        assert process.returncode == -signal.SIGKILL, "the playbook had ended before it was to be killed"

    def _command(self, *arguments: str) -> list[str]:
        command = [str(settings.ROOT / ".venv/bin/ansible-playbook"), "repair-drivers.yml"]
        inventory = [f"--inventory={self.state / 'hosts.yml'}", f"--limit={self.name}"]
        return [*command, *inventory, f"--extra-vars=nvidia_driver_evidence_folder={self.evidence}", *arguments]

    def _environment(self) -> dict[str, str]:
        foreign = ("AWS_", "GPULAB_", "ANSIBLE_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        ours = {"ANSIBLE_HOME": str(settings.ROOT / ".ansible"), "ANSIBLE_NOCOLOR": "true", "COLUMNS": "160"}
        return kept | ours | {MARK: self.name}


def _streams() -> dict[str, object]:
    return {"cwd": settings.ROOT, "stdin": subprocess.DEVNULL, "stderr": subprocess.STDOUT}


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The state folder of all hosts of this run; nothing of them is left afterwards."""
    state = tmp_path_factory.mktemp("lab") / "state"
    yield state
    _hosts("remove", state)
    assert podman.leftovers(state) == []


def _hosts(command: str, state: Path, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.driver.host", command, "--state", state, *arguments],
        cwd=settings.ROOT,
        env=os.environ | {"GPULAB_REHEARSAL_STATE": str(state)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.fixture
def host(lab: Path, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], Host]]:
    """A function that makes a fresh host of one of the images, for this test only."""
    name = request.node.name.removeprefix("test_").replace("_", "-").strip("-")[:40]

    def make(kind: str) -> Host:
        _hosts("create", lab, "--image", kind, name)
        return Host(name, lab, tmp_path / "evidence")

    yield make
    _hosts("remove", lab, name)


@pytest.fixture(scope="session")
def runfile() -> runfiles.Runfile:
    """A stand-in for 367.57 that compiles for the test hosts' kernel."""
    return runfiles.ensure("367.57", "6.1")

"""The checkers of tests/lint, run as a user would; those that take minutes go on beside the unit tests."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / ".venv/bin"
TYPED = {
    "rehearsal": ".",
    "gpubench": "roles/gpu_benchmark/files",
    "ansible_collections.gpulab.core": "collections",
}
"""What mypy checks: package to the folder it is imported from."""


def run(tool: str | Path, *arguments: str, **environment: str) -> str:
    """Run a tool in the repository root, without the caller's Ansible settings; return its output, or fail with it."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("ANSIBLE_", "AWS_", "GPULAB_"))}
    clean = {"PATH": f"{BIN}:{os.environ['PATH']}", "NO_COLOR": "1", "LANG": "C.UTF-8"}
    done = subprocess.run(
        [tool, *arguments],
        cwd=ROOT,
        env=inherited | clean | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def _ansible_lint() -> str:
    return run(BIN / "ansible-lint", "--offline", "--nocolor", ANSIBLE_HOME=str(ROOT / ".ansible"))


def _mypy(package: str) -> str:
    return run(BIN / "mypy", "--explicit-package-bases", "--package", package, MYPYPATH=str(ROOT / TYPED[package]))


class SlowCheckers:
    """The slow ones, one after the other in a thread of their own from now on."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._told: dict[str, Future[str]] = {"ansible-lint": self._thread.submit(_ansible_lint)}
        self._told |= {package: self._thread.submit(_mypy, package) for package in TYPED}

    def told(self, name: str) -> str:
        """What `ansible-lint`, or mypy of a package, said. Waits for it; raises AssertionError with it if it failed."""
        return self._told[name].result()

    def end(self) -> None:
        """Begin no further one, and wait for the one that runs."""
        self._thread.shutdown(cancel_futures=True)

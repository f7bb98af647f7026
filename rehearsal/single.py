"""One host without any cloud, for role scenarios and tests: create it, wait until it is ready, remove all of it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from rehearsal import conda_program, console, image, machine, redirect, served, settings
from rehearsal.machine import Machine
from rehearsal.podman import Podman

_READY_SECONDS = 180.0
_POLL_SECONDS = 0.1
_OWN_FILES = (served.PID_FILE, "mirror.log")


def create(state: Path, name: str, login: str, public_key: str, mirror: bool) -> dict[str, Any]:
    """Start the host `name` (in place of one of that name) and wait for it.

    Returns name, address (on the bridge), login, host_keys (`type base64`), and, both "" when not asked for, mirror
    (its URL) and micromamba (URL#sha256=HEX of the mirror's own).
    Raises PodmanError, or RuntimeError when it is not ready in time.
    """
    state = state.resolve()
    reference = image.ensure()
    podman = Podman(state / "podman")
    podman.prepare(image.runtime())
    if mirror:
        _serve(state)
    host = Machine(state, name, podman)
    podman.remove(name)
    host.create(reference, name, login, [public_key], b"")
    container = podman.inspect([name])[0]
    deadline = time.monotonic() + _READY_SECONDS
    keys: list[str] = []
    while not (machine.ready(container) and (keys := console.host_keys(host.console()))):
        if time.monotonic() > deadline or not machine.alive(container):
            raise RuntimeError(f"The host {name} did not come up: read {host.log} to see where its boot ended.")
        time.sleep(_POLL_SECONDS)
    return {
        "name": name,
        "address": container.address,
        "login": login,
        "host_keys": keys,
        "mirror": settings.MIRROR_URL if mirror else "",
        "micromamba": conda_program.address() if mirror else "",
    }


def remove(state: Path) -> None:
    """Remove every host of the folder, its mirror process and its files. Idempotent."""
    state = state.resolve()
    pid = _server(state)
    if pid:
        os.kill(pid, signal.SIGTERM)
    redirect.clear()
    Podman(state / "podman").dismantle()
    shutil.rmtree(state / "hosts", ignore_errors=True)
    for name in _OWN_FILES:
        (state / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # not there, or not empty: then it is not only ours
        state.rmdir()


def _server(state: Path) -> int:
    """Process id of the mirror that serves this folder's hosts; 0 when there is none (any more)."""
    try:
        pid = int((state / served.PID_FILE).read_text())
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return 0
    return pid if b"rehearsal.served" in words and str(state).encode() in words else 0


def _serve(state: Path) -> None:
    """Start the mirror, detached, unless it runs. Raises RuntimeError when it does not come up."""
    if _server(state):
        return
    with (state / "mirror.log").open("a") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "rehearsal.served", "--state", str(state)],
            cwd=settings.ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    while not _server(state):
        if process.poll() is not None:
            raise RuntimeError(f"The mirror did not start: read {state / 'mirror.log'}.")
        time.sleep(_POLL_SECONDS)

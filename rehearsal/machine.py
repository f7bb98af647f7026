"""One host: its folder (seed, console log, what has been done to it), and whether it is ready."""

from __future__ import annotations

import json
import os
import shutil
import socket
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rehearsal import console, seed
from rehearsal.podman import Container, Podman

_BANNER_SECONDS = 0.5
_CONSOLE_SECONDS = 3.0
"""How long host keys may be missing on the console of a host that is ready (its user data can switch them off)."""
_TAIL = 4 * console.LIMIT
"""Bytes of the log that are read: its prefixes and colours take about half of it."""


@dataclass(frozen=True)
class Record:
    """What a restarted reconciler must not forget: reboots done, and whether the cloud took note of a power-off."""

    reboots: int = 0
    off_told: bool = False


class Machine:
    """The host `name` below the state folder `state`; `name` is also its container's name and its instance id."""

    def __init__(self, state: Path, name: str, podman: Podman) -> None:
        self.name = name
        self.folder = state / "hosts" / name
        self.log = self.folder / "console.log"
        self._podman = podman
        self._record_file = self.folder / "record.json"

    def create(self, image: str, hostname: str, login: str, public_keys: Sequence[str], user_data: bytes) -> None:
        """Start it afresh: new files, first boot. Raises PodmanError."""
        self.forget()
        place = self.folder / "seed"
        place.mkdir(parents=True)
        for name, content in seed.seed(self.name, hostname, login, public_keys, user_data).items():
            (place / name).write_bytes(content)
        self._podman.run(image, self.name, hostname, self.log, {place: seed.MOUNT})

    def forget(self) -> None:
        """Remove its folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def record(self) -> Record:
        """What was remembered; the defaults when nothing was."""
        if not self._record_file.exists():
            return Record()
        return Record(**json.loads(self._record_file.read_text()))

    def remember(self, record: Record) -> None:
        """Keep it across a kill -9: written aside, then renamed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        fresh = self._record_file.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(record)))
        fresh.replace(self._record_file)

    def console(self) -> str:
        """Its console as plain text, the newest console.LIMIT characters; "" before it has said anything."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - _TAIL))
            return console.plain(log.read().decode(errors="replace"))

    def settled(self, container: Container) -> bool:
        """Whether it is ready, and its console says so: the host keys are on it, or are not going to be."""
        if not ready(container):
            return False
        if console.host_keys(self.console()):
            return True
        try:
            # Both clocks are this machine's. cloud-init's last lines come through a terminal, a moment late.
            return time.time() - os.lstat(_result(container)).st_mtime > _CONSOLE_SECONDS
        except FileNotFoundError:  # it went down this moment
            return False

    def console_bytes(self) -> int:
        """Length of the log file: changes whenever the console does."""
        return self.log.stat().st_size if self.log.exists() else 0


def alive(container: Container) -> bool:
    """Whether its first process is still there: much cheaper than asking podman."""
    return container.pid > 0 and Path(f"/proc/{container.pid}").exists()


def ready(container: Container) -> bool:
    """Whether cloud-init has ended (done or error) in this boot and sshd answers with a banner."""
    if not os.path.lexists(_result(container)):
        return False
    try:
        with socket.create_connection((container.address, 22), timeout=_BANNER_SECONDS) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _result(container: Container) -> str:
    """What `cloud-init status` looks at, seen from outside; a symbolic link, in a folder that every boot empties."""
    return f"/proc/{container.pid}/root/run/cloud-init/result.json"

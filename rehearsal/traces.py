"""What podman leaves outside its folders on this machine, and how it goes away with the last rehearsal of this clone.

Only what was not there before the first rehearsal is removed, and only while no other podman runs containers: an
address book in /run/containers, a cache in /var/lib/containers, empty run-time folders, netavark's own iptables chains.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rehearsal import settings

RECORD = settings.CACHE / "containers" / "outside.json"
"""{"absent": [path], "chains_absent": bool, "ip_forward": "0"|"1", "users": [podman home]} of this clone."""
PATHS = tuple(
    Path(path)
    for path in (
        "/run/containers/networks/ipam.db",
        "/run/containers/networks",
        "/run/containers",
        "/var/lib/containers/cache",
        "/var/lib/containers",
        "/run/runc",
        "/run/crun",
        "/run/netns",
    )
)
"""Innermost first. /var/lib/containers/cache goes with its contents; other folders only when empty."""
_TREES = frozenset({Path("/var/lib/containers/cache")})
_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")


@contextlib.contextmanager
def _record(path: Path) -> Iterator[dict[str, Any]]:
    """The record, locked; changes are written back."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        data: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        yield data
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(data, indent=1))
        fresh.replace(path)


def enter(home: Path, record: Path = RECORD, paths: tuple[Path, ...] = PATHS) -> None:
    """Say that the podman at `home` is in use; the first one also notes what is there already."""
    with _record(record) as data:
        users = {user for user in data.get("users", []) if Path(user).exists()}
        if not users:
            data["absent"] = [str(path) for path in paths if not path.exists()]
            data["chains_absent"] = not any("NETAVARK" in rules for rules in _rules().values())
            data["ip_forward"] = _FORWARD.read_text().strip()
        data["users"] = sorted({*users, str(home)})


def leave(home: Path, record: Path = RECORD) -> None:
    """Take that back. The last one removes what podman made, unless another podman on this machine runs containers."""
    with _record(record) as data:
        data["users"] = [user for user in data.get("users", []) if user != str(home) and Path(user).exists()]
        if data["users"] or monitors():
            return
        for path in map(Path, data.get("absent", [])):
            _discard(path)
        if data.get("chains_absent"):
            for table, rules in _rules().items():
                for command in chain_removals(rules):
                    subprocess.run(["iptables", "-w", "-t", table, *command], check=False, capture_output=True)
        if data.get("ip_forward") == "0":
            _FORWARD.write_text("0\n")


def _discard(path: Path) -> None:
    with contextlib.suppress(OSError):  # not empty: somebody else's by now
        if path in _TREES:
            shutil.rmtree(path)
        elif path.is_dir():
            # /run/netns is made a mount point of itself, which only the kernel's list tells.
            if str(path) in mounts_below(path) and not any(path.iterdir()):
                subprocess.run(["umount", str(path)], check=False, capture_output=True)
            path.rmdir()
        else:
            path.unlink()


def chain_removals(rules: str) -> list[list[str]]:
    """iptables arguments that take netavark's jumps and chains out of one table (text of `iptables-save -t TABLE`).

    Nothing at all while a network's own chain (NETAVARK- and 13 hex digits) is there: some network is in use.
    """
    chains = [line[1:].split()[0] for line in rules.splitlines() if line.startswith(":NETAVARK")]
    if any(not chain.startswith(("NETAVARK-HOSTPORT", "NETAVARK_")) for chain in chains):
        return []
    jumps = [
        ["-D", *shlex.split(line)[1:]]
        for line in rules.splitlines()
        if line.startswith("-A ") and " -j NETAVARK" in line and not line.startswith("-A NETAVARK")
    ]
    return [*jumps, *(["-F", chain] for chain in chains), *(["-X", chain] for chain in chains)]


def _rules() -> dict[str, str]:
    found = {}
    for table in ("nat", "filter"):
        with contextlib.suppress(FileNotFoundError):
            done = subprocess.run(["iptables-save", "-t", table], check=False, capture_output=True, text=True)
            found[table] = done.stdout
    return found


def processes() -> dict[int, str]:
    """Process id to command line of everything that runs on this machine; zombies and kernel threads have none."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            line = (folder / "cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")
            if line:
                found[int(folder.name)] = line
    return found


def monitors() -> dict[int, str]:
    """Those of them that are conmon, podman's monitor: one per running container."""
    return {pid: line for pid, line in processes().items() if Path(line.split()[0]).name == "conmon"}


def end_monitors(home: Path, grace_seconds: float = 2.0) -> None:
    """Wait for the monitors of the podman at `home` to go, then kill those that stay. Their containers are gone."""
    deadline = time.monotonic() + grace_seconds
    while mine := [pid for pid, line in monitors().items() if f"{home}/" in line]:
        if time.monotonic() > deadline:
            for pid in mine:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return
        time.sleep(0.05)


def mounts_below(folder: Path) -> list[str]:
    """Mount points in or at `folder`, innermost first."""
    lines = Path("/proc/self/mounts").read_text().splitlines()
    # Blanks and the like are octal escapes there.
    points = [line.split()[1].encode().decode("unicode_escape") for line in lines]
    return sorted((point for point in points if Path(point).is_relative_to(folder)), reverse=True)


def unmount_below(folder: Path) -> None:
    """Detach whatever is still mounted below `folder`, so that removing it cannot reach elsewhere."""
    for point in mounts_below(folder):
        subprocess.run(["umount", "--lazy", point], check=False, capture_output=True)


def is_bridge_idle(name: str) -> bool:
    """Whether that bridge exists and nothing is plugged into it."""
    ports = Path("/sys/class/net") / name / "brif"
    return ports.is_dir() and not any(ports.iterdir())


def remove_bridge(name: str) -> None:
    """Remove a bridge that has no ports any more (netavark normally does)."""
    if is_bridge_idle(name):
        subprocess.run(["ip", "link", "delete", name], check=False, capture_output=True)

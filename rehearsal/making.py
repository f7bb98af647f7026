"""Folders of the mirror that are made once and found again by the key of their recipe."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from rehearsal import settings

KEY = ".key"
"""A file in each folder that names the recipe it was made from."""


class MirrorError(Exception):
    """The mirror cannot be filled; the text is one sentence for the user."""


def recipe_key(*parts: str) -> str:
    """sha256 (hex) of a recipe: another recipe, another key."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def run(command: list[str], cwd: Path) -> str:
    """Run a command, return its stderr's last line, "" when it succeeded; a missing command counts as a failure."""
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return f"{command[0]} is not installed"
    if done.returncode == 0:
        return ""
    return (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Be the only one who fills the mirror: two set-ups of one clone would share the folders that are made aside."""
    settings.MIRROR.mkdir(parents=True, exist_ok=True)
    with (settings.CACHE / "mirror.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def ensure(folder: Path, key: str, make: Callable[[Path], None]) -> bool:
    """Have `folder` made from the recipe `key`; True when it had to be made.

    It is made aside and swapped in whole, so a killed run leaves the old folder or the new one.
    """
    if (folder / KEY).is_file() and (folder / KEY).read_text() == key:
        return False
    start = time.monotonic()
    print(f"mirror: making {folder.name}", file=sys.stderr, flush=True)
    part, old = folder.parent / f".{folder.name}.part", folder.parent / f".{folder.name}.old"
    for leftover in (part, old):
        shutil.rmtree(leftover, ignore_errors=True)
    part.mkdir(parents=True)
    make(part)
    (part / KEY).write_text(key)
    if folder.exists():
        folder.rename(old)
    part.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
    print(f"mirror: {folder.name} in {time.monotonic() - start:.1f} s", file=sys.stderr, flush=True)
    return True

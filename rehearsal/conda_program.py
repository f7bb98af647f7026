"""Pack the stand-in micromamba into one executable file, and say where a rehearsal's hosts find it.

The file is a Python zip application. It carries py-rattler, whose shared library cannot be loaded from inside an
archive and is therefore unpacked once per user, into a cache folder named by its content.
"""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

from rehearsal import conda_channel, making, settings
from rehearsal.making import recipe_key

FOLDER, NAME = "micromamba", "micromamba-linux-64"
SOURCE = Path(__file__).with_name("stand_in_micromamba")
INTERPRETER = b"#!/usr/bin/env python3\n"
MAIN = '''\
"""Have py-rattler unpacked, then be the stand-in of micromamba; --version needs no engine."""
import fcntl
import os
import shutil
import sys
import zipfile
from pathlib import Path

KEY = "{key}"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stand-in-micromamba"


def engine() -> Path:
    """Return the folder with py-rattler; made aside under a lock, so that a killed or a second run does no harm."""
    folder, part = CACHE / KEY, CACHE / "part"
    if not folder.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        with (CACHE / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.is_dir():
                shutil.rmtree(part, ignore_errors=True)
                with zipfile.ZipFile(sys.argv[0]) as archive:
                    archive.extractall(part, [name for name in archive.namelist() if name.startswith("engine/")])
                part.rename(folder)
    return folder / "engine"


if __name__ == "__main__":
    if sys.argv[1:] != ["--version"]:
        sys.path.append(str(engine()))
    from stand_in_micromamba.command import main

    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit: threads of the engine that still wait for Python make its shutdown abort.
    os._exit(code)
'''
_ENGINE = ("rattler", "yaml")


def key() -> str:
    """Return the key of the program's recipe."""
    sources = [Path(__file__), *sorted(SOURCE.glob("*.py")), conda_channel.LOCK]
    return recipe_key(*(path.read_text() for path in sources))


def fill() -> None:
    """Have the program in the mirror, with its checksum beside it. Raises MirrorError."""
    making.ensure(settings.MIRROR / FOLDER, key(), lambda folder: make(conda_channel.tools(), folder))


def make(tools: Path, folder: Path) -> None:
    """Make the program and its .sha256 in a folder; the same sources give the same bytes."""
    program = folder / NAME
    with program.open("wb") as file:
        file.write(INTERPRETER)
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
            _add(archive, "__main__.py", MAIN.format(key=recipe_key(conda_channel.LOCK.read_text())[:12]).encode())
            for path in sorted(SOURCE.glob("*.py")):
                _add(archive, f"stand_in_micromamba/{path.name}", path.read_bytes())
            for package in _ENGINE:
                for path in sorted((tools / package).rglob("*")):
                    if path.suffix in (".py", ".so"):
                        _add(archive, f"engine/{path.relative_to(tools)}", path.read_bytes())
    program.chmod(0o755)
    (folder / f"{NAME}.sha256").write_text(hashlib.sha256(program.read_bytes()).hexdigest() + "\n")


def address() -> str:
    """Return URL#sha256=HEX of the program for hosts on the bridge; "" when the mirror has none."""
    try:
        digest = (settings.MIRROR / FOLDER / f"{NAME}.sha256").read_text().strip()
    except FileNotFoundError:
        return ""
    return f"{settings.MIRROR_URL}/{FOLDER}/{NAME}#sha256={digest}"


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name, (2017, 7, 14, 2, 40, 0)), content, zipfile.ZIP_DEFLATED)

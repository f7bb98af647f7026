"""Stand-in runfiles, built in a test host's image (where the compiler is always the same) and kept in .cache.

python -m tests.driver.runfiles VERSION [--kernel-max 6.1]      prints path, size and sha256 as JSON
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

from rehearsal import settings
from rehearsal.image import runtime
from rehearsal.podman import Podman, PodmanError
from tests.driver import image, runfile

CACHE = settings.CACHE / "driver-runfiles"


class Runfile(NamedTuple):
    """A built runfile."""

    path: Path
    size: int
    sha256: str


def ensure(version: str, kernel_max: str = "6.1") -> Runfile:
    """The stand-in for that version, which compiles for kernels up to `kernel_max`. Raises PodmanError."""
    base = image.ensure().bare
    sources = [Path(runfile.__file__), *runfile.LIBRARIES.values(), *sorted(runfile.SOURCES.rglob("*"))]
    texts = [source.read_text() for source in sources if source.is_file()]
    key = hashlib.sha256(json.dumps([base, version, kernel_max, texts]).encode()).hexdigest()[:12]
    folder = CACHE / key
    file = folder / f"NVIDIA-Linux-x86_64-{version}.run"
    if not file.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with (CACHE / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not file.exists():
                _build(base, version, kernel_max, folder)
    content = file.read_bytes()
    return Runfile(file, len(content), hashlib.sha256(content).hexdigest())


def _build(base: str, version: str, kernel_max: str, folder: Path) -> None:
    work = CACHE / "build"
    podman = Podman(work / "podman")
    podman.dismantle()  # what a killed build left
    podman.prepare(runtime())
    out = work / "out"
    out.mkdir(exist_ok=True)
    volumes = [f"--volume={runfile.HERE}:/src:ro", f"--volume={out}:/out"]
    command = ["python3", "/src/runfile.py", version, f"--kernel-max={kernel_max}", "--out=/out"]
    try:
        podman.call("run", "--rm", "--pull=never", "--network=none", "--systemd=false", *volumes, base, *command)
        out.rename(folder)
    finally:
        podman.dismantle()
        shutil.rmtree(work, ignore_errors=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.driver.runfiles", description="Build a stand-in runfile.")
    parser.add_argument("version")
    parser.add_argument("--kernel-max", default="6.1")
    options = parser.parse_args()
    try:
        print(json.dumps(ensure(options.version, options.kernel_max)._asdict(), default=str, indent=1))
    except PodmanError as error:
        sys.exit(f"runfiles: {error}")


if __name__ == "__main__":
    main()

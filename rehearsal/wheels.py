"""The mirror's wheels: for each set of pinned requirements a flat folder and a page that lists it.

They come from pip's own configured index, then from PyTorch's. The requirements pin hashes, so it matters little where
the files lay.
"""

from __future__ import annotations

import concurrent.futures
import functools
import html
import re
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from rehearsal import settings
from rehearsal.making import MirrorError, recipe_key, run

TORCH_INDEX = "https://download.pytorch.org/whl/cpu"
MODERN = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
"""What the host image's glibc 2.36 runs, in the names under which pip looks."""
OLD = ("manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64")
"""Those that the pip of Python 3.6 knows."""
_AT_ONCE = 4


class WheelSet(NamedTuple):
    """What is fetched into one folder of the mirror."""

    folder: str
    requirements: Path
    """A file of pins with hashes."""
    python: str
    """The version that will install them: "3.11", or with a third number where wheels ask for one (3.6.1 and later)."""
    platforms: tuple[str, ...]

    def abi(self) -> str:
        """Return CPython's name of that version's ABI: before 3.8 it ended in the m of a then optional allocator."""
        major, minor = self.python.split(".")[:2]
        return f"cp{major}{minor}" + ("m" if int(minor) < 8 else "")

    def key(self) -> str:
        """Return the sha256 of everything that decides what the folder holds. Raises MirrorError."""
        try:
            return recipe_key(self.python, *self.platforms, self.requirements.read_text())
        except FileNotFoundError as error:
            raise MirrorError(f"{self.requirements} is missing: check out the whole repository again.") from error


def _environment(profile: str, python: str, platforms: tuple[str, ...]) -> WheelSet:
    requirements = settings.ROOT / "roles/conda_env/files" / profile / "requirements-cpu.txt"
    return WheelSet(f"wheels-{profile}", requirements, python, platforms)


BENCHMARK = WheelSet("wheels", settings.ROOT / "roles/gpu_benchmark/files/requirements-cpu.txt", "3.11", MODERN)
"""For the Python of the host image, Debian 12."""
PROFILES = {
    "modern": _environment("modern", "3.11", MODERN),
    "carnd-2017": _environment("carnd-2017", "3.6.15", OLD),
    "dlnd-2018": _environment("dlnd-2018", "3.6.15", OLD),
}
"""The environments' wheels, for the Pythons that the mirror's conda channel has."""


def index_page(names: list[str]) -> str:
    """A page of links, the form in which pip's --find-links reads a folder; `+` must not reach a server as a space."""
    links = (f'<a href="{quote(name)}">{html.escape(name)}</a><br>' for name in sorted(names))
    return "<!DOCTYPE html>\n<title>wheels</title>\n" + "\n".join(links) + "\n"


def shares(text: str, count: int) -> list[str]:
    """Deal the pins of a requirements file, each with its hashes, out to at most `count` files."""
    pins = re.findall(r"^[^\s#].*\n?(?:[ \t].*\n?)*", text, re.MULTILINE)
    return ["".join(pins[start::count]) for start in range(min(count, len(pins)))]


def pip_download(wanted: WheelSet, requirements: Path, folder: Path, extra: list[str]) -> list[str]:
    """The pip command that fetches what a file asks for into a folder, whatever Python runs it.

    Without --only-binary, which pip lets go with --no-deps: of some packages of 2017 there is nothing but the source.
    """
    platforms = [argument for name in wanted.platforms for argument in ("--platform", name)]
    abis = [argument for name in (wanted.abi(), "abi3", "none") for argument in ("--abi", name)]
    return [
        *(sys.executable, "-m", "pip", "download"),
        *("--quiet", "--disable-pip-version-check", "--no-cache-dir", "--no-input"),
        *("--prefer-binary", "--no-deps", "--require-hashes"),
        *("--implementation", "cp", "--python-version", wanted.python, *abis, *platforms),
        *("--dest", str(folder), "--requirement", str(requirements), *extra),
    ]


def _fetch(wanted: WheelSet, folder: Path, requirements: Path) -> str:
    """Fetch what one file asks for; returns what went wrong, "" when nothing did."""
    near = ["--find-links", str(settings.MIRROR / BENCHMARK.folder)]  # PyTorch is in two sets
    failure = run(pip_download(wanted, requirements, folder, near), folder)
    if failure and "+cpu" in requirements.read_text():  # a build that only PyTorch's own index has
        extra = [*near, "--extra-index-url", TORCH_INDEX]
        failure = run(pip_download(wanted, requirements, folder, extra), folder)
    return failure


def make(wanted: WheelSet, folder: Path) -> None:
    """Fill a folder with the wheels of a set and a page that lists them; raises MirrorError."""
    # pip fetches one after the other and mostly waits, so several share the work.
    with tempfile.TemporaryDirectory() as scratch, concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
        files = []
        for number, share in enumerate(shares(wanted.requirements.read_text(), _AT_ONCE)):
            files.append(Path(scratch, f"requirements-{number}.txt"))
            files[-1].write_text(share)
        failures = list(pool.map(functools.partial(_fetch, wanted, folder), files))
    if failure := next(filter(None, failures), ""):
        raise MirrorError(
            f"pip found no full set of wheels for {wanted.requirements.parent.name}/{wanted.requirements.name} "
            f"({failure}): check the network and pip's configuration, then run bin/setup again."
        )
    names = [path.name for path in folder.iterdir() if path.name.endswith((".whl", ".tar.gz", ".zip"))]
    (folder / "index.html").write_text(index_page(names))

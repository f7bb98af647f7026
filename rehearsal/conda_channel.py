"""The offline conda channel: Python and pip as real conda packages, made from this machine's interpreters and wheels.

Nothing of conda-forge can be had offline, so what tests learn here is how solving, downloading, verifying and linking
go, not how conda-forge's own builds behave. A second channel holds one small package, an OpenCV that wants GTK.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rehearsal import conda_package, conda_python, making, settings, wheels
from rehearsal.conda_package import Package
from rehearsal.conda_python import Interpreter
from rehearsal.making import MirrorError, recipe_key, run
from rehearsal.wheels import WheelSet

LOCK = settings.ROOT / "requirements/channel.lock"
"""Tools to build with, and what the stand-in micromamba consists of."""
CHANNEL, GTK_CHANNEL = "conda", "conda-gtk"
PACKAGES = {
    "3.11": WheelSet("", settings.ROOT / "rehearsal/data/channel-python3.11.txt", "3.11", wheels.MODERN),
    "3.6": WheelSet("", settings.ROOT / "rehearsal/data/channel-python3.6.txt", "3.6", wheels.OLD),
}
"""Python's version and the wheels that become its noarch packages; the first is needed, the others come if found."""
GTK = "libgtk-x11-2.0.so.0"
CV2 = '''\
"""Stands in for OpenCV 3.4.2: its shared library needs GTK 2 as that one did, and does nothing else."""

from . import _queue

__version__ = "3.4.2"
'''


def tools() -> Path:
    """Return the folder with the tools of LOCK, made when it is not there. Raises MirrorError."""
    folder = settings.CACHE / "channel-tools"
    making.ensure(folder, recipe_key(sys.version, LOCK.read_text()), _install_tools)
    return folder


def _install_tools(folder: Path) -> None:
    command = [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-cache-dir"),
        *("--no-input", "--only-binary", ":all:", "--no-deps", "--require-hashes"),
        *("--target", str(folder), "--requirement", str(LOCK)),
    ]
    if failure := run(command, folder):
        raise MirrorError(
            f"pip could not install {LOCK.name} ({failure}): check the network and pip's configuration, then run "
            "bin/setup again."
        )


def interpreters() -> dict[str, Interpreter]:
    """Return the Pythons that can be packaged, by version. Raises MirrorError when the needed one is missing."""
    found = {minor: python for minor in PACKAGES if (python := conda_python.find(minor))}
    needed = next(iter(PACKAGES))
    if needed not in found:
        raise MirrorError(
            f"no python{needed} with ssl, sqlite3, ctypes, bz2 and lzma was found in pyenv's versions and on the PATH, "
            f"which the offline conda channel is made from: install python{needed}, then run bin/setup again."
        )
    return found


def key(pythons: dict[str, Interpreter]) -> str:
    """Return the key of the channels' recipe: our code, the pins, and the interpreters as they are now."""
    sources = (Path(__file__), Path(conda_package.__file__), Path(conda_python.__file__), LOCK)
    pins = [PACKAGES[minor].requirements for minor in pythons]
    binaries = [
        f"{python.executable} {python.version} {python.executable.stat().st_mtime_ns}" for python in pythons.values()
    ]
    return recipe_key(*(path.read_text() for path in (*sources, *pins)), *binaries)


def fill() -> None:
    """Have both channels in the mirror. Raises MirrorError."""
    pythons = interpreters()
    recipe = key(pythons)
    making.ensure(settings.MIRROR / CHANNEL, recipe, lambda folder: make(pythons, folder))
    making.ensure(settings.MIRROR / GTK_CHANNEL, recipe, lambda folder: make_gtk(pythons["3.11"], folder))


def make(pythons: dict[str, Interpreter], channel: Path) -> None:
    """Make the channel in an empty folder. Raises MirrorError."""
    use(tools())
    for minor, python in pythons.items():
        with tempfile.TemporaryDirectory(dir=settings.CACHE, prefix="channel-") as scratch:
            staged, downloads = Path(scratch, "python"), Path(scratch, "wheels")
            conda_python.stage(python, staged, tools() / "bin/patchelf")
            package = Package(
                name="python",
                version=python.version,
                build="0_cpython",
                depends=(),
                summary="Python of the machine that made this channel, with the libraries it needs",
                license="Python-2.0",
            )
            conda_package.write(package, staged, channel)
            downloads.mkdir()
            wheels.make(PACKAGES[minor], downloads)
            for wheel in sorted(downloads.glob("*.whl")):
                more = ("setuptools", "wheel") if wheel.name.startswith("pip-") else ()
                conda_package.from_wheel(wheel, Path(scratch, wheel.stem), channel, more)
    conda_package.index(channel)


def make_gtk(python: Interpreter, channel: Path) -> None:
    """Make the channel whose only package is an `opencv` that does not load without GTK 2. Raises MirrorError.

    Its extension module is one of Python's own with GTK added to the libraries that it needs, so that the dynamic
    loader refuses it in its own words, and no compiler is needed.
    """
    use(tools())
    with tempfile.TemporaryDirectory(dir=settings.CACHE, prefix="channel-") as scratch:
        module = Path(scratch, "lib", python.name, "site-packages/cv2")
        module.mkdir(parents=True)
        (module / "__init__.py").write_text(CV2)
        (extension,) = python.standard_library.glob("lib-dynload/_queue.*.so")
        shutil.copy2(extension, module)
        patchelf = [str(tools() / "bin/patchelf"), "--add-needed", GTK, str(module / extension.name)]
        subprocess.run(patchelf, check=True, capture_output=True)
        package = Package(
            name="opencv",
            version="3.4.2",
            build="py311_0",
            depends=("python 3.11.*",),
            summary=f"Stand-in for OpenCV: import cv2 needs {GTK}, and that is all it does",
            license="MIT",
        )
        conda_package.write(package, Path(scratch), channel)
    conda_package.index(channel)


def use(folder: Path) -> None:
    """Make the tools' Python modules importable here."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))

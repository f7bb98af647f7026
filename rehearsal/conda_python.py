"""Find an interpreter on this machine and lay it out so that it runs from any folder of any Debian 12: for tests only.

Offline there is no conda package of Python. This one is real, and packaged as conda packages it; what it does not
show is conda-forge's own build. Libraries beyond glibc that it needs are taken along.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from rehearsal.conda_package import PLACEHOLDER
from rehearsal.making import MirrorError

PROBE = """
import json, os, sys, sysconfig
import bz2, ctypes, hashlib, lzma, sqlite3, ssl, zlib
print(json.dumps({
    "executable": os.path.realpath(sys.executable),
    "prefix": os.path.realpath(sys.base_prefix),
    "version": "%d.%d.%d" % sys.version_info[:3],
    "standard_library": sysconfig.get_path("stdlib"),
}))
"""
"""Asked of each candidate; one that lacks a module that pip or notebooks need is no candidate."""
GLIBC = re.compile(r"(ld-linux.*|lib(c|m|dl|rt|pthread|util|resolv|nsl))\.so\b")
"""What every host brings itself, by file name."""
LEFT_OUT = ("test", "tests", "idlelib", "turtledemo", "__pycache__", "site-packages", "dist-packages", "config-*")
"""Folders of the standard library that no environment needs; site-packages is filled by other packages."""
LEFT_OUT_MODULES = ("_tkinter.*", "_test*", "_ctypes_test*", "_xxtest*", "xxlimited*", "*.a")
"""_tkinter alone would bring the whole of X11."""
DEBIAN_ONLY = ("EXTERNALLY-MANAGED", "sitecustomize.py", "_distutils_system_mod.py")
DEBIAN_SCHEME = ("prefix_scheme = 'posix_local'", "prefix_scheme = 'posix_prefix'")
"""In sysconfig.py: where pip installs, by Debian's choice and everybody's."""
SITE = "import site, sys; site.addsitedir(sys.prefix + '/lib/python%d.%d/site-packages' % sys.version_info[:2])\n"
"""A .pth file's line: Debian's interpreter has its own site.py frozen in, which looks in dist-packages only."""


class Interpreter(NamedTuple):
    """A Python of this machine."""

    executable: Path
    prefix: Path
    version: str
    """Three numbers, as in "3.11.7"."""
    standard_library: Path

    @property
    def name(self) -> str:
        """Return its usual name, as in python3.11."""
        return "python" + self.version.rpartition(".")[0]


def candidates(minor: str, path: str, home: Path) -> Iterator[Path]:
    """Paths at which Python `minor` ("3.11") may lie, the most relocatable first: pyenv's, then the commands."""
    root = Path(os.environ.get("PYENV_ROOT", home / ".pyenv"))
    yield from sorted(root.glob(f"versions/{minor}.*/bin/python{minor}"), reverse=True)
    for folder in path.split(":"):
        yield Path(folder) / f"python{minor}"


def ask(executable: Path) -> Interpreter | None:
    """Return what an interpreter says of itself; None when it does not run or lacks a module that we need."""
    try:
        command = [str(executable), "-I", "-c", PROBE]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        answer = json.loads(done.stdout) if done.returncode == 0 else None
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    if answer is None:
        return None
    return Interpreter(
        Path(answer["executable"]), Path(answer["prefix"]), answer["version"], Path(answer["standard_library"])
    )


def find(minor: str) -> Interpreter | None:
    """Return a Python of this machine of that version ("3.11") that is fit to be packaged, None when there is none."""
    for candidate in candidates(minor, os.environ.get("PATH", os.defpath), Path.home()):
        if candidate.is_file() and (found := ask(candidate)) and found.version.startswith(minor + "."):
            return found
    return None


def stage(python: Interpreter, target: Path, patchelf: Path) -> None:
    """Lay the interpreter out in an empty folder as a conda prefix. Raises MirrorError."""
    (target / "bin").mkdir(parents=True)
    library = target / "lib" / python.name
    shutil.copytree(
        python.standard_library,
        library,
        symlinks=False,
        ignore_dangling_symlinks=True,
        ignore=shutil.ignore_patterns(*LEFT_OUT, *LEFT_OUT_MODULES),
    )
    (library / "site-packages").mkdir()
    (library / "site-packages/README.txt").write_text("This folder holds what pip and conda install.\n")
    binary = target / "bin" / python.name
    shutil.copy2(python.executable, binary)
    for link in ("python3", "python"):
        (target / "bin" / link).symlink_to(python.name)
    undo_debian(library)
    own = [binary, *library.glob("lib-dynload/*.so")]
    brought = bundle(own, target / "lib")
    if strip := shutil.which("strip"):  # pyenv's carry debugging symbols: two thirds of the package
        subprocess.run([strip, "--strip-debug", *map(str, (*own, *brought))], check=True, capture_output=True)
    for file in (*own, *brought):
        up = os.path.relpath(target / "lib", file.parent)
        _patchelf(patchelf, "--set-rpath", "$ORIGIN" if up == "." else f"$ORIGIN/{up}", file)
    if python.prefix != Path("/usr"):  # a word that also stands for much else in text
        put_placeholder(library, str(python.prefix))


def undo_debian(library: Path) -> None:
    """Make a copy of Debian's standard library keep packages where everybody's does; leave others as they are."""
    if not (library / "_distutils_system_mod.py").exists():
        return
    for name in DEBIAN_ONLY:
        (library / name).unlink(missing_ok=True)
    theirs, usual = DEBIAN_SCHEME
    text = (library / "sysconfig.py").read_text()
    if theirs not in text:
        raise MirrorError(
            f"Debian's sysconfig.py has no line {theirs!r}, expected Debian 12's Python: install one with pyenv, then "
            "run bin/setup again."
        )
    (library / "sysconfig.py").write_text(text.replace(theirs, usual))
    (library / "dist-packages").mkdir()
    (library / "dist-packages/site-packages.pth").write_text(SITE)


def bundle(files: list[Path], target: Path) -> list[Path]:
    """Copy the shared libraries that the files need, beyond glibc, into a folder; returns the copies."""
    needed = libraries(subprocess.run(["ldd", *map(str, files)], capture_output=True, text=True, check=False).stdout)
    for name, path in needed.items():
        shutil.copy2(path, target / name)
    return [target / name for name in needed]


def libraries(ldd: str) -> dict[str, Path]:
    """Return soname to path of the libraries in ldd's output that a host need not have."""
    found = re.findall(r"^\s*(\S+) => (/\S+) \(0x", ldd, re.MULTILINE)
    return {name: Path(path) for name, path in found if not GLIBC.match(name)}


def put_placeholder(folder: Path, prefix: str) -> None:
    """Write conda's placeholder in place of the interpreter's own prefix into all text files of a folder."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            if prefix.encode() in content and b"\0" not in content:
                path.write_bytes(content.replace(prefix.encode(), PLACEHOLDER.encode()))


def _patchelf(patchelf: Path, option: str, value: str, file: Path) -> None:
    file.chmod(0o755)
    done = subprocess.run([str(patchelf), option, value, str(file)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise MirrorError(f"patchelf {option} failed for {file.name} ({done.stderr.strip()}): report it as a fault.")

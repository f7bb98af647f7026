"""Fetch files as libmamba does: to the side, then checked by size and checksum, then in their place."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import http.client
import shutil
import urllib.error
import urllib.request
from pathlib import Path
from typing import NamedTuple

from . import failures
from .failures import Failure

_SECONDS = 30.0
"""How long a server may be silent."""


class Wanted(NamedTuple):
    """A package to fetch; "" and 0 are unknown, then not checked."""

    url: str
    name: str
    sha256: str = ""
    md5: str = ""
    size: int = 0


def repodata(channel: str, subdir: str, cache: Path) -> Path:
    """Fetch the index of one folder of a channel; returns its path. Raises Failure."""
    url = f"{channel}/{subdir}/repodata.json"
    target = cache / "cache" / f"{hashlib.sha256(url.encode()).hexdigest()[:8]}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        _fetch(url, target)
    except urllib.error.HTTPError as error:
        raise failures.repodata_status(channel, subdir, url, error.code) from error
    return target


def package(wanted: Wanted, cache: Path) -> Path:
    """Have a package in the cache, whole and checked; returns its path. Raises Failure."""
    target = cache / wanted.name
    if target.is_file() and check(wanted, target) is None:
        return target
    part = cache / f"{wanted.name}.part"
    try:
        _fetch(wanted.url, part)
    except urllib.error.HTTPError as error:
        raise failures.package_status(wanted.url, error.code) from error
    if wrong := check(wanted, part):
        part.unlink()
        raise wrong
    part.rename(target)
    return target


def check(wanted: Wanted, path: Path) -> Failure | None:
    """Return what is wrong with a file, None when nothing is. In libmamba's order: size, then the better checksum."""
    shown = str(path).removesuffix(".part")
    size = path.stat().st_size
    if wanted.size and size != wanted.size:
        return failures.not_valid("file size", shown, str(wanted.size), str(size))
    for what, expected in (("SHA256", wanted.sha256), ("MD5", wanted.md5)):
        if expected:
            with path.open("rb") as file:
                actual = hashlib.file_digest(file, what.lower()).hexdigest()
            return None if actual == expected else failures.not_valid(what, shown, expected, actual)
    return None


def _fetch(url: str, target: Path) -> None:
    """Write what is at a URL to a file. Raises Failure, or HTTPError when a server answers with another status."""
    try:
        with urllib.request.urlopen(url, timeout=_SECONDS) as answer, target.open("wb") as file:
            shutil.copyfileobj(answer, file)
    except urllib.error.HTTPError:
        raise
    except (OSError, http.client.HTTPException) as error:
        with contextlib.suppress(OSError):
            target.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise failures.no_space_for_download(url, str(target)) from error
        raise failures.transport(url, error) from error

"""Solve and link with py-rattler."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import rattler  # type: ignore[import-not-found, unused-ignore]  # in channel-tools, not in .venv
from rattler.exceptions import (  # type: ignore[import-not-found, unused-ignore]  # as above
    InstallerError,
    InvalidMatchSpecError,
    SolverError,
)

from . import download, failures
from .download import Wanted
from .specs import shown

SUBDIRS = ("linux-64", "noarch")


async def solve(specs: list[str], channels: list[str], cache: Path, installed: list[Any]) -> list[Any]:
    """Return the records of an environment with these specs and what is installed. Raises Failure."""
    sources = [
        rattler.SparseRepoData(rattler.Channel(channel), subdir, download.repodata(channel, subdir, cache))
        for channel in channels
        for subdir in SUBDIRS
    ]
    wanted = [parsed(spec) for spec in specs]
    if absent := [spec for spec in wanted if not any(source.load_matching_records([spec]) for source in sources)]:
        raise failures.missing([shown(spec.name.normalized, spec.version) for spec in absent])
    kept = [parsed(record.name.normalized) for record in installed]
    try:
        return list(
            await rattler.solve_with_sparse_repodata(
                specs=[*wanted, *kept],
                sparse_repodata=sources,
                locked_packages=installed,
                virtual_packages=rattler.VirtualPackage.detect(),
            )
        )
    except SolverError as error:
        raise failures.unsolvable(str(error).partition("because of: ")[2].strip()) from error


def parsed(spec: str) -> Any:
    """Return a match spec. Raises Failure."""
    try:
        return rattler.MatchSpec(spec)
    except InvalidMatchSpecError as error:
        raise failures.critical(f'Error parsing MatchSpec "{spec}": {error}') from error


def wanted_file(record: Any) -> Wanted:
    """Return what a record says of its archive."""
    return Wanted(
        url=record.url,
        name=record.file_name,
        sha256=record.sha256.hex() if record.sha256 else "",
        md5=record.md5.hex() if record.md5 else "",
        size=record.size or 0,
    )


async def explicit(packages: tuple[Wanted, ...], cache: Path) -> list[tuple[Any, str]]:
    """Fetch packages; returns the record of each, which points at its archive, and its URL. Raises Failure."""
    paths = [(download.package(wanted, cache), wanted.url) for wanted in packages]
    return [(await rattler.RepoDataRecord.from_package_archive(path), url) for path, url in paths]


def fetched(records: list[Any], prefix: Path, cache: Path) -> list[tuple[Any, str]]:
    """Fetch the archives of records that are not in the prefix yet; each record then points at its archive.

    Returns every record with its URL. Raises Failure.
    """
    pairs = []
    for record in records:
        url = record.url
        if not (prefix / "conda-meta" / meta_name(record)).is_file():
            record.url = download.package(wanted_file(record), cache).as_uri()
        pairs.append((record, url))
    return pairs


def meta_name(record: Any) -> str:
    """Return the name of a record's file in conda-meta."""
    return f"{record.name.normalized}-{record.version}-{record.build}.json"


async def link(pairs: list[tuple[Any, str]], prefix: Path, cache: Path, installed: list[Any]) -> None:
    """Make the prefix hold these records, and conda-meta say where they came from. Raises Failure."""
    try:
        await rattler.install(
            [record for record, _ in pairs],
            target_prefix=prefix,
            cache_dir=cache,
            installed_packages=installed,
            show_progress=False,
        )
    except (InstallerError, OSError) as error:
        raise failures.linking(str(error), str(prefix)) from error
    for record, url in pairs:
        path = prefix / "conda-meta" / meta_name(record)
        content = json.loads(path.read_text())
        if content["url"] != url:
            content["url"], content["channel"] = url, url.rsplit("/", 2)[0]
            part = path.with_suffix(".part")  # not .json: nobody may take it for a record
            part.write_text(json.dumps(content, indent=2) + "\n")
            part.rename(path)


def installed_in(prefix: Path) -> list[Any]:
    """Return the records of what is installed in a prefix."""
    return [rattler.PrefixRecord.from_path(path) for path in sorted((prefix / "conda-meta").glob("*.json"))]

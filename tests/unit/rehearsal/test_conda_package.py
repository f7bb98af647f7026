"""Conda packages as we write them: metadata, the placeholder for the prefix, wheels as noarch. No network."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from rehearsal import conda_channel, conda_package
from rehearsal.conda_package import Package

PACKAGE = Package("thing", "1.2", "0", ("python >=3.6",), "a thing", "MIT")


@pytest.fixture(scope="module", autouse=True)
def _tools() -> None:
    conda_channel.use(conda_channel.tools())


def part(archive: Path, which: str) -> dict[str, bytes]:
    """The files of one of a package's two inner archives, `info` or `pkg`."""
    import zstandard

    with zipfile.ZipFile(archive) as whole:
        packed = whole.read(f"{which}-{archive.stem}.tar.zst")
    raw = zstandard.ZstdDecompressor().stream_reader(packed).read()
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        # None only for what is no file, which the condition leaves out.
        return {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}  # type: ignore[union-attr]


def paths_of(archive: Path) -> dict[str, dict[str, Any]]:
    """The entries of a package's info/paths.json by name."""
    return {entry["_path"]: entry for entry in json.loads(part(archive, "info")["info/paths.json"])["paths"]}


def test_a_package_has_its_files_and_says_where_the_prefix_is(tmp_path: Path) -> None:
    files = tmp_path / "files"
    (files / "bin").mkdir(parents=True)
    (files / "bin/plain").write_text("#!/bin/sh\n")
    (files / "bin/script").write_text(f"#!{conda_package.PLACEHOLDER}/bin/python\n")
    (files / "bin/link").symlink_to("plain")
    archive = conda_package.write(PACKAGE, files, tmp_path / "channel")
    assert archive == tmp_path / "channel/linux-64/thing-1.2-0.conda"
    assert part(archive, "pkg")["bin/plain"] == b"#!/bin/sh\n"
    paths = paths_of(archive)
    assert paths["bin/link"]["path_type"] == "softlink"
    assert "prefix_placeholder" not in paths["bin/plain"]
    assert paths["bin/script"]["prefix_placeholder"] == conda_package.PLACEHOLDER
    assert paths["bin/script"]["file_mode"] == "text"


def test_the_same_files_are_the_same_archive(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("content")
    one, two = (conda_package.write(PACKAGE, tmp_path / name, tmp_path / f"to-{name}") for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


def test_the_index_has_both_folders_and_true_checksums(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    archive = conda_package.write(PACKAGE, tmp_path / "files", tmp_path / "channel")
    conda_package.index(tmp_path / "channel")
    assert json.loads((tmp_path / "channel/noarch/repodata.json").read_text())["packages.conda"] == {}
    entry = json.loads((tmp_path / "channel/linux-64/repodata.json").read_text())["packages.conda"][archive.name]
    assert entry["depends"] == ["python >=3.6"]
    assert entry["size"] == archive.stat().st_size
    assert entry["sha256"] == conda_package._sha256(archive.read_bytes())


def wheel(path: Path) -> Path:
    """A small pure wheel with a script and requirements, one of them under a condition."""
    info = "Thing-2.0.dist-info"
    metadata = (
        "Metadata-Version: 2.1\nName: Thing\nVersion: 2.0\nRequires-Python: >=3.8, !=3.9.*\nSummary: a thing\n"
        'Requires-Dist: packaging (>=24.0)\nRequires-Dist: colorama; platform_system == "Windows"\n'
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("thing/__init__.py", "def main(): print('thing')\n")
        archive.writestr(f"{info}/METADATA", metadata)
        archive.writestr(f"{info}/entry_points.txt", "[console_scripts]\nThing-Run = thing:main\n[other]\na = b:c\n")
    return path


def test_a_wheel_becomes_a_noarch_package(tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    source = wheel(tmp_path / "Thing-2.0-py3-none-any.whl")
    archive = conda_package.from_wheel(source, tmp_path / "scratch", tmp_path / "channel", ("setuptools",))
    assert archive == tmp_path / "channel/noarch/thing-2.0-pyhd8ed1ab_0.conda"
    info = part(archive, "info")
    index = json.loads(info["info/index.json"])
    assert index["depends"] == ["python >=3.8,!=3.9.*", "packaging >=24.0", "setuptools"]
    assert index["noarch"] == "python"
    # Names of scripts keep their case.
    assert json.loads(info["info/link.json"])["noarch"]["entry_points"] == ["Thing-Run = thing:main"]
    assert part(archive, "pkg")["site-packages/Thing-2.0.dist-info/INSTALLER"] == b"conda\n"


@pytest.mark.parametrize(
    ("line", "spec"),
    [
        ("packaging", "packaging"),
        ("packaging (>=24.0)", "packaging >=24.0"),
        ("packaging>=24.0", "packaging >=24.0"),
        ("Jinja2 ==3.1,<4", "jinja2 ==3.1,<4"),
    ],
)
def test_requirements_become_match_specs(line: str, spec: str) -> None:
    metadata = Message()
    metadata["Requires-Dist"] = line
    assert conda_package.depends_of(metadata) == (spec,)


def test_a_wheel_without_scripts_has_no_entry_points(tmp_path: Path) -> None:
    assert conda_package.scripts_of(tmp_path / "entry_points.txt") == ()

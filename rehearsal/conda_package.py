"""Write conda packages: an archive of the current format (.conda) from a folder, or from a wheel as noarch.

It needs one of the channel's tools (conda_channel.use), zstandard, which .conda archives are compressed with.
"""

from __future__ import annotations

import configparser
import email
import hashlib
import io
import json
import re
import tarfile
import zipfile
from email.message import Message
from pathlib import Path
from typing import Any, NamedTuple

SUBDIR, NOARCH = "linux-64", "noarch"
PLACEHOLDER = "/opt/anaconda1anaconda2anaconda3"
"""What stands for the prefix in text files of a package: conda's own default placeholder."""
MODIFIED = 1_500_000_000
"""A fixed time (s since 1970) for all files of an archive, so that the same content is the same archive."""
_LEVEL = 3
"""zstd's default: twice the level costs many times the seconds and saves little."""


class Package(NamedTuple):
    """The metadata of a package, as in conda's info/index.json."""

    name: str
    version: str
    build: str
    depends: tuple[str, ...]
    summary: str
    license: str
    noarch: bool = False
    entry_points: tuple[str, ...] = ()
    """`name = module:function`; only of noarch packages, which get their scripts when they are linked."""

    def subdir(self) -> str:
        """Return the folder of the channel that the package belongs in."""
        return NOARCH if self.noarch else SUBDIR

    def filename(self) -> str:
        """Return the name of the archive."""
        return f"{self.name}-{self.version}-{self.build}.conda"

    def index_json(self) -> dict[str, Any]:
        """Return the content of info/index.json."""
        where = {"noarch": "python"} if self.noarch else {"arch": "x86_64", "platform": "linux"}
        return {
            "name": self.name,
            "version": self.version,
            "build": self.build,
            "build_number": 0,
            "depends": list(self.depends),
            "constrains": [],
            "license": self.license,
            "subdir": self.subdir(),
            "timestamp": MODIFIED * 1000,
            **where,
        }


def file_record(name: str, path: Path) -> dict[str, Any]:
    """Return the entry of a file in info/paths.json; linking replaces the placeholder where it is in one."""
    if path.is_symlink():
        target = path.resolve()
        content = target.read_bytes() if target.is_file() else b""
        return {"_path": name, "path_type": "softlink", "sha256": _sha256(content), "size_in_bytes": len(content)}
    content = path.read_bytes()
    record = {"_path": name, "path_type": "hardlink", "sha256": _sha256(content), "size_in_bytes": len(content)}
    if PLACEHOLDER.encode() in content:
        record |= {"file_mode": "text", "prefix_placeholder": PLACEHOLDER}
    return record


def write(package: Package, files: Path, channel: Path) -> Path:
    """Make the archive of all files below a folder in its place in the channel; returns its path."""
    names = sorted(str(path.relative_to(files)) for path in files.rglob("*") if path.is_symlink() or path.is_file())
    paths = [file_record(name, files / name) for name in names]
    info: dict[str, Any] = {
        "index.json": package.index_json(),
        "paths.json": {"paths": paths, "paths_version": 1},
        "about.json": {"summary": package.summary, "license": package.license},
    }
    if package.noarch:
        info["link.json"] = {
            "noarch": {"type": "python", "entry_points": list(package.entry_points)},
            "package_metadata_version": 1,
        }
    archive = channel / package.subdir() / package.filename()
    archive.parent.mkdir(parents=True, exist_ok=True)
    stem = archive.stem
    with zipfile.ZipFile(archive, "w") as whole:
        # Stored: the members are compressed themselves. The package's last, as readers of the metadata stop before it.
        _add(whole, "metadata.json", json.dumps({"conda_pkg_format_version": 2}).encode())
        _add(whole, f"info-{stem}.tar.zst", _tar_of_info(info))
        _add(whole, f"pkg-{stem}.tar.zst", _tar_of_files(files, names))
    return archive


def from_wheel(wheel: Path, scratch: Path, channel: Path, more: tuple[str, ...] = ()) -> Path:
    """Make the noarch package of a pure wheel in the channel; returns its path.

    It depends on what the wheel says and on `more`. `scratch` is an empty folder for its files.
    """
    files = scratch / "site-packages"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(files)
    (info,) = files.glob("*.dist-info")
    # pip then knows whose it is; as conda-forge's packages have it.
    (info / "INSTALLER").write_text("conda\n")
    metadata = email.message_from_string((info / "METADATA").read_text())
    package = Package(
        name=metadata["Name"].lower(),
        version=metadata["Version"],
        build="pyhd8ed1ab_0",
        depends=("python " + (metadata["Requires-Python"] or "*").replace(" ", ""), *depends_of(metadata), *more),
        summary=metadata["Summary"] or "",
        license=metadata["License-Expression"] or metadata["License"] or "",
        noarch=True,
        entry_points=scripts_of(info / "entry_points.txt"),
    )
    return write(package, scratch, channel)


def depends_of(metadata: Message) -> tuple[str, ...]:
    """Return a wheel's unconditional requirements as conda's match specs; those with a marker are none of Linux's."""
    requirements = [line for line in metadata.get_all("Requires-Dist", []) if ";" not in line]
    return tuple(re.sub(r"^([\w.-]+)\s*\(?([^)]*)\)?$", r"\1 \2", line).lower().strip() for line in requirements)


def scripts_of(entry_points: Path) -> tuple[str, ...]:
    """Return the console scripts of a wheel's entry_points.txt as conda writes them: `name = module:function`."""
    parser = configparser.ConfigParser(delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment, method-assign]  # typeshed knows no other form of this idiom
    parser.read(entry_points)
    if not parser.has_section("console_scripts"):
        return ()
    return tuple(f"{name} = {target}" for name, target in parser.items("console_scripts"))


def index(channel: Path) -> None:
    """Write repodata.json for both folders of a channel from the packages in them."""
    for subdir in (SUBDIR, NOARCH):
        folder = channel / subdir
        folder.mkdir(parents=True, exist_ok=True)
        packages = {path.name: _repodata_of(path) for path in sorted(folder.glob("*.conda"))}
        repodata = {
            "info": {"subdir": subdir},
            "packages": {},
            "packages.conda": packages,
            "removed": [],
            "repodata_version": 1,
        }
        (folder / "repodata.json").write_text(json.dumps(repodata, indent=1, sort_keys=True) + "\n")


def _repodata_of(archive: Path) -> dict[str, Any]:
    import zstandard  # type: ignore[import-not-found, unused-ignore]  # in channel-tools, not in .venv

    with zipfile.ZipFile(archive) as whole:
        packed = whole.read(f"info-{archive.stem}.tar.zst")
    with tarfile.open(fileobj=io.BytesIO(zstandard.ZstdDecompressor().stream_reader(packed).read())) as tar:
        member = tar.extractfile("info/index.json")
        assert member is not None  # we wrote it
        record: dict[str, Any] = json.load(member)
    content = archive.read_bytes()
    return record | {
        "md5": hashlib.md5(content, usedforsecurity=False).hexdigest(),
        "sha256": _sha256(content),
        "size": len(content),
    }


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name, (2017, 7, 14, 2, 40, 0)), content)


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = MODIFIED
    return member


def _tar_of_info(info: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, value in info.items():
            content = json.dumps(value, indent=2).encode()
            member = tarfile.TarInfo(f"info/{name}")
            member.size = len(content)
            tar.addfile(_plain(member), io.BytesIO(content))
    return _compressed(buffer)


def _tar_of_files(folder: Path, names: list[str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in names:
            tar.add(folder / name, arcname=name, filter=_plain)
    return _compressed(buffer)


def _compressed(buffer: io.BytesIO) -> bytes:
    import zstandard

    packed: bytes = zstandard.ZstdCompressor(level=_LEVEL, threads=-1).compress(buffer.getvalue())
    return packed

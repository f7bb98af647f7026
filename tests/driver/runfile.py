"""Builds stand-ins for NVIDIA's runfiles: NVIDIA-Linux-x86_64-VERSION.run, from the sources in runfile/.

    python3 runfile.py VERSION --kernel-max 6.1 --out DIR       where a gcc is; prints the file's path

The file follows makeself's flags and the real installer's order, options, words and exit codes; its libraries are real
ELF files of NVIDIA's names, its kernel modules are real sources that do nothing, and that newer kernels than the given
one do not compile. The same arguments give the same bytes. It needs nothing but Python and gcc, so it runs on a host.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import subprocess
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCES = HERE / "runfile"
LIBRARIES = {"libcuda": HERE / "stand_in/libcuda.c", "libnvidia-ml": HERE / "stand_in/libnvidia-ml.c"}
PROGRAMS = ("nvidia-installer", "nvidia-smi")
# nvidia-installer's option_table.h by its tags: words, whether they take a value, first and last version.
ALWAYS = ("", "")
OPTIONS = (
    ("-s --silent -q --no-questions -a --accept-license -b --no-backup -z --no-nouveau-check", False, ALWAYS),
    ("-Z --disable-nouveau -N --no-network -K --kernel-module-only -i --driver-info -h --help", False, ALWAYS),
    ("-A --advanced-options -v --version --dkms --uninstall --skip-module-unload --no-x-check", False, ALWAYS),
    ("--no-opengl-files --no-kernel-module --no-cc-version-check --no-distro-scripts --no-rpms", False, ALWAYS),
    ("--no-check-for-alternate-installs --no-recursion --no-unified-memory --install-libglvnd", False, ALWAYS),
    ("--sanity --no-nvidia-modprobe --no-install-libglvnd --no-libglx-indirect", False, ALWAYS),
    ("--ui --tmpdir --log-file-name --kernel-source-path --kernel-output-path -k --kernel-name", True, ALWAYS),
    ("--concurrency-level --module-signing-secret-key --module-signing-public-key", True, ALWAYS),
    ("--update --latest", False, ("", "381.22")),
    ("-m --ftp-mirror", True, ("", "381.22")),
    ("--opengl-headers", False, ("", "396.54")),
    ("--no-drm", False, ("375.66", "")),
    ("--override-file-type-destination", True, ("396.51", "")),
    ("--skip-depmod", False, ("418.30", "")),
    ("--systemd", False, ("465.19.01", "")),
    ("-m --kernel-module-build-directory", True, ("470.42.01", "")),
    ("--no-peermem", False, ("470.86", "")),
    ("--kernel-modules-only --no-kernel-modules", False, ("515.43.04", "")),
    ("--allow-installation-with-running-driver --rebuild-initramfs", False, ("545.23.06", "")),
    ("--skip-module-load", False, ("550.40.07", "")),
    ("-M --kernel-module-type", True, ("555.42.02", "")),
    ("--print-recommended-kernel-module-type", False, ("570.86.16", "")),
)


def number(version: str) -> tuple[int, ...]:
    """A version for comparison."""
    return tuple(int(part) for part in version.split("."))


def options(version: str, with_value: bool) -> str:
    """The options that this version of the installer knows, separated by spaces."""
    known = [
        words
        for words, value, (first, last) in OPTIONS
        if value is with_value
        and (not first or number(version) >= number(first))
        and (not last or number(version) <= number(last))
    ]
    return " ".join(known)


def substitute(text: str, version: str, kernel_max: str) -> str:
    """Fill in the sources' blanks."""
    major, minor = kernel_max.split(".")
    blanks = {
        "VERSION": version,
        "FLAGS": options(version, with_value=False),
        "VALUES": options(version, with_value=True),
        "MAX_MAJOR": major,
        "MAX_MINOR": minor,
    }
    for name, value in blanks.items():
        text = text.replace(f"@{name}@", value)
    return text


def compile_library(name: str, source: Path) -> bytes:
    """A shared library of that name, the same for the same source and compiler."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["-shared", "-fPIC", "-O1", f"-Wl,-soname,{name}.so.1", "-Wl,--build-id=none"]
        subprocess.run(
            ["gcc", *options, "-o", "out", "-x", "c", "-"], cwd=folder, input=source.read_bytes(), check=True
        )
        return (Path(folder) / "out").read_bytes()


def payload(version: str, kernel_max: str, libraries: dict[str, bytes]) -> dict[str, bytes]:
    """Path in the package to content."""
    files = {f"{name}.so.{version}": content for name, content in libraries.items()}
    for source in sorted([*(SOURCES / name for name in PROGRAMS), *(SOURCES / "kernel").iterdir()]):
        path = str(source.relative_to(SOURCES))
        files[path] = substitute(source.read_text(), version, kernel_max).encode()
    return files


def archive(files: dict[str, bytes]) -> bytes:
    """A tar.gz without anything in it that changes from one build to the next."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path in sorted({str(Path(path).parent) for path in files} - {"."}):
            folder = tarfile.TarInfo(path)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(folder)
        for path, content in sorted(files.items()):
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(content), 0o755 if path in PROGRAMS else 0o644
            tar.addfile(entry, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), mtime=0)


def posix_sum(data: bytes) -> int:
    """What `cksum` prints first: POSIX's CRC, which also counts the length."""
    crc, length = 0, len(data)
    table = []
    for index in range(256):
        value = index << 24
        for _ in range(8):
            value = (value << 1) ^ (0x04C11DB7 if value & 0x80000000 else 0)
        table.append(value & 0xFFFFFFFF)
    tail = length.to_bytes((length.bit_length() + 7) // 8, "little")
    for byte in data + tail:
        crc = ((crc << 8) & 0xFFFFFFFF) ^ table[(crc >> 24) ^ byte]
    return crc ^ 0xFFFFFFFF


def assemble(version: str, files: dict[str, bytes]) -> bytes:
    """The runfile: the shell program, then the archive; its checksums cover all from the fourth line on."""
    size = str(sum(map(len, files.values())) // 1024)
    header = (SOURCES / "header.sh").read_text().replace("@VERSION@", version).replace("@SIZE@", size)
    header = header.replace("@SKIP@", str(header.count("\n") + 1))
    whole = header.encode() + archive(files)
    covered = whole.split(b"\n", 3)[3]
    whole = whole.replace(b"CRCsum=0000000000", f"CRCsum={posix_sum(covered)}".encode(), 1)
    return whole.replace(b"MD5=" + b"0" * 32, b"MD5=" + hashlib.md5(covered).hexdigest().encode(), 1)


def build(version: str, kernel_max: str, out: Path) -> Path:
    """Write the runfile into a folder and return its path."""
    libraries = {name: compile_library(name, source) for name, source in LIBRARIES.items()}
    path = out / f"NVIDIA-Linux-x86_64-{version}.run"
    path.write_bytes(assemble(version, payload(version, kernel_max, libraries)))
    return path


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Build a stand-in for one of NVIDIA's runfiles.")
    parser.add_argument("version")
    parser.add_argument("--kernel-max", default="6.1", help="the newest kernel that its modules compile for")
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    print(build(chosen.version, chosen.kernel_max, chosen.out))

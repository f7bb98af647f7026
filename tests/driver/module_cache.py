"""Debian's real NVIDIA 535 kernel module, built once by DKMS in a container and kept as a DKMS tarball.

    python -m tests.driver.module_cache [--refresh]      prints the tarball's path and what is in it, as JSON

A build takes minutes and a test host has no time for it, so hosts get the tarball (`dkms ldtarball`). Nothing in it
stands in for anything: the source, the flags and the programs are Debian's, less debug information, which DKMS strips
from the finished modules anyway. It is kept in .cache/nvidia-module/, keyed by the recipe and the packages' versions.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import shutil
import signal
import sys
from pathlib import Path
from typing import NamedTuple

from rehearsal import image, settings
from rehearsal.podman import Podman, PodmanError

CACHE = settings.CACHE / "nvidia-module"
HEADERS = "linux-headers-cloud-amd64"
DRIVER = "nvidia-kernel-dkms"
MODULE = "nvidia-current"
"""Debian's name for the module in DKMS and on disk; once loaded it is called nvidia."""
ASK = f"""
sed -i 's/ main.*/ main contrib non-free non-free-firmware/' /etc/apt/sources.list
apt-get -q update
apt-cache policy {HEADERS} {DRIVER} > /out/policy.txt
"""
BUILD = f"""
{ASK}
export DEBIAN_FRONTEND=noninteractive KCFLAGS=-g0
apt-get -qy install --no-install-recommends {HEADERS} dkms gcc make patch
# Its post-installation builds with DKMS for the one kernel whose headers are there, on all processors.
apt-get -qy install --no-install-recommends {DRIVER}
dkms status -m {MODULE} | tee /out/status.txt
kernel=$(sed -n 's|^{MODULE}/[^,]*, \\([^,]*\\), .*: installed.*|\\1|p' /out/status.txt)
version=$(sed -n 's|^{MODULE}/\\([^,]*\\), .*|\\1|p' /out/status.txt)
test -n "$kernel" || {{ cat /var/lib/dkms/{MODULE}/*/build/make.log; exit 1; }}
dkms mktarball -m {MODULE} -v "$version" -k "$kernel" --binaries-only --archive built.tar.gz
cp "/var/lib/dkms/{MODULE}/$version/tarball/built.tar.gz" /out/
"""
_ASK_SECONDS = 180.0
_BUILD_SECONDS = 3600.0
"""Minutes on two idle cores; an hour only ends what hangs."""
_TAIL = 15


class Built(NamedTuple):
    """The tarball and what it was made of: versions are Debian's (packages) or NVIDIA's (the module)."""

    tarball: Path
    kernel: str
    module: str
    version: str
    packages: dict[str, str]


def recipe_hash() -> str:
    """Eight hex digits that change whenever the recipe or the image it starts from does."""
    return hashlib.sha256(f"{image.reference()}{BUILD}".encode()).hexdigest()[:8]


def candidates(policy: str) -> dict[str, str]:
    """Package to the version that apt would install, from the text of `apt-cache policy`.

    Raises PodmanError when one of the two packages has none.
    """
    found, package = {}, ""
    for line in policy.splitlines():
        if not line.startswith(" "):
            package = line.rstrip(":")
        elif line.startswith("  Candidate: ") and "(none)" not in line:
            found[package] = line.split()[1]
    lacking = [package for package in (HEADERS, DRIVER) if package not in found]
    if lacking:
        raise PodmanError(
            f"The host image's mirror offers no {' and no '.join(lacking)}: check that it carries contrib and non-free."
        )
    return found


def key(packages: dict[str, str]) -> str:
    """The name of the cached files for these package versions."""
    versions = hashlib.sha256(json.dumps(packages, sort_keys=True).encode()).hexdigest()[:8]
    return f"{recipe_hash()}-{versions}"


def installed(status: str) -> tuple[str, str]:
    """Kernel release and module version, from the text of `dkms status`. Raises PodmanError when none is installed."""
    for line in status.splitlines():
        name, _, rest = line.partition("/")
        if name == MODULE and ": installed" in rest:
            version, kernel = rest.split(", ")[:2]
            return kernel, version
    raise PodmanError(f"DKMS installed no {MODULE} ({status.strip() or 'it says nothing'}): read the build's log.")


def cached(name: str = "") -> Built | None:
    """The build of that key, or the newest one of this recipe; None when there is none."""
    files = sorted(CACHE.glob(f"{name or recipe_hash() + '-*'}.json"), key=lambda file: file.stat().st_mtime)
    for file in reversed(files):
        tarball = file.with_suffix(".tar.gz")
        if tarball.exists():
            return Built(tarball, **json.loads(file.read_text()))
    return None


def ensure(refresh: bool = False) -> Built:
    """Return the cached build, made now if there is none. `refresh` asks the mirror first and builds what is newer.

    Whoever installs NVIDIA packages beside the module gets the mirror's newest, so refreshes before.
    Raises PodmanError with one sentence when it cannot be built.
    """
    if not refresh and (found := cached()):
        return found
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not refresh and (found := cached()):
            return found
        return _ensure()


def _ensure() -> Built:
    reference = image.ensure()
    podman = Podman(CACHE / "build" / "podman")
    podman.dismantle()  # what a killed build left
    podman.prepare(image.runtime())
    out = CACHE / "build" / "out"
    out.mkdir(exist_ok=True)
    try:
        _run(podman, reference, out, ASK, _ASK_SECONDS)
        packages = candidates((out / "policy.txt").read_text())
        if found := cached(key(packages)):
            return found
        _say(f"building {MODULE} {packages[DRIVER]} with DKMS (four to seven minutes on two cores)")
        _run(podman, reference, out, BUILD, _BUILD_SECONDS)
        return _keep(out, candidates((out / "policy.txt").read_text()))
    finally:
        podman.dismantle()
        shutil.rmtree(CACHE / "build", ignore_errors=True)


def _run(podman: Podman, reference: str, out: Path, script: str, seconds: float) -> None:
    """Run a script in a fresh container that shares `out` with us; its output goes to CACHE/build.log."""
    log = f"exec > /out/build.log 2>&1\n{script}"
    network = "--network=host"  # only downloads: no bridge, so that it meets no rehearsal's
    try:
        podman.call(
            "run", "--rm", "--pull=never", network, "--systemd=false", f"--volume={out}:/out", reference,
            "sh", "-euc", log, timeout=seconds,
        )  # fmt: skip
    except PodmanError as error:
        written = out / "build.log"
        text = written.read_text(errors="replace") if written.exists() else ""
        (CACHE / "build.log").write_text(text)
        tail = "\n".join(text.splitlines()[-_TAIL:])
        raise PodmanError(f"{error} The build's log is {CACHE / 'build.log'} and ends:\n{tail}") from error


def _keep(out: Path, packages: dict[str, str]) -> Built:
    """Move what was built into the cache; the JSON file comes last and makes it count."""
    kernel, version = installed((out / "status.txt").read_text())
    tarball = CACHE / f"{key(packages)}.tar.gz"
    (out / "built.tar.gz").replace(tarball)
    fresh = tarball.with_name(f"{key(packages)}.new")
    facts = {"kernel": kernel, "module": MODULE, "version": version, "packages": packages}
    fresh.write_text(json.dumps(facts, indent=1) + "\n")
    fresh.replace(CACHE / f"{key(packages)}.json")
    return Built(tarball, kernel, MODULE, version, packages)


def _say(text: str) -> None:
    print(f"module: {text}", file=sys.stderr, flush=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.driver.module_cache", description="Build or find it.")
    parser.add_argument("--refresh", action="store_true", help="ask the mirror for newer packages")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the container goes too
    try:
        built = ensure(options.refresh)
    except PodmanError as error:
        sys.exit(f"module: {error}")
    print(json.dumps({**built._asdict(), "tarball": str(built.tarball)}, indent=1))


if __name__ == "__main__":
    main()

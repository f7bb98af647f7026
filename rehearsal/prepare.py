"""Install what a rehearsal needs and this machine lacks: Debian packages, the host image, the mirror.

With --tests also what the tests need, with --vm what those in a virtual machine do.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

# What is looked for (a command, or a file) and the Debian package that brings it.
NEEDED = {
    "podman": "podman",
    "runc": "runc",
    "/usr/lib/podman/netavark": "netavark",
    "iptables": "iptables",
    "ip": "iproute2",
    "mmdebstrap": "mmdebstrap",
    "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",
    "ssh": "openssh-client",
    "npm": "npm",
    "git": "git",
}
NEEDED_FOR_TESTS = {
    "chromium": "chromium",
    "chromedriver": "chromium-driver",
    "cc": "gcc",
    "/usr/include/math.h": "libc6-dev",
}
NEEDED_FOR_VM = {
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "sfdisk": "fdisk",
    "mkfs.ext4": "e2fsprogs",
}


def missing(needed: dict[str, str]) -> list[str]:
    """Return the Debian packages whose command or file is not there."""
    return [
        package
        for what, package in needed.items()
        if not (Path(what).exists() if what[0] == "/" else shutil.which(what))
    ]


def packages(needed: dict[str, str]) -> None:
    """Install missing packages as root on Debian and Ubuntu; elsewhere raise SystemExit with a sentence naming them."""
    lacking = missing(needed)
    if not lacking:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        sys.exit(
            f"setup: a rehearsal needs {', '.join(lacking)}, which this machine lacks: install them, or run bin/setup "
            "as root on Debian or Ubuntu (bin/setup --control is enough for real AWS)."
        )
    print(f"setup: installing {', '.join(lacking)}", file=sys.stderr)
    quiet = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    subprocess.run(["apt-get", "update", "-qq"], check=True, env=quiet, stdout=sys.stderr)
    subprocess.run(
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *lacking],
        check=True,
        env=quiet,
        stdout=sys.stderr,
    )


def main() -> None:
    """Do all of it, in the order in which one thing needs the other."""
    asked = [NEEDED_FOR_TESTS] * ("--tests" in sys.argv) + [NEEDED_FOR_VM] * ("--vm" in sys.argv)
    packages({what: package for needed in (NEEDED, *asked) for what, package in needed.items()})
    if os.geteuid() != 0:
        sys.exit(
            "setup: rehearsal hosts are containers with systemd on port 22 of 127.x addresses, which takes root: "
            "run it with sudo."
        )
    # Both are quick when there is nothing to do.
    for module in ("rehearsal.image", "rehearsal.mirror"):
        code = subprocess.run([sys.executable, "-m", module], check=False, stdout=subprocess.DEVNULL).returncode
        if code:
            sys.exit(code)  # it has said why, in a sentence


if __name__ == "__main__":
    main()

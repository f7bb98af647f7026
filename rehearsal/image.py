"""The host image: a Debian 12 container with systemd, sshd and cloud-init. It stands in for the Ubuntu DLAMI.

It is not that AMI: another distribution, no NVIDIA driver, no kernel of its own. What rehearsals and role tests learn
on it is how playbooks deal with a machine (first boot, ssh, services, apt, reboot), nothing about GPUs.
The recipe below is everything that is in it; its hash is the image's tag, so a changed recipe is a new image.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from rehearsal import settings
from rehearsal.podman import IMAGES, RUNTIME_FILE, Podman, PodmanError

SUITE = "bookworm"
PACKAGES = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "openssh-server",
    "python3",
    "python3-venv",
    "python3-apt",
    "iproute2",
    "sudo",
    "ca-certificates",
    "kmod",
    "udev",
    "procps",
    "curl",
    "cloud-init",
    "unattended-upgrades",
)
# In place of Debian's file: the same modules less those for hardware and services that are not here. cloud-init reads
# it some twenty times per boot, slowly, so a short file is a quick boot.
CLOUD_CONFIG = """\
datasource_list: [NoCloud]
users: [default]
disable_root: true
# Names are given from outside; inside a container they cannot be set.
preserve_hostname: true
# Without RSA (as slow as all the rest together) and DSA.
ssh_genkeytypes: [ed25519, ecdsa]
apt: {preserve_sources_list: true}
cloud_init_modules: [bootcmd, write-files, users-groups, ssh]
cloud_config_modules: [locale, set-passwords, timezone, runcmd]
cloud_final_modules: [package-update-upgrade-install, write-files-deferred, scripts-vendor, scripts-per-once,
  scripts-per-boot, scripts-per-instance, scripts-user, ssh-authkey-fingerprints, keys-to-console, final-message,
  power-state-change]
system_info:
  distro: debian
  paths: {cloud_dir: /var/lib/cloud/, templates_dir: /etc/cloud/templates/}
  ssh_svcname: ssh
"""
FILES = {
    "etc/cloud/cloud.cfg": CLOUD_CONFIG,
    # A container has no consoles to log in to; the getty would only wait on the one that is logged.
    "etc/systemd/system-preset/10-container.preset": "disable getty@.service\ndisable console-getty.service\n",
}
"""Path to content, root's, mode 0644."""
LINKS = {
    "etc/systemd/system/console-getty.service": "/dev/null",
    "etc/systemd/system/getty.target": "/dev/null",
}
"""Path to target of a symbolic link."""
NAME = "localhost/gpulab/host"
RUNTIMES = ("runc", "crun")
"""In the order of trial. crun refuses machines with cgroups v1 and v2 side by side (hybrid); runc works on all."""


def recipe_hash() -> str:
    """Twelve hex digits that change whenever the recipe does."""
    recipe = {"suite": SUITE, "packages": PACKAGES, "files": FILES, "links": LINKS}
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:12]


def reference() -> str:
    """The image's name and tag."""
    return f"{NAME}:{recipe_hash()}"


def present(images: Path = IMAGES) -> bool:
    """Whether the image is whole in the store: podman writes a name into the index last, and atomically."""
    index = images / "overlay-images" / "images.json"
    if not index.exists():
        return False
    return any(reference() in (entry.get("names") or []) for entry in json.loads(index.read_text()))


def built() -> bool:
    """Whether there is nothing left to do for `ensure`."""
    return present() and RUNTIME_FILE.exists()


def overlay_tar() -> bytes:
    """The recipe's files and links as a tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, content in FILES.items():
            entry = tarfile.TarInfo(f"./{path}")
            entry.size, entry.mode = len(content.encode()), 0o644
            archive.addfile(entry, io.BytesIO(content.encode()))
        for path, target in LINKS.items():
            entry = tarfile.TarInfo(f"./{path}")
            entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, target, 0o777
            archive.addfile(entry)
    return buffer.getvalue()


def bootstrap_command(overlay: Path, tar: Path) -> list[str]:
    """mmdebstrap's command line; the mirror is its own default, or what apt on this machine is set to."""
    return [
        "mmdebstrap",
        "--variant=minbase",
        f"--include={','.join(PACKAGES)}",
        f"--customize-hook=tar-in {overlay} /",
        SUITE,
        str(tar),
    ]


def ensure() -> str:
    """Build the image unless it is there, find out which OCI runtime works, and return the image's reference.

    Raises PodmanError with one sentence when that cannot be done. A killed build leaves a folder that the next removes.
    """
    if built():
        return reference()
    home = settings.CACHE / "containers" / "build"
    home.mkdir(parents=True, exist_ok=True)
    with (home.parent / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        podman = Podman(home, root=IMAGES)
        podman.prepare(RUNTIMES[0])
        try:
            if not present():
                _build(podman)
            if not RUNTIME_FILE.exists():
                _write(RUNTIME_FILE, probe_runtime(podman) + "\n")
        finally:
            podman.dismantle()
    return reference()


def runtime() -> str:
    """The OCI runtime found by `ensure`."""
    return RUNTIME_FILE.read_text().strip()


def probe_runtime(podman: Podman) -> str:
    """The first runtime that starts a container here. Raises PodmanError naming each one's reason."""
    reasons = []
    for name in RUNTIMES:
        try:
            podman.call("--runtime", name, "run", "--rm", "--network=none", "--systemd=false", reference(), "/bin/true")
        except PodmanError as error:
            reasons.append(f"{name}: {error}")
            continue
        return name
    raise PodmanError(f"No container runtime works on this machine ({'; '.join(reasons)}): install runc and try again.")


def _build(podman: Podman) -> None:
    if shutil.which("mmdebstrap") is None:
        raise PodmanError("mmdebstrap is not installed: install the package mmdebstrap (bin/setup does, as root).")
    with tempfile.TemporaryDirectory(prefix="work-", dir=podman.home) as name:
        work = Path(name)
        work.chmod(0o755)  # apt downloads as a user of its own
        overlay, tar = work / "overlay.tar", work / "rootfs.tar"
        overlay.write_bytes(overlay_tar())
        _say(f"building the host image {reference()} with mmdebstrap (a minute or so)")
        _bootstrap(bootstrap_command(overlay, tar), work)
        _say(f"importing {tar.stat().st_size // 10**6} MB")
        podman.call("import", "--quiet", str(tar), reference(), timeout=600)


def _bootstrap(command: list[str], work: Path) -> None:
    """Run mmdebstrap with its messages as our progress lines; its temporary folder stays inside `work`."""
    started, last = time.monotonic(), ""
    with subprocess.Popen(
        command,
        env={**os.environ, "TMPDIR": str(work)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as process:
        assert process.stderr is not None  # PIPE above
        for line in process.stderr:
            if line.startswith("I: "):
                _say(f"[{time.monotonic() - started:3.0f} s] {line[3:].strip()}")
            if line.startswith("E: ") or not last.startswith("E: "):
                last = line.strip() or last
    if process.returncode != 0:
        raise PodmanError(
            f"mmdebstrap failed with exit code {process.returncode} ({last}): check that apt-get update works on this "
            "machine and, on Ubuntu, that the package debian-archive-keyring is installed."
        )


def _write(path: Path, text: str) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(path)


def _say(text: str) -> None:
    print(f"image: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        print(ensure())
    except PodmanError as error:
        sys.exit(str(error))

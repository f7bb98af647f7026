"""The machine's disk and memory, made once and kept in .cache/vm/ by the hash of their recipe.

    python -m tests.vm.disk     make them, or say where they are

The packages are installed in a container, where that takes a minute; the disk is written from the container's files
without mounting anything; the machine then boots once by itself and is frozen when it is ready.
"""

from __future__ import annotations

import fcntl
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from rehearsal import image, settings
from rehearsal.podman import Podman, PodmanError
from tests.driver import module_cache
from tests.vm import machine, recipe
from tests.vm.machine import Machine, VmError

CACHE = settings.CACHE / "vm"
SECTOR = 512
START = 2048
"""The sector where the partition begins; GRUB lies in the gap before it."""
_INSTALL_SECONDS = 1800.0
_TAIL = 15


class Frozen(NamedTuple):
    """A machine that booted and was frozen: `folder` has its disk, its memory and the keys to log in with."""

    folder: Path
    module: module_cache.Built

    @property
    def disk(self) -> Path:
        """The raw disk, never written to again."""
        return self.folder / "disk.raw"

    @property
    def memory(self) -> Path:
        """QEMU's migration stream."""
        return self.folder / "memory"


@contextmanager
def sole_user() -> Iterator[Path]:
    """Be the only one with a virtual machine in this clone; others wait. Yields a folder for its things."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = CACHE / "run"
        shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder)


def frozen(module: module_cache.Built) -> Frozen:
    """Where this recipe's machine is, or would be."""
    name = recipe.recipe_hash(module.tarball.name, [machine.qemu_version(), *machine.HARDWARE])
    return Frozen(CACHE / name, module)


def ensure(folder: Path) -> Frozen:
    """Make the machine unless it is there. The caller is the sole user, `folder` its folder.

    Raises PodmanError or VmError with one sentence.
    """
    built = module_cache.cached()
    if built and frozen(built).folder.exists():
        return frozen(built)
    # The packages below are the mirror's newest, and the module has to be of their version.
    result = frozen(module_cache.ensure(refresh=True))
    if result.folder.exists():
        return result
    for old in CACHE.iterdir():  # other recipes' machines, and what a killed run left; each has gigabytes
        if old.is_dir() and old.name != "run":
            Podman(old / "podman").dismantle()  # what it may have mounted there
            shutil.rmtree(old)
    fresh = result.folder.with_suffix(".new")
    fresh.mkdir(mode=0o700)
    try:
        _make(Frozen(fresh, result.module), folder)
        fresh.rename(result.folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return result


def _make(place: Frozen, folder: Path) -> None:
    started = time.monotonic()

    def say(text: str) -> None:
        print(f"vm: [{time.monotonic() - started:3.0f} s] {text}", file=sys.stderr, flush=True)

    key = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "gpulab-vm", "-f", str(place.folder / "id_ed25519")]
    subprocess.run(key, check=True)
    say("installing a kernel, GRUB, DKMS and Debian's NVIDIA packages in a container")
    podman = Podman(place.folder / "podman")
    podman.prepare(image.runtime())
    try:
        core, boot = _install(podman, place)
        say("writing the disk")
        root = Path(podman.call("mount", recipe.NAME).strip())
        _furnish(root, place)
        _write_disk(root, place.disk, core, boot)
    finally:
        podman.dismantle()
    say("booting it once")
    with Machine(place.disk, "raw", place.folder, folder) as guest:
        guest.wait_for_ssh()
        say("freezing it when it is ready")
        guest.ssh("systemctl is-system-running --wait", check=False)
        guest.ssh(f"set -eux; {recipe.FIRST_BOOT}")
        guest.save(place.memory)
    say("done")


def _install(podman: Podman, place: Frozen) -> tuple[bytes, bytes]:
    """Run the recipe's script in a container and leave it there, stopped. Returns GRUB's core and boot sector."""
    out, shipped = place.folder / "out", place.folder / "module"
    out.mkdir()
    shipped.mkdir()
    shutil.copy(place.module.tarball, shipped / "module.tar.gz")
    volumes = [
        f"--volume={here}:{there}" for here, there in ((out, "/out"), (shipped, "/module"), (recipe.HERE, "/recipe"))
    ]
    script = f"exec > /out/install.log 2>&1\n{recipe.SCRIPT}"
    try:
        podman.call(
            "run", f"--name={recipe.NAME}", "--pull=never", "--network=host", "--systemd=false", *volumes,
            f"--env=KERNEL={place.module.kernel}", f"--env=VERSION={place.module.version}",
            image.reference(), "sh", "-euxc", script, timeout=_INSTALL_SECONDS,
        )  # fmt: skip
        return (out / "core.img").read_bytes(), (out / "boot.img").read_bytes()
    except PodmanError as error:
        log = out / "install.log"
        tail = log.read_text(errors="replace").splitlines()[-_TAIL:] if log.exists() else []
        raise PodmanError("\n".join([f"{error} The installation ended:", *tail])) from error
    finally:
        shutil.rmtree(out)
        shutil.rmtree(shipped)


def _furnish(root: Path, place: Frozen) -> None:
    """Write what a container keeps for itself, the key to log in with, and note the host's own key."""
    for name, content in recipe.FILES.items():
        target = root / name
        target.unlink(missing_ok=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
    (root / "root/.ssh").mkdir(mode=0o700, exist_ok=True)
    shutil.copy(place.folder / "id_ed25519.pub", root / "root/.ssh/authorized_keys")
    kind, key = (root / "etc/ssh/ssh_host_ed25519_key.pub").read_text().split()[:2]
    (place.folder / "known_hosts").write_text(f"{recipe.NAME} {kind} {key}\n")


def _write_disk(root: Path, disk: Path, core: bytes, boot: bytes) -> None:
    """A raw disk with one ext4 partition that holds `root`, and GRUB in front of it. Nothing is mounted."""
    if len(core) > (START - 1) * SECTOR:
        raise VmError(f"GRUB's core has {len(core)} bytes, more than lie before the partition: use fewer GRUB modules.")
    with disk.open("wb") as file:
        file.truncate(recipe.DISK_MB << 20)
    table = f"start={START},type=83,bootable\n"
    subprocess.run(["sfdisk", "-q", str(disk)], input=table, text=True, check=True, stdout=subprocess.DEVNULL)
    size = f"{(recipe.DISK_MB << 10) - (START * SECTOR >> 10)}k"
    offset = f"offset={START * SECTOR}"
    subprocess.run(["mkfs.ext4", "-q", "-L", "root", "-E", offset, "-d", str(root), str(disk), size], check=True)
    with disk.open("r+b") as file:
        file.write(boot[:440])  # the rest of the sector is the disk's id and the partition table
        file.seek(SECTOR)
        file.write(core)


def main() -> None:
    """The command line."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that container and machine go too
    try:
        with sole_user() as folder:
            print(ensure(folder).folder)
    except (PodmanError, VmError) as error:
        sys.exit(f"vm: {error}")


if __name__ == "__main__":
    main()

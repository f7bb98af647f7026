"""gpu-stand-in: what a test does to the stand-in hardware, and what has to happen at boot and after dpkg.

gpu-stand-in boot               (a unit runs it) forget what was loaded, then load the driver as udev would
gpu-stand-in kernel RELEASE     the kernel that is made out to be running, with a Tesla T4
gpu-stand-in gpus [ID ...]      put these GPUs in, e.g. 10de:118a; none: no GPU at all
gpu-stand-in secure-boot on|off
gpu-stand-in loaded VERSION     as if that version had been loaded before the packages changed
gpu-stand-in hold               (nvidia-persistenced's unit, or a test, runs it) keep the GPU open until SIGTERM
gpu-stand-in state              print all that a repair may change: packages, modules, libraries, files
gpu-stand-in nvidia-smi ...     (a stand-in runfile's nvidia-smi runs it) answer as NVIDIA's does
gpu-stand-in after-dpkg         (dpkg runs it) keep nvidia-smi and libcuda of the packages replaced
"""

from __future__ import annotations

import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import kmod
import smi
import world
from world import RUN, Module

SHARE = Path("/usr/local/share/gpu-stand-in")
COMMAND = Path("/usr/local/lib/gpu-stand-in/command")
LIBRARIES = Path("/usr/lib/x86_64-linux-gnu")
SMI = Path("/usr/local/bin/nvidia-smi")
PERSISTENCED = "nvidia-persistenced.service"
CHANGEABLE = tuple(
    Path(name)
    for name in ("/boot", "/etc", "/lib/modules", "/usr/bin", "/usr/lib/nvidia", "/usr/src", "/var/lib/dkms", LIBRARIES)
)
MODULES_LOAD = Path("/etc/modules-load.d")
CORE, UVM = 56_000_000, 3_500_000
"""Sizes of loaded modules, in bytes, as lsmod shows them for a 470."""


def boot() -> None:
    """Everything a start of the machine does, after the container's own."""
    RUN.mkdir(parents=True, exist_ok=True)
    for folder in ("proc-driver", "sys-module"):
        (RUN / folder).mkdir(exist_ok=True)
    real = RUN / "devices.real"
    if not real.exists():
        real.write_text(Path("/proc/devices").read_text())
    (RUN / "dmesg").write_text("")
    world.publish(world.World(world.kernel()))
    for source, target in (
        ("proc-driver", "/proc/driver"),
        ("sys-module", "/sys/module"),
        ("devices", "/proc/devices"),
        ("modules", "/proc/modules"),
    ):
        # A kernel without module support has no /proc/modules, and nothing can be put there.
        if Path(target).exists() and subprocess.run(["mountpoint", "-q", target], check=False).returncode != 0:
            subprocess.run(["mount", "--bind", RUN / source, target], check=True)
    world.log(f"Linux version {world.kernel()} (debian-kernel@lists.debian.org) (gcc-12 (Debian 12.2.0-14))")
    # As udev does by the devices' aliases and systemd by name: a blacklist holds, and nobody minds when it fails.
    for name in [*(["nvidia", "nvidia-uvm"] if world.read().gpus else []), *to_load()]:
        kmod.modprobe(["-b", "-q", name])
    smi.make_nodes(world.read(), unified_memory=True)


def to_load() -> list[str]:
    """Names in /etc/modules-load.d: a container's systemd leaves them alone."""
    lines = [line.strip() for file in sorted(MODULES_LOAD.glob("*.conf")) for line in file.read_text().splitlines()]
    return [line for line in lines if line and line[0] not in "#;"]


def gpus(ids: Sequence[str]) -> None:
    """Change the GPUs, as if the machine had been switched off for it. Raises KeyError for one not in the table."""
    world.configure(gpus=[world.GPUS[pci_id].pci_id for pci_id in ids])
    installed = Path("/lib/systemd/system", PERSISTENCED).exists()
    if installed:
        subprocess.run(["systemctl", "stop", PERSISTENCED], check=True)
    for node in Path("/dev").glob("nvidia*"):
        node.unlink()
    boot()
    if installed:  # it fails where no GPU has a driver, as NVIDIA's does
        subprocess.run(["systemctl", "start", PERSISTENCED], check=False)


def loaded(version: str) -> None:
    """Make nvidia and nvidia_uvm of that version the loaded ones."""
    with kmod.alone():
        now = world.read()
        for name in [name for name in now.loaded if name.startswith("nvidia")]:
            now = now.without(name)
        now = now.with_module(Module("nvidia", version, CORE))
        now = now.with_module(Module("nvidia_uvm", version, UVM, ("nvidia",)))
        world.log(f"NVRM: loading NVIDIA UNIX x86_64 Kernel Module  {version}  Sun Nov 22 00:00:00 UTC 2026")
        world.publish(now)
        smi.make_nodes(now, unified_memory=True)


def hold() -> None:
    """Keep /dev/nvidia0 and /dev/nvidiactl open until SIGTERM; the reference counts follow."""

    def end(*_: object) -> None:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, end)
    try:
        with open("/dev/nvidia0"), open("/dev/nvidiactl"):  # noqa: PTH123 (these are devices)
            _recount()
            while True:
                time.sleep(3600)
    finally:
        _recount()


def _recount() -> None:
    with kmod.alone():
        world.publish(world.read())


def after_dpkg() -> None:
    """nvidia-smi is on PATH exactly while a package's is; NVIDIA's libcuda, which needs a GPU, becomes the stand-in."""
    if Path("/usr/bin/nvidia-smi").exists() and not _is_text(Path("/usr/bin/nvidia-smi").resolve()):
        SMI.unlink(missing_ok=True)
        SMI.symlink_to(COMMAND)
    else:
        SMI.unlink(missing_ok=True)
    ours = (SHARE / "libcuda.so").read_bytes()
    for library in LIBRARIES.rglob("libcuda.so.*.*"):
        if library.is_file() and not library.is_symlink() and library.read_bytes() != ours:
            shutil.copyfile(SHARE / "libcuda.so", library)


def state() -> None:
    """Print all that a repair may change, each time in the same order."""
    for command in (
        ["dpkg-query", "--show", "--showformat", "${db:Status-Abbrev} ${Package} ${Version}\n"],
        ["apt-mark", "showhold"],
        ["dkms", "status"],
    ):
        print(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
    for module in world.read().loaded.values():
        print(module.name, module.version)
    for folder in CHANGEABLE:
        for path in sorted(folder.rglob("*")):
            status = path.lstat()
            if not stat.S_ISDIR(status.st_mode):
                print(path, status.st_size, status.st_mtime_ns)


def _is_text(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"#!"


def main(arguments: Sequence[str]) -> int:
    """The command line."""
    action, rest = (arguments or ["help"])[0], list(arguments[1:])
    if action == "boot":
        boot()
    elif action == "kernel":
        world.configure(kernel=rest[0], gpus=["10de:1eb8"])
    elif action == "gpus":
        gpus(rest)
    elif action == "secure-boot":
        world.configure(secure_boot=rest == ["on"])
    elif action == "loaded":
        loaded(rest[0])
    elif action == "hold":
        hold()
    elif action == "state":
        state()
    elif action == "nvidia-smi":
        return smi.nvidia_smi(rest)
    elif action == "after-dpkg":
        after_dpkg()
    else:
        print(__doc__, file=sys.stderr)
        return 2
    return 0

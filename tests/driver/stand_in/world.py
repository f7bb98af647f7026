"""What a stand-in kernel knows: the GPUs, the modules that are loaded, and who has a device open.

Part of the stand-in GPU of a driver test host: a container has no kernel of its own, so the commands that would ask or
change one (modprobe, lsmod, lspci, nvidia-smi ...) are programs in /usr/local/bin that share this state. What is on
disk is real: packages, libraries, DKMS, modules. Only what would be in the kernel's memory is made up here.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

CONFIG = Path("/var/lib/gpu-stand-in/config.json")
"""Survives a reboot: the kernel, the GPUs, Secure Boot."""
RUN = Path("/run/gpu-stand-in")
"""Memory: gone after a reboot."""
DEVICES = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset")
SLOTS = ("0000:00:1e.0", "0000:00:1d.0", "0000:00:1c.0", "0000:00:1b.0")
"""Where EC2 puts GPUs."""


@dataclass(frozen=True)
class Gpu:
    """A row of pci.ids, with the first and last driver branch that drives it (0: not ended)."""

    pci_id: str
    chip: str
    name: str
    pci_class: str
    first: int
    last: int


GPUS = {
    gpu.pci_id: gpu
    for gpu in (
        Gpu("10de:118a", "GK104GL", "GRID K520", "0300", 304, 470),
        Gpu("10de:102d", "GK210GL", "Tesla K80", "0302", 346, 470),
        Gpu("10de:13f2", "GM204GL", "Tesla M60", "0300", 352, 580),
        Gpu("10de:1db1", "GV100GL", "Tesla V100 SXM2 16GB", "0302", 384, 580),
        Gpu("10de:1eb8", "TU104GL", "Tesla T4", "0302", 418, 0),
    )
}


@dataclass(frozen=True)
class Module:
    """A loaded module. `needs`: the loaded modules that it uses; `size` in bytes."""

    name: str
    version: str = ""
    size: int = 16384
    needs: tuple[str, ...] = ()
    open_source: bool = False


@dataclass(frozen=True)
class World:
    """Everything there is to know. `opened`: processes with a node of that module open."""

    kernel: str
    gpus: tuple[str, ...] = ("10de:1eb8",)
    secure_boot: bool = False
    loaded: dict[str, Module] = field(default_factory=dict)
    opened: dict[str, int] = field(default_factory=dict)

    def users(self, name: str) -> list[str]:
        """Loaded modules that use `name`, the newest first, as the kernel lists them."""
        return [module.name for module in reversed(self.loaded.values()) if name in module.needs]

    def references(self, name: str) -> int:
        """What /sys/module/NAME/refcnt says."""
        return len(self.users(name)) + self.opened.get(name, 0)

    def with_module(self, module: Module) -> World:
        """This world with one module more."""
        return replace(self, loaded={**self.loaded, module.name: module})

    def without(self, name: str) -> World:
        """This world with one module less."""
        return replace(self, loaded={key: value for key, value in self.loaded.items() if key != name})


def read() -> World:
    """The world as it is now. Opened devices are counted afresh, so a killed process needs no clearing up."""
    config = json.loads(CONFIG.read_text())
    memory = RUN / "loaded.json"
    modules = json.loads(memory.read_text()) if memory.exists() else []
    loaded = {entry["name"]: Module(**{**entry, "needs": tuple(entry["needs"])}) for entry in modules}
    counted = RUN / "opened.json"
    # Only root may look into everybody's processes.
    files = opened(Path("/proc")) if os.geteuid() == 0 or not counted.exists() else json.loads(counted.read_text())
    return World(config["kernel"], tuple(config["gpus"]), config.get("secure_boot", False), loaded, files)


def kernel() -> str:
    """The release of the kernel that is made out to be running."""
    return str(json.loads(CONFIG.read_text())["kernel"])


def configure(**changes: object) -> None:
    """Change what survives a reboot."""
    config = json.loads(CONFIG.read_text()) if CONFIG.exists() else {}
    CONFIG.parent.mkdir(parents=True, exist_ok=True)
    CONFIG.write_text(json.dumps({**config, **changes}, indent=1) + "\n")


def opened(proc: Path) -> dict[str, int]:
    """Module to the number of open files on its device nodes, from /proc/*/fd."""
    found: dict[str, int] = {}
    for link in proc.glob("[0-9]*/fd/*"):
        try:
            target = str(link.readlink())
        except OSError:  # it was closed this moment
            continue
        if match := re.fullmatch(r"/dev/nvidia(-uvm|-modeset)?\S*", target):
            name = "nvidia" + (match[1] or "").replace("-", "_")
            found[name] = found.get(name, 0) + 1
    return found


def libraries(cache: str) -> dict[str, str]:
    """Base name to path of the libraries in the text of `ldconfig -p`; the first one wins, as in the loader."""
    found: dict[str, str] = {}
    for name, path in re.findall(r"^\s+(\S+) \([^)]*x86-64[^)]*\) => (\S+)$", cache, re.MULTILINE):
        found.setdefault(name, path)
    return found


def library_version(name: str) -> str:
    """Version in the real file name of a library that the loader would take; "" when there is none."""
    cache = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=False).stdout
    path = libraries(cache).get(name)
    if path is None or not Path(path).exists():
        return ""
    return Path(path).resolve().name.partition(".so.")[2]


def publish(world: World) -> None:
    """Write the world where a kernel would show it: /proc/driver/nvidia, /sys/module, /proc/devices."""
    memory = [asdict(module) for module in world.loaded.values()]
    _write(RUN / "loaded.json", json.dumps(memory, indent=1) + "\n")
    _write(RUN / "opened.json", json.dumps(world.opened) + "\n")
    folder = RUN / "sys-module"
    for gone in folder.iterdir():
        if gone.name not in world.loaded:
            _remove(gone)
    for name, module in world.loaded.items():
        _write(folder / name / "initstate", "live\n")
        _write(folder / name / "refcnt", f"{world.references(name)}\n")
        if module.version:
            _write(folder / name / "version", f"{module.version}\n")
        holders = folder / name / "holders"
        _remove(holders)
        holders.mkdir()
        for user in world.users(name):
            (holders / user).mkdir()
    _publish_driver(world, RUN / "proc-driver" / "nvidia")
    _publish_modules(world)


def _publish_driver(world: World, folder: Path) -> None:
    _remove(folder)
    if (module := world.loaded.get("nvidia")) is None:
        return
    _write(folder / "version", proc_version(module))
    for slot, pci_id in zip(SLOTS, world.gpus, strict=False):
        gpu = GPUS[pci_id]
        _write(folder / "gpus" / slot / "information", f"Model: \t\t {gpu.name}\nBus Location: \t {slot}\n")


def _publish_modules(world: World) -> None:
    """/proc/devices, and /proc/modules where the machine's own kernel has such a file."""
    majors = [("nvidia", "195 nvidia"), ("nvidia_modeset", "195 nvidia-modeset"), ("nvidia_uvm", "510 nvidia-uvm")]
    lines = [line for name, line in majors if name in world.loaded]
    real = (RUN / "devices.real").read_text()
    # In place: the file is bound over /proc/devices, and a new file would not be.
    (RUN / "devices").write_text(real.replace("\n\nBlock", "".join(f"\n{line}" for line in lines) + "\n\nBlock", 1))
    (RUN / "modules").write_text(proc_modules(world))


def proc_modules(world: World) -> str:
    """/proc/modules, the newest module first."""
    text = ""
    for module in reversed(world.loaded.values()):
        users = "".join(f"{user}," for user in world.users(module.name)) or "-"
        mark = " (POE)" if module.name.startswith("nvidia") else ""
        text += f"{module.name} {module.size} {world.references(module.name)} {users} Live 0x0000000000000000{mark}\n"
    return text


def proc_version(module: Module) -> str:
    """/proc/driver/nvidia/version, in the words of the two flavours."""
    if module.open_source:
        what = f"NVIDIA UNIX Open Kernel Module for x86_64  {module.version}  Release Build  (archive@debian)"
    else:
        what = f"NVIDIA UNIX x86_64 Kernel Module  {module.version}"
    return f"NVRM version: {what}  Sun Nov 22 00:00:00 UTC 2026\nGCC version:  gcc version 12.2.0 (Debian 12.2.0-14)\n"


def log(*lines: str) -> None:
    """Add to the kernel's log."""
    since = float(Path("/proc/uptime").read_text().split()[0])
    with (RUN / "dmesg").open("a") as file:
        file.write("".join(f"[{since:12.6f}] {line}\n" for line in lines))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _remove(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)

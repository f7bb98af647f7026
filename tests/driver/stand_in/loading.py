"""Loading and unloading as the kernel does it, from the real module files: what is refused, and in which words.

The module's file is read with the real modinfo; whether it fits is decided here, because no kernel is there to do it.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from world import GPUS, SLOTS, Module, World

NO_DEVICE = "No such device"
EXEC_FORMAT = "Exec format error"
KEY_REJECTED = "Key was rejected by service"
INVALID = "Invalid argument"
UNKNOWN_SYMBOL = "Unknown symbol in module, or unknown parameter (see dmesg)"


@dataclass(frozen=True)
class File:
    """What modinfo says of a module's file. `depends`: names with underscores."""

    name: str
    version: str
    vermagic: str
    licence: str
    depends: tuple[str, ...]
    signed: bool
    size: int


class Refused(Exception):
    """The kernel said no. `error` is the errno's text; `messages` are what it wrote to its log."""

    def __init__(self, error: str, messages: tuple[str, ...] = ()) -> None:
        super().__init__(error)
        self.error, self.messages = error, messages


def examine(path: Path) -> File:
    """Read a module's file."""

    def ask(field: str) -> str:
        command = ["/sbin/modinfo", "-F", field, str(path)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    depends = tuple(name.replace("-", "_") for name in ask("depends").split(",") if name)
    stem = path.name.split(".")[0].replace("-", "_")
    return File(
        name=ask("name").replace("-", "_") or stem,
        version=ask("version"),
        vermagic=ask("vermagic"),
        licence=ask("license"),
        depends=depends,
        signed=bool(ask("signer")) and not path.match("updates/*"),
        size=path.stat().st_size,
    )


def load(world: World, file: File) -> tuple[World, tuple[str, ...]]:
    """The world with that module loaded, and what the kernel logs. Raises Refused."""
    if file.name in world.loaded:
        return world, ()
    if file.vermagic.split()[:1] != [world.kernel]:
        ours = " ".join([world.kernel, *file.vermagic.split()[1:]])
        raise Refused(EXEC_FORMAT, (f"{file.name}: version magic '{file.vermagic} ' should be '{ours} '",))
    if world.secure_boot and not file.signed:
        raise Refused(KEY_REJECTED, ("Loading of module with unavailable key is rejected",))
    ours = file.name.startswith("nvidia")
    messages = (f"{file.name}: loading out-of-tree module taints kernel.",) if file.name == "nvidia" else ()
    if file.name == "nvidia":
        messages += probe(world, file.version)
    elif ours:
        _same_version(world, file)
    # One that is not loaded is part of the kernel itself (modprobe has loaded all that are not).
    needs = tuple(name for name in file.depends if name in world.loaded)
    if ours and file.name != "nvidia":
        needs = tuple(dict.fromkeys((*needs, "nvidia_modeset" if file.name == "nvidia_drm" else "nvidia")))
    module = Module(file.name, file.version, file.size, needs, "GPL" in file.licence and ours)
    return world.with_module(module), messages


def _same_version(world: World, file: File) -> None:
    core = world.loaded.get("nvidia")
    if core is None:
        raise Refused(UNKNOWN_SYMBOL, (f"{file.name}: Unknown symbol nvUvmInterfaceRegisterUvmCallbacks (err -2)",))
    if core.version != file.version:
        symbol = "nvidia_register_module" if file.name == "nvidia_drm" else "nvUvmInterfaceDisableAccessCntr"
        raise Refused(INVALID, (f"{file.name}: disagrees about version of symbol {symbol}",))


def probe(world: World, version: str) -> tuple[str, ...]:
    """What nvidia.ko logs when it finds its GPUs. Raises Refused when it finds none that it drives."""
    branch = int(version.split(".")[0])
    if not world.gpus:
        raise Refused(NO_DEVICE, ("NVRM: No NVIDIA GPU found.",))
    if "nouveau" in world.loaded:
        raise Refused(NO_DEVICE, (*_ownership(len(world.gpus)), "NVRM: No NVIDIA devices probed."))
    ignored = [message for place, gpu in enumerate(world.gpus) for message in _ignored(gpu, SLOTS[place], version)]
    driven = [gpu for gpu in world.gpus if GPUS[gpu].first <= branch <= (GPUS[gpu].last or branch)]
    if not driven:
        raise Refused(NO_DEVICE, (*ignored, "NVRM: No NVIDIA GPU found."))
    return (*ignored, f"NVRM: loading NVIDIA UNIX x86_64 Kernel Module  {version}  Sun Nov 22 00:00:00 UTC 2026")


def _ownership(count: int) -> tuple[str, ...]:
    return (
        f"NVRM: The NVIDIA probe routine was not called for {count} device(s).",
        "NVRM: This can occur when another driver was loaded and ",
        "NVRM: obtained ownership of the NVIDIA device(s).",
        "NVRM: Try unloading the conflicting kernel module (and/or",
        "NVRM: reconfigure your kernel without the conflicting",
        "NVRM: driver(s)), then try loading the NVIDIA kernel module",
        "NVRM: again.",
    )


def _ignored(pci_id: str, slot: str, version: str) -> tuple[str, ...]:
    """Why this GPU is not driven by that version; () when it is."""
    gpu, branch = GPUS[pci_id], int(version.split(".")[0])
    if gpu.last and branch > gpu.last:
        return (
            f"NVRM: The NVIDIA {gpu.name} GPU installed in this system is",
            f"NVRM:  supported through the NVIDIA {gpu.last}.xx Legacy drivers. Please",
            "NVRM:  visit http://www.nvidia.com/object/unix.html for more",
            f"NVRM:  information.  The {version} NVIDIA driver will ignore",
            "NVRM:  this GPU.  Continuing probe...",
        )
    if branch < gpu.first:
        return (
            f"NVRM: The NVIDIA GPU {slot} (PCI ID: {pci_id})",
            f"NVRM: installed in this system is not supported by the {version}",
            "NVRM: NVIDIA Linux driver release.  Please see 'Appendix A -",
            "NVRM: Supported NVIDIA GPU Products' in this release's README,",
            "NVRM: available on the Linux driver download page at www.nvidia.com.",
        )
    return ()


def in_use(world: World, name: str) -> str:
    """Why rmmod cannot take that module out, in rmmod's words; "" when it can."""
    if name not in world.loaded:
        return f"Module {name} is not currently loaded"
    if users := world.users(name):
        return f"Module {name} is in use by: {' '.join(users)}"
    return f"Module {name} is in use" if world.references(name) else ""


def unload(world: World, name: str) -> World:
    """The world without that module. Raises Refused with rmmod's words."""
    if reason := in_use(world, name):
        raise Refused(reason)
    return world.without(name)

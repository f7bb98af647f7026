"""Stand-ins for nvidia-smi and nvidia-modprobe. nvidia-smi compares the loaded module with the library on disk.

Texts and exit codes are NVIDIA's: 0 healthy, 6 no devices, 9 driver not loaded, 12 no libnvidia-ml, 18 mismatch.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Sequence
from pathlib import Path

import world
from world import GPUS, SLOTS, World

NO_LIBRARY = (
    "NVIDIA-SMI couldn't find libnvidia-ml.so library in your system. Please make sure that the NVIDIA Display Driver "
    "is properly installed and present in your system.\nPlease also try adding directory that contains libnvidia-ml.so "
    "to your system PATH."
)
NO_DRIVER = (
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA "
    "driver is installed and running.\n"
)
MISMATCH = "Failed to initialize NVML: Driver/library version mismatch"
SINCE_LIBRARY_LINE = 525
SINCE_CUDA_LINE = 410
SINCE_LONG_DOMAIN = 384
CUDA = {367: "8.0", 375: "8.0", 470: "11.4", 535: "12.2", 580: "13.0"}
NODE = os.makedev(1, 3)
"""Nodes have the number of /dev/null: processes can open them, as they could a GPU's."""


def answer(now: World, library: str, arguments: Sequence[str]) -> tuple[int, str]:
    """Exit code and what it prints, from the version of libnvidia-ml.so.1 ("" for none). Pure."""
    if not library:
        return 12, NO_LIBRARY
    if (module := now.loaded.get("nvidia")) is None:
        return 9, NO_DRIVER
    if module.version != library:
        major, minor = [*library.split("."), ""][:2]
        line = f"\nNVML library version: {major}.{minor}" if int(major) >= SINCE_LIBRARY_LINE else ""
        return 18, MISMATCH + line
    if not now.gpus:
        return 6, "No devices were found"
    query = next((argument for argument in arguments if argument.startswith("--query-gpu=")), None)
    if query is not None:
        return 0, _query(now, query.partition("=")[2].split(","), arguments)
    if "-L" in arguments or "--list-gpus" in arguments:
        rows = (f"GPU {index}: {GPUS[gpu].name} (UUID: {_uuid(index)})" for index, gpu in enumerate(now.gpus))
        return 0, "\n".join(rows)
    return 0, _table(now, module.version)


def _uuid(index: int) -> str:
    return f"GPU-00000000-0000-0000-0000-{index:012d}"


def _query(now: World, fields: list[str], arguments: Sequence[str]) -> str:
    rows = []
    for index, (slot, pci_id) in enumerate(zip(SLOTS, now.gpus, strict=False)):
        known = {
            "index": str(index),
            "count": str(len(now.gpus)),
            "name": GPUS[pci_id].name,
            "uuid": _uuid(index),
            "driver_version": now.loaded["nvidia"].version,
            "pci.bus_id": f"0000{slot.upper()}",
            "pci.device_id": f"0x{pci_id[5:].upper()}10DE",
            "memory.total": "15360 MiB",
            "memory.used": "0 MiB",
            "utilization.gpu": "0 %",
            "persistence_mode": "Disabled",
            "compute_cap": "7.5",
        }
        unknown = [field for field in fields if field.strip() not in known]
        if unknown:
            return f'Field "{unknown[0]}" is not a valid field to query.\n'
        rows.append(", ".join(known[field.strip()] for field in fields))
    form = next((argument for argument in arguments if argument.startswith("--format=")), "")
    if "nounits" in form:
        rows = [re.sub(r" (MiB|%)", "", row) for row in rows]
    return "\n".join(rows if "noheader" in form else [", ".join(fields), *rows])


def _table(now: World, version: str) -> str:
    branch = int(version.split(".")[0])
    cuda = f"CUDA Version: {CUDA.get(branch, 'N/A')}" if branch >= SINCE_CUDA_LINE else ""
    rule = "+" + "-" * 77 + "+"
    lines = [rule, f"| NVIDIA-SMI {version:<13} Driver Version: {version:<13} {cuda:<18}     |".ljust(79), rule]
    for index, (slot, pci_id) in enumerate(zip(SLOTS, now.gpus, strict=False)):
        domain = "0000" if branch >= SINCE_LONG_DOMAIN else ""
        name, place = GPUS[pci_id].name, domain + slot.upper()
        lines.append(f"| {index:>3}  {name:<22} Off  | {place:>16} Off |                    0 |")
    return "\n".join([*lines, rule])


def nvidia_smi(arguments: Sequence[str]) -> int:
    """Print the answer; a mismatch also shows in the kernel's log, and a healthy one makes the device nodes."""
    now, library = world.read(), world.library_version("libnvidia-ml.so.1")
    code, text = answer(now, library, arguments)
    root = os.geteuid() == 0
    if code == 18 and root:
        world.log(
            f"NVRM: API mismatch: the client has the version {library}, but",
            f"NVRM: this kernel module has the version {now.loaded['nvidia'].version}.  Please",
            "NVRM: make sure that this kernel module and all NVIDIA driver",
            "NVRM: components have the same version.",
        )
    elif code == 0 and root:
        make_nodes(now, unified_memory=False)
    print(text)
    return code


def nvidia_modprobe(arguments: Sequence[str]) -> int:
    """Load what is asked for and make its device nodes: -u is the unified memory module, -c N a GPU."""
    flags = "".join(argument[1:] for argument in arguments if re.fullmatch(r"-[a-z]+\S*", argument))
    wanted = ["nvidia-uvm" if "u" in flags else "nvidia", *(["nvidia-modeset"] if "m" in flags else [])]
    # By PATH, as the stand-in for modprobe wants it.
    if any(os.spawnlp(os.P_WAIT, "modprobe", "modprobe", name) != 0 for name in wanted):
        return 1
    make_nodes(world.read(), unified_memory="u" in flags)
    return 0


def make_nodes(now: World, unified_memory: bool) -> None:
    """Make /dev/nvidia*."""
    if "nvidia" not in now.loaded:
        return
    names = ["nvidiactl", *(f"nvidia{index}" for index in range(len(now.gpus)))]
    if unified_memory and "nvidia_uvm" in now.loaded:
        names += ["nvidia-uvm", "nvidia-uvm-tools"]
    for name in names:
        path = Path("/dev") / name
        if not path.exists():
            os.mknod(path, stat.S_IFCHR | 0o666, NODE)
            path.chmod(0o666)


def main(name: str, arguments: Sequence[str]) -> int:
    """Run one of the two."""
    return {"nvidia-smi": nvidia_smi, "nvidia-modprobe": nvidia_modprobe}[name](arguments)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[0]).name, sys.argv[1:]))

"""Stand-ins for the commands that look at the machine: uname, lspci, dmesg, mokutil, systemd-detect-virt."""

from __future__ import annotations

import getopt
import subprocess
import sys
from collections.abc import Sequence

import world
from world import GPUS, SLOTS, World

# Bus, class name, class, vendor:device, names, driver: what an EC2 instance of the Nitro kind has beside its GPU.
OTHERS = (
    ("0000:00:00.0", "Host bridge", "0600", "8086:1237", "Intel Corporation 440FX [Natoma]", ""),
    ("0000:00:04.0", "Non-Volatile memory controller", "0108", "1d0f:8061", "Amazon.com NVMe EBS Controller", "nvme"),
    ("0000:00:05.0", "Ethernet controller", "0200", "1d0f:ec20", "Amazon.com Elastic Network Adapter (ENA)", "ena"),
)
CLASSES = {"0300": "VGA compatible controller", "0302": "3D controller"}


def devices(now: World) -> list[tuple[str, str, str, str, str, str]]:
    """All PCI devices in the columns of OTHERS."""
    gpus = []
    for slot, pci_id in zip(SLOTS, now.gpus, strict=False):
        gpu = GPUS[pci_id]
        driver = next((name for name in ("nvidia", "nouveau") if name in now.loaded), "")
        name = f"NVIDIA Corporation {gpu.chip} [{gpu.name}]"
        gpus.append((slot, CLASSES[gpu.pci_class], gpu.pci_class, pci_id, name, driver))
    return sorted([*OTHERS, *gpus])


def lspci(arguments: Sequence[str]) -> int:
    """-D, -n, -nn, -k, -v (names only), -d VENDOR:, in any combination."""
    try:
        options, _ = getopt.gnu_getopt(arguments, "Dnkvmqd:s:")
    except getopt.GetoptError as error:
        print(f"lspci: invalid option -- '{error.opt}'", file=sys.stderr)
        return 1
    flags = "".join(name[1:] for name, _ in options)
    wanted = dict(options)
    for slot, title, number, pci_id, name, driver in devices(world.read()):
        if not pci_id.startswith(wanted.get("-d", "").lower()) or not slot.endswith(wanted.get("-s", "")):
            continue
        place = slot if "D" in flags else slot.removeprefix("0000:")
        if flags.count("n") >= 2:
            print(f"{place} {title} [{number}]: {name} [{pci_id}] (rev a1)")
        elif "n" in flags:
            print(f"{place} {number}: {pci_id} (rev a1)")
        else:
            print(f"{place} {title}: {name} (rev a1)")
        if flags.count("k") and driver:
            print(f"\tKernel driver in use: {driver}")
        if "k" in flags and pci_id in GPUS and (modules := _modules()):
            print(f"\tKernel modules: {', '.join(modules)}")
    return 0


def _modules() -> list[str]:
    """The modules on disk that say that they drive NVIDIA's GPUs."""
    kernel = world.kernel()
    found = []
    for name in ("nouveau", "nvidia", "nvidia-current"):
        command = ["/sbin/modinfo", "-k", kernel, "-F", "filename", name]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            found.append(name.replace("-", "_"))
    return found


def uname(arguments: Sequence[str]) -> int:
    """The real one, with this host's kernel in place of the machine's."""
    real = _output("/bin/uname", "-r")
    done = subprocess.run(["/bin/uname", *arguments], stdout=subprocess.PIPE, text=True, check=False)
    print(done.stdout.replace(real, world.kernel()), end="")
    return done.returncode


def dmesg(_arguments: Sequence[str]) -> int:
    """The kernel's log since the host's boot."""
    print((world.RUN / "dmesg").read_text(), end="")
    return 0


def mokutil(arguments: Sequence[str]) -> int:
    """--sb-state."""
    if "--sb-state" not in arguments:
        print("Usage:\n  mokutil OPTIONS [ARGS...]")
        return 255
    print("SecureBoot enabled" if world.read().secure_boot else "SecureBoot disabled")
    return 0


def systemd_detect_virt(arguments: Sequence[str]) -> int:
    """This is a virtual machine of EC2's, not a container."""
    if any(argument in ("-c", "--container") for argument in arguments):
        print("none")
        return 1
    if not any(argument in ("-q", "--quiet") for argument in arguments):
        print("amazon")
    return 0


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

"""Print what the benchmark needs to know of a host, as JSON.

Arguments: the benchmark's folder, and the prefix of an environment that may have PyTorch, "" for none. Neither has to
exist. A third one, the root below which /dev, /proc and /sys are looked at, is "/" when left out.
"""

import importlib.util
import json
import platform
import re
import shutil
import sys
from pathlib import Path

NVIDIA, DISPLAY = "0x10de", "0x03"
"""PCI vendor of NVIDIA, and how the class of every display or 3D controller begins (pci.ids)."""


def text(path):
    """A small file's text without blanks around it; "" when it cannot be read."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def on_the_bus(device):
    """Whether a folder of /sys/bus/pci/devices is that of an NVIDIA graphics card."""
    return text(device / "vendor") == NVIDIA and text(device / "class").startswith(DISPLAY)


def model(information):
    """The GPU's name in a file /proc/driver/nvidia/gpus/*/information."""
    found = re.search(r"(?m)^Model:\s*(.+?)\s*$", text(information))
    return found.group(1) if found else "unknown"


root = Path(sys.argv[3] if len(sys.argv) > 3 else "/")
folder = Path(sys.argv[1])
while not folder.is_dir():
    folder = folder.parent
environment = Path(sys.argv[2]).resolve() if sys.argv[2] else None
found = sorted(environment.glob("lib/python3*/site-packages/torch-*.dist-info")) if environment else []
version = re.search(r"(?m)^NVRM version:.*?\s(\d+\.\d[\d.]*)\s", text(root / "proc/driver/nvidia/version"))
facts = {
    "python": ".".join(platform.python_version_tuple()[:2]),
    "machine": platform.machine(),
    "megabytes_free": shutil.disk_usage(folder).free // 1000000,
    "can_make_environments": importlib.util.find_spec("ensurepip") is not None,
    # Where the prefix really is (a rebuilt environment is another one), and its PyTorch's version; "" without PyTorch.
    "environment": str(environment) if found else "",
    "environment_torch": found[-1].name[len("torch-") : -len(".dist-info")] if found else "",
    # The card as the bus has it, driver or not; the loaded driver's version ("" for none) and the GPUs that it drives.
    "nvidia_cards": sum(map(on_the_bus, (root / "sys/bus/pci/devices").glob("*"))),
    "nvidia_device": (root / "dev/nvidia0").exists(),
    "nvidia_driver": version.group(1) if version else "",
    "nvidia_gpus": [model(file) for file in sorted((root / "proc/driver/nvidia/gpus").glob("*/information"))],
}
print(json.dumps(facts))

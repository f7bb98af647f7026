"""What host_probe.py finds of NVIDIA cards and driver, in made folders that look like a host's /dev, /proc and /sys."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from rehearsal.settings import ROOT

PROBE = ROOT / "roles/gpu_benchmark/files/host_probe.py"
VERSION = "NVRM version: NVIDIA UNIX {}  580.95.05  Release Build  (dvs-builder@U22)\nGCC version:  gcc version 13\n"


def put(root: Path, **files: str) -> None:
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def card(root: Path, slot: str, vendor: str = "0x10de", kind: str = "0x030200") -> None:
    put(root, **{f"sys/bus/pci/devices/{slot}/vendor": f"{vendor}\n", f"sys/bus/pci/devices/{slot}/class": f"{kind}\n"})


def driven(root: Path, slot: str, model: str) -> None:
    put(root, **{f"proc/driver/nvidia/gpus/{slot}/information": f"Model: \t\t {model}\nIRQ:   \t\t 35\n"})


def probe(root: Path) -> dict[str, Any]:
    """The probe's facts about NVIDIA, without the prefix."""
    done = subprocess.run([sys.executable, PROBE, "/", "", root], capture_output=True, text=True, check=True)
    return {name[7:]: value for name, value in json.loads(done.stdout).items() if name.startswith("nvidia_")}


def test_a_host_without_a_card(tmp_path: Path) -> None:
    card(tmp_path, "0000:00:03.0", vendor="0x1d0f", kind="0x030000")  # EC2's own display
    assert probe(tmp_path) == {"cards": 0, "device": False, "driver": "", "gpus": []}


def test_a_card_without_a_driver_is_still_seen(tmp_path: Path) -> None:
    card(tmp_path, "0000:00:1e.0")
    card(tmp_path, "0000:00:1e.1", kind="0x040300")  # its sound is no GPU
    assert probe(tmp_path) == {"cards": 1, "device": False, "driver": "", "gpus": []}


def test_driver_and_gpus_of_both_kinds_of_module(tmp_path: Path) -> None:
    for number, flavour in enumerate(("Open Kernel Module for x86_64", "x86_64 Kernel Module")):
        root = tmp_path / str(number)
        put(root, **{"dev/nvidia0": "", "proc/driver/nvidia/version": VERSION.format(flavour)})
        for slot in ("0000:00:1e.0", "0000:00:1f.0"):
            card(root, slot)
            driven(root, slot, "Tesla T4")
        found = {"cards": 2, "device": True, "driver": "580.95.05", "gpus": ["Tesla T4", "Tesla T4"]}
        assert probe(root) == found

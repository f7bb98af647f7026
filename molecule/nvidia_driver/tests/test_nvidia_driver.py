"""A module that was loaded before its packages were upgraded gives way to the one on disk; nothing else is touched."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import testinfra

SSH_CONFIG = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"]) / ".cache/molecule/nvidia_driver/ssh_config"


@pytest.fixture(scope="module")
def host() -> Any:
    return testinfra.get_host("ssh://nvidia-driver", ssh_config=str(SSH_CONFIG), sudo=True)


def test_module_on_disk_is_the_loaded_one(host: Any) -> None:
    loaded = host.check_output("cat /sys/module/nvidia/version")
    assert loaded == host.check_output("modinfo -F version nvidia-current")
    assert loaded == host.check_output("nvidia-smi --query-gpu=driver_version --format=csv,noheader")


def test_unified_memory_and_device_files_are_there(host: Any) -> None:
    assert {"nvidia", "nvidia_uvm"} <= {line.split()[0] for line in host.check_output("lsmod").splitlines()}
    for name in ("nvidia0", "nvidiactl", "nvidia-uvm"):
        host.check_output(f"test -c /dev/{name}")


def test_services_that_were_stopped_run_again(host: Any) -> None:
    assert host.service("nvidia-persistenced").is_running


def test_nothing_was_installed(host: Any) -> None:
    def packages(state: str) -> list[str]:
        # Without the first letter, what is wanted of a package: a repaired driver is held.
        return [line[1:] for line in state.splitlines() if line[1:4] == "i  "]

    before = packages(host.check_output("cat /run/before"))
    assert "nvidia-kernel-dkms" in " ".join(before)
    assert packages(host.check_output("gpu-stand-in state")) == before


def test_repaired_driver_is_held(host: Any) -> None:
    assert "nvidia-kernel-dkms" in host.check_output("apt-mark showhold").splitlines()

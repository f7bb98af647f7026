"""repair-drivers.yml on hosts with Debian's real NVIDIA packages and a stand-in GPU."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rehearsal import canary
from tests.driver.conftest import Host
from tests.playbooks.conftest import CANARIES

pytestmark = [pytest.mark.hosts, pytest.mark.slow]

Make = Callable[[str], Host]
LOADED = "cat /sys/module/nvidia/version"
LIBRARY = "basename $(realpath /usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1) | sed 's/.*[.]so[.]//'"


def assert_well(host: Host) -> None:
    """The driver works, and a further run changes nothing."""
    assert host.sh(LOADED) == host.sh(LIBRARY)
    assert host.run("nvidia-smi").returncode == 0
    assert host.play().ok().changed == {host.name: 0}


def assert_no_secret_is_told(host: Host, *outputs: str) -> None:
    """Talkative runs said nothing of the secrets that were at hand, and saved nothing of them as evidence."""
    assert all("module_args" in output for output in outputs), "not all runs were talkative"
    saved = [file.read_text(errors="replace") for file in host.evidence.rglob("*") if file.is_file()]
    assert saved
    secrets = canary.secrets(CANARIES, host.state, CANARIES["AWS_SESSION_TOKEN"])
    assert canary.told([*outputs, *saved], secrets) == []
    assert "PRIVATE KEY" not in "".join([*outputs, *saved])


def test_no_gpu_is_nothing_to_repair(host: Make) -> None:
    machine = host("bare")
    machine.sh("gpu-stand-in gpus")
    before = machine.changeable()
    run = machine.play().ok()
    assert run.changed == {machine.name: 0}
    assert "no NVIDIA GPU" in run.flat
    assert machine.changeable() == before


def test_check_mode_tells_and_changes_nothing(host: Make) -> None:
    machine = host("packages")
    machine.sh("gpu-stand-in loaded 470.256.02")
    before = machine.changeable()
    run = machine.play("--check").ok()
    assert "stale_loaded_module" in run.flat
    assert "reload_modules" in run.flat
    assert machine.changeable() == before


def test_process_that_holds_the_gpu_is_named_and_not_ended(host: Make) -> None:
    machine = host("packages")
    machine.sh("gpu-stand-in loaded 470.256.02; systemd-run --quiet --unit training gpu-stand-in hold")
    pid = machine.sh("systemctl show --property MainPID --value training").strip()
    run = machine.play("-vvv", **CANARIES)
    assert run.code != 0, run.output
    assert f"Process {pid} (" in run.flat
    assert "nvidia_driver_allow_reboot=true" in run.flat
    assert machine.sh(LOADED) == "470.256.02\n"
    assert machine.sh("systemctl is-active training nvidia-persistenced") == "active\nactive\n"
    before = machine.boot()
    mended = machine.play("-vvv", "--extra-vars=nvidia_driver_allow_reboot=true", **CANARIES).ok()
    assert machine.boot() != before
    assert_well(machine)
    assert_no_secret_is_told(machine, run.output, mended.output)


def test_libraries_that_were_removed_come_back_in_the_module_s_version(host: Make) -> None:
    machine = host("packages")
    machine.sh("apt-mark hold nvidia-kernel-dkms; apt-get -qy remove libnvidia-ml1 libcuda1")
    module = machine.sh(LOADED)
    assert machine.run("nvidia-smi").returncode != 0
    run = machine.play().ok()
    assert "userspace_missing" in run.flat
    assert machine.sh(LOADED) == module
    assert "nvidia-kernel-dkms" in machine.sh("apt-mark showhold")
    assert_well(machine)


def test_module_that_is_not_on_disk_is_built_again(host: Make) -> None:
    machine = host("packages")
    machine.sh(
        "systemctl stop nvidia-persistenced; rmmod nvidia_drm nvidia_modeset nvidia_uvm nvidia;"
        "dkms uninstall nvidia-current/535.309.01 -k $(uname -r)"
    )
    run = machine.play().ok()
    assert "module_missing" in run.flat
    assert_well(machine)


def test_headers_that_are_missing_are_installed_first(host: Make) -> None:
    machine = host("packages")
    machine.sh(
        "systemctl stop nvidia-persistenced; rmmod nvidia_drm nvidia_modeset nvidia_uvm nvidia;"
        "dkms remove nvidia-current/535.309.01 --all; dkms add nvidia-current/535.309.01;"
        "apt-get -qy remove linux-headers-cloud-amd64 linux-headers-$(uname -r)"
    )
    run = machine.play().ok()
    assert "headers_missing" in run.flat
    assert machine.sh("ls -d /lib/modules/$(uname -r)/build/")
    assert_well(machine)

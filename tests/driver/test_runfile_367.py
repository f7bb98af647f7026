"""repair-drivers.yml installs 367.57 as the page says, on a host whose packages do not drive its GPU.

The host has a (stand-in) GRID K520 and Debian's real 535 packages, which ended support for it: the recipe's case. The
runfile is a stand-in that does what NVIDIA's does, in its order: see runfile.py.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.driver import runfiles
from tests.driver.conftest import Host
from tests.driver.runfiles import Runfile

pytestmark = [pytest.mark.hosts, pytest.mark.slow]

Make = Callable[[str], Host]
K520 = "gpu-stand-in gpus 10de:118a"
PACKAGED = "dpkg -l 'nvidia-*' 'libnvidia-*' libcuda1 | grep ^ii || true"


def arguments(runfile: Runfile, sha256: str = "") -> list[str]:
    """What a user types for a file that is at hand."""
    chosen = {
        "nvidia_driver_version": "367.57",
        "nvidia_driver_runfile_path": str(runfile.path),
        "nvidia_driver_runfile_sha256": sha256 or runfile.sha256,
        "nvidia_driver_runfile_size": str(runfile.size),
    }
    return [f"--extra-vars={name}={value}" for name, value in chosen.items()]


def assert_installed(host: Host, runfile: Runfile) -> None:
    """367.57 is loaded, complete, kept, and left alone by a further run."""
    assert host.sh("cat /sys/module/nvidia/version") == "367.57\n"
    assert host.sh("nvidia-smi --query-gpu=driver_version --format=csv,noheader") == "367.57\n"
    assert host.sh("dkms status").startswith(f"nvidia/367.57, {host.sh('uname -r').strip()}, x86_64: installed")
    left = host.sh(PACKAGED)
    assert "nvidia-kernel-dkms" not in left
    assert "libcuda1" not in left
    assert host.play(*arguments(runfile)).ok().changed == {host.name: 0}


def test_packages_give_way_to_the_runfile(host: Make, runfile: Runfile) -> None:
    machine = host("packages")
    machine.sh(K520)
    assert machine.run("nvidia-smi").returncode == 9
    run = machine.play(*arguments(runfile)).ok()
    assert "legacy_gpu" in run.flat
    assert_installed(machine, runfile)
    assert "-1" in machine.sh("cat /etc/apt/preferences.d/gpulab-nvidia")


def test_headers_are_installed_before_anything_is_removed(host: Make, runfile: Runfile) -> None:
    machine = host("packages")
    machine.sh(f"{K520}; apt-get -qy remove linux-headers-cloud-amd64 linux-headers-$(uname -r)")
    machine.play(*arguments(runfile)).ok()
    assert_installed(machine, runfile)


def test_kernel_too_new_leaves_everything(host: Make) -> None:
    machine = host("packages")
    machine.sh(K520)
    before = machine.packages()
    run = machine.play(*arguments(runfiles.ensure("367.57", "4.8")))
    assert run.code != 0, run.output
    assert "get_user_pages" in run.flat
    assert machine.packages() == before
    assert machine.run("test -e /var/log/nvidia-installer.log").returncode == 1


def test_wrong_checksum_leaves_everything(host: Make, runfile: Runfile) -> None:
    machine = host("packages")
    machine.sh(K520)
    before = machine.packages()
    run = machine.play(*arguments(runfile, sha256="0" * 64))
    assert run.code != 0, run.output
    assert runfile.sha256 in run.flat
    assert machine.packages() == before
    assert machine.run("test -e /var/log/nvidia-installer.log").returncode == 1


def test_killed_after_the_removal_is_finished_by_the_next_run(host: Make, runfile: Runfile) -> None:
    machine = host("packages")
    machine.sh(K520)
    gone = "test ! -e /var/lib/dpkg/info/nvidia-kernel-dkms.list && ! pgrep -x 'dpkg|apt-get'"
    machine.play_until(lambda: machine.run(gone).returncode == 0, *arguments(runfile))
    assert machine.run("test -e /lib/modules/*/updates/dkms/nvidia.ko").returncode == 1
    machine.power_cycle()
    machine.play(*arguments(runfile)).ok()
    assert_installed(machine, runfile)

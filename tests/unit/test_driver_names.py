"""driver_names: which packages are a driver, and which versions their names speak of. The names are real."""

from __future__ import annotations

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import driver_names as names

DRIVER = """
    nvidia-kernel-dkms nvidia-kernel-support nvidia-kernel-common nvidia-alternative nvidia-legacy-check
    nvidia-smi nvidia-driver libcuda1 libnvidia-ml1 libnvidia-ptxjitcompiler1 libnvcuvid1 libegl-nvidia0
    libgl1-nvidia-glvnd-glx nvidia-cuda-mps firmware-nvidia-gsp firmware-nvidia-tesla-535-gsp
    glx-alternative-nvidia nvidia-persistenced nvidia-installer-cleanup nvidia-tesla-470-kernel-dkms
    libnvidia-tesla-470-cuda1 xserver-xorg-video-nvidia-tesla-470 nvidia-open-kernel-dkms
    nvidia-headless-535-server nvidia-dkms-535-server nvidia-kernel-source-535-server
    nvidia-compute-utils-535-server nvidia-utils-535 libnvidia-compute-535 libnvidia-compute-535:i386
    nvidia-driver-570-server-open nvidia-firmware-535-535.183.01 linux-modules-nvidia-535-server-aws
    linux-objects-nvidia-535-6.8.0-1015-aws xserver-xorg-video-nvidia-535 nvidia-367 libcuda1-367
    nvidia-opencl-icd-367 nvidia-340 cuda-drivers cuda-drivers-535 cuda-drivers-fabricmanager-535
    nvidia-fabricmanager-535 nvidia-open-595 nvidia-open kmod-nvidia-open-dkms xorg-x11-drv-nvidia-cuda
"""
KEPT = """
    nvidia-container-toolkit nvidia-container-toolkit-base nvidia-container-runtime libnvidia-container1 nvidia-docker2
    libnvidia-container-tools nvidia-cuda-toolkit nvidia-cuda-dev nvidia-modprobe nvidia-settings nvidia-prime
    cuda-toolkit-12-4 cuda-runtime-12-4 cuda-compat-12-4 libnvidia-ml-dev nvidia-detect
"""
OTHERS = (
    "linux-headers-amd64 linux-image-cloud-amd64 firmware-nvidia-graphics dkms libcudart12 xserver-xorg-video-nouveau"
)


@pytest.mark.parametrize("name", DRIVER.split())
def test_parts_of_a_driver(name):
    assert names.is_driver(name)
    assert not names.is_kept(name)


@pytest.mark.parametrize("name", KEPT.split())
def test_what_works_with_any_driver(name):
    assert not names.is_driver(name)
    assert names.is_kept(name)


@pytest.mark.parametrize("name", OTHERS.split(" "))
def test_what_is_neither(name):
    assert not names.is_driver(name)
    assert not names.is_kept(name)


def test_debians_settings_go_with_what_they_depend_on():
    assert names.is_driver("nvidia-settings", ["nvidia-alternative"])
    assert not names.is_driver("nvidia-settings", ["nvidia-driver-535"])


@pytest.mark.parametrize(
    ("status", "there"),
    [(status, True) for status in ("ii", "iF", "iU", "iH", "hi", "rF", "iHR", "", None)]
    + [(status, False) for status in ("rc", "un", "pn")],
)
def test_installed_is_what_has_files_on_the_host(status, there):
    assert names.installed({"name": "nvidia-smi", "version": "1", "status": status}) is there


def test_the_hosts_own_architecture_is_not_written_another_one_is():
    assert [names.bare(name) for name in ("libcuda1:amd64", "libcuda1:i386", "libcuda1")] == [
        "libcuda1",
        "libcuda1:i386",
        "libcuda1",
    ]


@pytest.mark.parametrize(
    ("version", "driver"),
    [
        ("535.309.01-1~deb12u1", "535.309.01"),
        ("570.133.20-0ubuntu0.22.04.1", "570.133.20"),
        ("1:470.256.02-1", "470.256.02"),
        ("367.57-0ubuntu0.14.04.1", "367.57"),
        ("20220217+3~deb12u1", ""),
        ("1.2.2", ""),
        ("<none>", ""),
        (None, ""),
    ],
)
def test_the_driver_version_in_a_package_version(version, driver):
    assert names.upstream(version) == driver


@pytest.mark.parametrize(
    ("name", "branch"),
    [
        ("nvidia-tesla-470-smi", "470"),
        ("nvidia-driver-535-server-open", "535"),
        ("libcuda1-367", "367"),
        ("nvidia-367", "367"),
        ("nvidia-legacy-390xx-driver", "390"),
        ("libnvidia-compute-535:i386", "535"),
        ("nvidia-firmware-535-535.183.01", "535"),
        ("libcuda1", ""),
        ("nvidia-kernel-dkms", ""),
    ],
)
def test_the_branch_in_a_package_name(name, branch):
    assert names.named_branch(name) == branch


@pytest.mark.parametrize(
    ("name", "version", "coupled"),
    [
        ("libcuda1", "535.309.01-1", True),
        ("nvidia-dkms-535-server", "535.183.01-0ubuntu1", True),
        ("nvidia-firmware-535-535.183.01", "535.183.01-0ubuntu1", True),
        ("nvidia-firmware-535-535.183.01", "535.288.01-0ubuntu1", False),
        ("nvidia-persistenced", "535.171.04-1", False),
        ("nvidia-modprobe", "535.161.07-1", False),
        ("nvidia-kernel-common", "20220217+3", False),
        ("nvidia-fabricmanager-535", "535.183.01-1", False),
        ("linux-modules-nvidia-535-server-aws", "6.8.0-1015.17", False),
    ],
)
def test_which_packages_have_the_drivers_version(name, version, coupled):
    assert names.is_coupled({"name": name, "version": version}) is coupled


@pytest.mark.parametrize("desktop", [True, False])
@pytest.mark.parametrize("flavour", ["open", "proprietary"])
def test_every_way_to_ask_for_a_driver_is_made_of_driver_packages_of_that_kind(flavour, desktop):
    sets = names.package_sets("595", flavour, desktop)
    assert [name for wanted in sets for name in wanted if not names.is_driver(name)] == []
    assert all(("open" in wanted[0]) == (flavour == "open") for wanted in sets)
    assert names.is_desktop(sets[0][0]) is desktop

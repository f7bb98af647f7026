"""driver_plan: what goes, what stays, what comes, on hosts of each kind. The names are those of real package lists."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import driver_catalogue as catalogue
from ansible_collections.gpulab.core.plugins.module_utils import driver_names, driver_plan


def words(text: str) -> list[str]:
    return text.split()


KERNEL = "6.1.0-56-cloud-amd64"
# Debian 12: nvidia-kernel-dkms, nvidia-smi and libcuda1 without recommendations, and what they bring.
DEBIAN_535 = words(
    "firmware-nvidia-gsp libcuda1 libnvidia-ml1 libnvidia-ptxjitcompiler1 nvidia-alternative nvidia-kernel-dkms "
    "nvidia-kernel-support nvidia-legacy-check nvidia-smi"
)
DEBIAN_HELPERS = {
    "glx-alternative-nvidia": "1.2.2",
    "nvidia-installer-cleanup": "20220217+3~deb12u1",
    "nvidia-kernel-common": "20220217+3~deb12u1",
    "nvidia-modprobe": "535.161.07-1~deb12u1",
    "nvidia-persistenced": "535.171.04-1~deb12u1",
}
FULL = "535.309.01-1~deb12u1"
DEBIAN_OFFER = {
    **dict.fromkeys([*DEBIAN_535, "nvidia-driver", "nvidia-open-kernel-dkms"], FULL),
    **dict.fromkeys(["nvidia-tesla-470-kernel-dkms", "nvidia-tesla-470-driver"], "470.256.02-1~deb12u1"),
    "nvidia-tesla-535-kernel-dkms": "535.216.03-3~deb12u1",
    "nvidia-modprobe": "535.161.07-1~deb12u1",
    "nvidia-persistenced": "535.171.04-1~deb12u1",
}
UBUNTU_535 = words(
    "nvidia-headless-535-server nvidia-dkms-535-server nvidia-kernel-source-535-server nvidia-kernel-common-535-server "
    "nvidia-utils-535-server nvidia-compute-utils-535-server libnvidia-compute-535-server"
)


def packages(versions: dict[str, str], status: str = "ii") -> list[dict[str, str]]:
    return [{"name": name, "version": version, "status": status} for name, version in versions.items()]


def state(versions: dict[str, str] | None = None, os: str = "debian", **more: Any) -> dict[str, Any]:
    return {"kernel": KERNEL, "os": {"id": os, "version": "12"}, "packages": packages(versions or {}), **more}


def planned(host: dict[str, Any], wanted: str = "auto", device: str = "1eb8", method: str = "auto") -> dict[str, Any]:
    return driver_plan.plan(host, catalogue.choose(wanted, [device]), method)


# What goes and what stays


def test_the_driver_goes_and_what_works_with_any_driver_stays():
    versions = {
        **dict.fromkeys(DEBIAN_535, FULL),
        **DEBIAN_HELPERS,
        "nvidia-container-toolkit": "1.17.8-1",
        "dkms": "3.0",
    }
    plan = planned(state(versions))
    assert plan["remove"] == sorted({*DEBIAN_535, *DEBIAN_HELPERS} - {"nvidia-modprobe"})
    assert plan["keep"] == ["nvidia-container-toolkit", "nvidia-modprobe"]


@pytest.mark.parametrize(("status", "there"), [("ii", True), ("iF", True), ("hi", True), ("rc", False), ("un", False)])
def test_only_what_has_files_on_the_host_is_removed(status, there):
    host = state()
    host["packages"] = packages({"nvidia-smi": FULL}, status)
    assert planned(host)["remove"] == (["nvidia-smi"] if there else [])


def test_nothing_installed_is_an_empty_list_and_no_error():
    plan = driver_plan.plan({}, catalogue.choose("367.57", ["118a"]))
    assert (
        plan["remove"] == plan["keep"] == plan["reinstall"] == plan["install"] == plan["hold"] == plan["headers"] == []
    )
    assert plan["reinstall_version"] == ""


def test_debians_settings_go_with_what_they_depend_on():
    assert planned(state({"nvidia-settings": "535.247.01-1", "nvidia-alternative": FULL}))["remove"] == [
        "nvidia-alternative",
        "nvidia-settings",
    ]


def test_the_hosts_own_architecture_is_not_written_another_one_is():
    assert planned(state({"libcuda1:amd64": FULL, "libcuda1:i386": FULL}))["remove"] == ["libcuda1", "libcuda1:i386"]


# The same version again


def test_debian_packages_are_reinstalled_at_one_version_helpers_apart():
    versions = {**dict.fromkeys(DEBIAN_535, FULL), **DEBIAN_HELPERS}
    plan = planned(state(versions, candidates=DEBIAN_OFFER))
    assert plan["reinstall"] == [f"{name}={FULL}" for name in sorted(DEBIAN_535)]
    assert plan["reinstall_version"] == "535.309.01"
    assert plan["hold"] == sorted(DEBIAN_535)


def test_one_library_that_ran_ahead_brings_all_to_what_apt_offers():
    old, new = "535.183.01-0ubuntu0.22.04.1", "535.288.01-0ubuntu0.22.04.1"
    versions = {**dict.fromkeys(UBUNTU_535, old), "libnvidia-compute-535-server": new}
    plan = planned(state(versions, "ubuntu", candidates=dict.fromkeys(UBUNTU_535, new)))
    assert plan["reinstall"] == [f"{name}={new}" for name in sorted(UBUNTU_535)]
    assert planned(state(versions, "ubuntu"))["reinstall_version"] == "535.183.01"


def test_a_package_without_an_offer_takes_the_version_of_the_others():
    versions = dict.fromkeys(DEBIAN_535, "535.261.03-1")
    offer = {name: FULL for name in DEBIAN_535 if name != "libnvidia-ptxjitcompiler1"}
    assert "libnvidia-ptxjitcompiler1=" + FULL in planned(state(versions, candidates=offer))["reinstall"]


def test_the_chosen_version_is_taken_when_every_package_can_have_it():
    chosen, other = "595.84-0ubuntu1", "595.80-0ubuntu1"
    versions = {"nvidia-driver-595-server": other, "nvidia-dkms-595-server": other}
    assert (
        planned(state(versions, "ubuntu", candidates=dict.fromkeys(versions, chosen)))["reinstall_version"] == "595.84"
    )


def test_left_overs_of_another_branch_are_not_brought_along():
    versions = {
        **dict.fromkeys(UBUNTU_535, "535.183.01-0ubuntu1"),
        "libnvidia-compute-470-server": "470.256.02-0ubuntu1",
    }
    plan = planned(state(versions, "ubuntu"))
    assert plan["reinstall"] == [f"{name}=535.183.01-0ubuntu1" for name in sorted(UBUNTU_535)]
    assert "libnvidia-compute-470-server" in plan["remove"]


# Another driver


@pytest.mark.parametrize(
    ("wanted", "device", "method", "way", "install"),
    [
        # Debian's 535 has ended, but drives a T4: the host's own packages come before any installer.
        ("auto", "1eb8", "auto", "packages", ["nvidia-kernel-dkms", "nvidia-smi", "libcuda1"]),
        ("auto", "118a", "auto", "packages", ["nvidia-tesla-470-kernel-dkms", "nvidia-tesla-470-smi"]),
        ("470", "1eb8", "auto", "packages", ["nvidia-tesla-470-kernel-dkms", "nvidia-tesla-470-smi"]),
        ("535.216.03", "1eb8", "auto", "packages", ["nvidia-tesla-535-kernel-dkms", "nvidia-tesla-535-smi"]),
        ("auto", "2901", "auto", "runfile", []),
        ("580", "1eb8", "auto", "runfile", []),
        ("367.57", "118a", "auto", "runfile", []),
        ("535.309.01", "1eb8", "runfile", "runfile", []),
    ],
)
def test_how_a_debian_host_gets_a_driver(wanted, device, method, way, install):
    plan = planned(state(candidates=DEBIAN_OFFER), wanted, device, method)
    assert (plan["method"], plan["blocked"], plan["refused"], plan["no_installer"]) == (way, None, None, None)
    assert [item.split("=")[0] for item in plan["install"]][: len(install)] == install
    assert {driver_names.upstream(item.split("=")[1]) for item in plan["install"]} <= {plan["version"]}
    assert (plan["installer"] is not None) == (way == "runfile")
    assert catalogue.branch_problem(device, plan["version"], plan["flavour"] == "open") is None


def test_what_the_host_offers_instead_of_the_choice_is_said():
    plan = planned(state(candidates=DEBIAN_OFFER))
    assert (plan["version"], plan["branch"], plan["flavour"]) == ("535.309.01", "535", "proprietary")
    assert "595.84" in plan["sentence"]
    assert "offer 535.309.01 (ended 2026-06)" in plan["sentence"]


def test_a_suitable_driver_is_not_replaced_by_itself_or_an_older_one():
    plan = planned(state(dict.fromkeys(DEBIAN_535, FULL), candidates=DEBIAN_OFFER))
    assert (plan["method"], plan["version"]) == ("runfile", "595.84")
    half = state(candidates=DEBIAN_OFFER)
    half["packages"] = packages(dict.fromkeys(DEBIAN_535, FULL), "iF")
    assert planned(half)["version"] == "535.309.01"


@pytest.mark.parametrize(
    ("installed", "install"),
    [
        ({}, ["nvidia-headless-595-server-open=595.84-0ubuntu1", "nvidia-utils-595-server=595.84-0ubuntu1"]),
        ({"nvidia-driver-535": "535.183.01-0ubuntu1"}, ["nvidia-driver-595-server-open=595.84-0ubuntu1"]),
    ],
)
def test_ubuntu_gets_the_names_of_the_kind_it_has(installed, install):
    names = (
        "nvidia-headless-595-server-open nvidia-utils-595-server nvidia-driver-595-server-open nvidia-driver-595-open"
    )
    offer = dict.fromkeys(words(names), "595.84-0ubuntu1")
    assert planned(state(installed, "ubuntu", candidates=offer))["install"] == install


def test_nvidias_own_repository_is_understood():
    offer = {"cuda-drivers-580": "580.173.02-1", "nvidia-open-580": "580.173.02-1", "nvidia-open": "610.43.02-1"}
    assert planned(state(candidates=offer), device="1db1")["install"] == ["cuda-drivers-580=580.173.02-1"]
    assert planned(state(candidates=offer), device="2901")["install"] == ["nvidia-open-580=580.173.02-1"]


def test_an_installation_by_installer_stays_one():
    plan = planned(state({}, candidates=DEBIAN_OFFER, runfile_installed=True))
    assert (plan["method"], plan["version"], plan["install"]) == ("runfile", "595.84", [])
    assert plan["installer"]["file"] == "NVIDIA-Linux-x86_64-595.84.run"
    assert "clash" in planned(state({}, candidates=DEBIAN_OFFER, runfile_installed=True), method="packages")["blocked"]


def test_the_pages_recipe_on_a_host_of_its_time():
    old = {
        "nvidia-375": "375.66-0ubuntu0.14.04.1",
        "libcuda1-375": "375.66-0ubuntu0.14.04.1",
        "nvidia-docker": "1.0.1-1",
    }
    host = {**state(old, "ubuntu"), "kernel": "4.4.0-59-generic"}
    plan = planned(host, "367.57", "118a")
    assert (plan["method"], plan["version"], plan["flavour"]) == ("runfile", "367.57", "proprietary")
    assert plan["installer"]["size"] == 77127324
    assert plan["remove"] == ["libcuda1-375", "nvidia-375"]
    assert plan["keep"] == ["nvidia-docker"]
    assert plan["headers"] == ["linux-headers-4.4.0-59-generic"]
    assert plan["extra_modules"] == ["linux-image-extra-4.4.0-59-generic"]
    assert "trial build" not in plan["sentence"]
    assert "Linux 4.8, this is 6.1" in planned(state(), "367.57", "118a")["sentence"]


@pytest.mark.parametrize(
    ("host", "wanted", "method", "key", "words"),
    [
        (state(), "580", "packages", "blocked", "No package source of this host offers driver 580"),
        (state(os="rocky"), "580", "packages", "blocked", "method runfile"),
        (state({"nvidia-driver": "580.95.05"}, "rocky"), "580", "auto", "blocked", "Remove nvidia-driver first"),
        (state(), "595", "auto", "refused", "its last branch is 470"),
        (state(), "470.1", "auto", "no_installer", "no installer 470.1 for x86_64"),
    ],
)
def test_what_is_not_possible_is_said_in_a_sentence(host, wanted, method, key, words):
    plan = planned(host, wanted, "102d" if wanted in ("595", "470.1") else "1eb8", method)
    assert words in plan[key]
    assert [other for other in ("refused", "blocked", "no_installer") if plan[other]] == [key]


def test_there_is_no_installer_for_another_machine():
    choice = catalogue.choose("auto", ["1eb4"], machine="aarch64")
    plan = driver_plan.plan(state(), choice)
    assert plan["installer"] is None
    assert "for aarch64" in plan["no_installer"]


# Kernels and the fabric manager


@pytest.mark.parametrize(
    ("os", "kernel", "headers", "extra"),
    [
        ("debian", KERNEL, "linux-headers-" + KERNEL, []),
        ("ubuntu", "6.8.0-1015-aws", "linux-headers-6.8.0-1015-aws", ["linux-modules-extra-6.8.0-1015-aws"]),
        ("ubuntu", "4.13.0-16-generic", "linux-headers-4.13.0-16-generic", ["linux-image-extra-4.13.0-16-generic"]),
        ("amzn", "6.1.119-129.amzn2023.x86_64", "kernel-devel-6.1.119-129.amzn2023.x86_64", []),
    ],
)
def test_headers_and_extra_modules_are_the_running_kernels(os, kernel, headers, extra):
    plan = planned({**state(os=os), "kernel": kernel})
    assert (plan["headers"], plan["extra_modules"]) == ([headers], extra)


@pytest.mark.parametrize(
    ("device", "count", "offer", "expected"),
    [
        ("2330", 8, "570.133.20-1", ["nvidia-fabricmanager-570=570.133.20-1"]),
        ("2330", 8, "570.211.01-1", ["nvidia-fabricmanager-570=570.133.20*"]),
        ("2330", 1, "570.133.20-1", []),
        ("1eb8", 4, "570.133.20-1", []),
    ],
)
def test_the_fabric_manager_is_exactly_the_drivers_version(device, count, offer, expected):
    gpus = [{"address": f"0000:0{n}:00.0", "id": device, "driver": "nvidia"} for n in range(count)]
    kernels = [{"name": KERNEL, "build": True, "nvidia": "570.133.20"}]
    host = state(os="ubuntu", gpus=gpus, kernels=kernels, candidates={"nvidia-fabricmanager-570": offer})
    assert planned(host, device=device)["fabric_manager"] == expected


def test_an_installed_fabric_manager_is_matched_and_held_but_not_reinstalled_with_the_driver():
    versions = {"nvidia-fabricmanager-535": "535.183.01-1", "nvidia-dkms-535-server": "535.288.01-0ubuntu1"}
    plan = planned(state(versions, "ubuntu"))
    assert plan["fabric_manager"] == ["nvidia-fabricmanager-535=535.288.01*"]
    assert plan["reinstall"] == ["nvidia-dkms-535-server=535.288.01-0ubuntu1"]
    assert plan["hold"] == ["nvidia-dkms-535-server", "nvidia-fabricmanager-535"]

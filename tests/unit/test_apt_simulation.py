"""What a simulation of apt says, and what is refused because of it."""

from __future__ import annotations

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import apt_simulation

# `apt-get --simulate install nvidia-driver-libs libcuda1=… nvidia-smi-` of Debian 12's apt 2.6.1, shortened.
SIMULATED = """\
Reading package lists...
The following packages will be REMOVED:
  nvidia-smi python3-pycuda
The following NEW packages will be installed:
  nvidia-kernel-common
Remv python3-pycuda [2022.1~dfsg-2+b1]
Remv nvidia-smi [535.261.03-1~deb12u1]
Inst libcuda1 [535.247.01-1~deb12u1] (535.261.03-1~deb12u1 Debian:12.12/oldstable [amd64])
Inst libnvidia-ml1:i386 [535.261.03-1~deb12u1] (535.261.03-1~deb12u1 Debian:12.12/oldstable [i386]) []
Inst nvidia-kernel-common (20220217+3~deb12u1 Debian:12.12/oldstable [amd64])
Conf libcuda1 (535.261.03-1~deb12u1 Debian:12.12/oldstable [amd64])
"""
DRIVER = ["nvidia-*", "libnvidia-*", "libcuda1*"]


def changes(*removed: str) -> apt_simulation.Changes:
    return apt_simulation.Changes({}, {}, list(removed))


def test_simulation_is_read() -> None:
    found = apt_simulation.parse(SIMULATED)
    assert found.removed == ["python3-pycuda", "nvidia-smi"]
    assert found.installed == {"nvidia-kernel-common": "20220217+3~deb12u1"}
    assert found.replaced == {
        "libcuda1": ("535.247.01-1~deb12u1", "535.261.03-1~deb12u1"),
        "libnvidia-ml1": ("535.261.03-1~deb12u1", "535.261.03-1~deb12u1"),
    }


def test_package_that_is_removed_and_installed_stays() -> None:
    text = "Remv libcuda1:i386 [1-1]\nInst libcuda1 (1-1 Debian [amd64])\n"
    assert apt_simulation.parse(text).removed == []


@pytest.mark.parametrize("text", ["", "Reading package lists...\nE: nothing", "Inst", "Remv \n"])
def test_what_says_nothing_changes_nothing(text: str) -> None:
    assert apt_simulation.parse(text) == apt_simulation.Changes({}, {}, [])


def test_what_is_to_be_kept_is_never_removed() -> None:
    told = apt_simulation.objection(
        changes("nvidia-smi", "nvidia-container-toolkit"), ["nvidia-*"], ["nvidia-container-*"]
    )
    assert told is not None
    assert "nvidia-container-toolkit" in told
    assert "nvidia-smi" not in told


def test_what_does_not_belong_to_the_driver_goes_only_if_it_may() -> None:
    told = apt_simulation.objection(changes("nvidia-smi", "python3-pycuda"), DRIVER, [])
    assert told is not None
    assert "python3-pycuda" in told
    assert "nvidia_driver_may_remove" in told
    assert apt_simulation.objection(changes("nvidia-smi", "python3-pycuda"), [*DRIVER, "python3-pycuda"], []) is None


def test_driver_alone_may_go() -> None:
    assert (
        apt_simulation.objection(changes("nvidia-smi", "libcuda1", "libcuda1-i386"), DRIVER, ["cuda-toolkit*"]) is None
    )
    assert apt_simulation.objection(changes(), [], []) is None


def test_long_lists_are_cut() -> None:
    told = apt_simulation.objection(changes(*(f"other{n}" for n in range(9))), DRIVER, [])
    assert told is not None
    assert "other5 and 3 more" in told


def test_failure_is_told_by_its_error_lines() -> None:
    text = "Reading package lists...\nE: Unable to locate package linux-headers-6.1.0-1\nE: Couldn't find any package\n"
    assert apt_simulation.error_of(text).startswith("E: Unable to locate package linux-headers-6.1.0-1 E: Couldn't")
    assert apt_simulation.error_of("one\ntwo\n") == "two"
    assert apt_simulation.error_of("") == ""


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("E: Unable to locate package nvidia-smi", False),
        ("E: Version '535.1-1' for 'nvidia-smi' was not found", False),
        ("E: Package 'nvidia-smi' has no installation candidate", False),
        ("E: Could not get lock /var/lib/dpkg/lock-frontend.", True),
        ("E: Unmet dependencies. Try 'apt --fix-broken install'", True),
    ],
)
def test_lists_are_fetched_again_only_for_what_apt_does_not_know(text: str, known: bool) -> None:
    assert apt_simulation.missing(text) is not known


def test_holds_of_others_are_respected() -> None:
    held = apt_simulation.changed(apt_simulation.parse(SIMULATED)) & {"libcuda1", "python3-pycuda", "linux-image-amd64"}
    told = apt_simulation.hold_objection(held, DRIVER)
    assert told is not None
    assert "python3-pycuda" in told
    assert "libcuda1" not in told
    assert "linux-image" not in told
    assert apt_simulation.hold_objection({"libcuda1"}, DRIVER) is None


def test_failure_to_fetch_is_told_from_one_half_way() -> None:
    assert apt_simulation.not_fetched(
        "Err:1 x\nE: Failed to fetch file:/srv/a.deb  File not found\nE: Unable to fetch some\n"
    )
    assert not apt_simulation.not_fetched(
        "dpkg: error processing package nvidia-kernel-dkms (--configure):\nE: Sub-process"
    )


def test_what_is_missing_is_named_for_apt() -> None:
    # apt 2.6.1 with libnvidia-ml1 and dkms taken away by force.
    text = """\
The following packages have unmet dependencies:
 nvidia-smi : Depends: libnvidia-ml1 (= 535.309.01-0+deb12u1) but it is not going to be installed
 nvidia-kernel-dkms : Depends: dkms (>= 2.0) but it is not installed
                      Depends: nvidia-support but it is not installed
 nvidia-alternative : PreDepends: libc6:amd64 (>= 9) but 2.36-9 is installed
E: Unmet dependencies. Try 'apt --fix-broken install' with no packages (or specify a solution).
"""
    assert apt_simulation.unmet(text) == ["dkms", "libnvidia-ml1=535.309.01-0+deb12u1", "nvidia-support"]
    assert apt_simulation.unmet("E: Unable to locate package x") == []

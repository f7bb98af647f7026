"""What the role does next: repairs, refusals, and the guards that end a run."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import driver_attempt
from ansible_collections.gpulab.core.plugins.module_utils.driver_repairs import REPAIRS

KERNEL = "6.1.0-40-cloud-amd64"


def info(
    verdict: str,
    on_disk: str | None = "535.261.03",
    userspace: str | None = "535.261.03",
    runfile: bool = False,
    **plan: Any,
) -> dict[str, Any]:
    """A result of nvidia_driver_info with the usual repair of a verdict."""
    usual = REPAIRS[verdict]
    return {
        "evidence": {
            "compiler.txt": "gcc (Debian) 12\nLinux version 6.1 (x@y) (gcc-12 (Debian 12.2.0-14) 12.2.0, GNU ld)"
        },
        "diagnosis": {
            "verdict": verdict,
            "sentence": f"It is {verdict}.",
            "repair": usual.sentence,
            "actions": list(usual.actions),
        },
        "versions": {"loaded": None, "on_disk": on_disk, "userspace": userspace},
        "state": {
            "kernel": KERNEL,
            "kernels": [{"name": KERNEL, "build": True, "nvidia": on_disk}],
            "packages": [
                {"name": "linux-image-cloud-amd64", "version": "6.1", "status": "ii"},
                {"name": "nvidia-kernel-dkms", "version": "535.261.03-1", "status": "ii"},
            ],
            "candidates": {"libcuda1": "535.261.03-1"},
            "dkms": [{"module": "nvidia-current", "version": "535.261.03", "kernel": KERNEL, "state": "installed"}],
            "runfile_installed": runfile,
        },
        "plan": {
            "method": "packages",
            "refused": None,
            "blocked": None,
            "no_installer": None,
            "reinstall": ["nvidia-kernel-dkms=535.261.03-1"],
            "reinstall_version": "535.261.03",
            **plan,
        },
    }


def attempts(*verdicts: str, rebooted: bool = False) -> list[dict[str, Any]]:
    return [{"verdict": verdict, "rebooted": rebooted} for verdict in verdicts]


@pytest.mark.parametrize("verdict", sorted(REPAIRS))
def test_every_verdict_is_repaired_as_the_diagnosis_says_or_left_alone_or_refused(verdict: str) -> None:
    found = driver_attempt.decide(info(verdict), "auto", [])
    actions = list(REPAIRS[verdict].actions)
    expected = "nothing" if verdict in ("healthy", "no_gpu") else "repair" if actions else "refuse"
    assert (found["action"], found["steps"]) == (expected, actions)
    assert found["sentence"]
    assert found["roll_back"] is False


def test_host_without_a_gpu_is_left_alone_whatever_was_asked_for() -> None:
    found = driver_attempt.decide(info("no_gpu", refused="No."), "367.57", [])
    assert found["action"] == "nothing"


@pytest.mark.parametrize("verdict", ["healthy", "stale_loaded_module", "gpu_lost"])
def test_version_that_cannot_be_had_is_refused_with_the_plans_reason(verdict: str) -> None:
    found = driver_attempt.decide(info(verdict, refused="367.57 does not drive a T4: ask for 595."), "367.57", [])
    assert (found["action"], found["steps"]) == ("refuse", [])
    assert "ask for 595" in found["sentence"]


def test_healthy_host_keeps_its_version_until_it_is_said_that_it_need_not() -> None:
    asked = driver_attempt.decide(info("healthy"), "580", [])
    assert (asked["action"], asked["steps"]) == ("nothing", [])
    assert "nvidia_driver_replace_healthy=true" in asked["sentence"]
    told = driver_attempt.decide(info("healthy"), "580", [], replace_healthy=True)
    assert (told["action"], told["steps"]) == ("repair", ["install_driver", "reload_modules"])
    assert told["record"] is True


def test_healthy_host_that_has_the_version_is_not_touched_with_replace_healthy_either() -> None:
    for wanted in ("auto", "535", "535.261.03"):
        assert driver_attempt.decide(info("healthy"), wanted, [], replace_healthy=True)["action"] == "nothing"


def test_replacement_ends_when_the_host_is_healthy_again() -> None:
    history = attempts("healthy")
    assert driver_attempt.decide(info("healthy"), "580", history, replace_healthy=True)["action"] == "nothing"


def test_ill_host_gets_the_version_that_was_asked_for() -> None:
    found = driver_attempt.decide(info("stale_loaded_module"), "367.57", [])
    assert found["steps"] == ["install_driver", "reload_modules"]
    runfile = driver_attempt.decide(info("stale_loaded_module", method="runfile"), "367.57", [])
    assert runfile["steps"] == ["install_driver", "load_modules"]
    kept = driver_attempt.decide(info("other_driver_bound"), "367.57", [])
    assert kept["steps"] == ["unbind_other_driver", "install_driver", "reload_modules"]


def test_ill_host_that_has_the_version_gets_the_smallest_repair() -> None:
    assert driver_attempt.decide(info("stale_loaded_module"), "535", [])["steps"] == ["reload_modules"]
    half = driver_attempt.decide(info("headers_missing", on_disk=None, userspace="367.57"), "367.57", [])
    assert half["steps"] == ["install_headers", "rebuild_modules", "load_modules"]


@pytest.mark.parametrize(
    ("wanted", "on_disk", "userspace", "expected"),
    [
        ("auto", None, None, True),
        ("367.57", "367.57", "367.57", True),
        ("367.57", None, "367.57", True),
        ("367.57", None, None, False),
        ("367.57", "375.26", "367.57", False),
        ("570.124.06", "570.124.04", "570.124.06", False),
        ("570", "570.124.04", "570.124.06", True),
        ("57", "570.124.04", "570.124.04", False),
    ],
)
def test_version_is_there(wanted: str, on_disk: str | None, userspace: str | None, expected: bool) -> None:
    versions = {"loaded": "1.1", "on_disk": on_disk, "userspace": userspace}
    assert driver_attempt.has_version(wanted, versions) is expected


def test_what_is_not_there_is_installed_and_not_reinstalled() -> None:
    found = driver_attempt.decide(info("module_missing", None, None, reinstall=[]), "auto", [])
    assert found["steps"] == ["install_driver", "load_modules"]
    runfile = driver_attempt.decide(info("module_missing", None, "367.57", runfile=True, reinstall=[]), "auto", [])
    assert runfile["steps"] == ["reinstall_driver", "load_modules"]


@pytest.mark.parametrize("key", ["refused", "blocked", "no_installer"])
def test_plan_that_cannot_be_carried_out_is_refused_only_where_it_is_needed(key: str) -> None:
    plan = {key: "No source offers it."}
    found = driver_attempt.decide(info("legacy_gpu", **plan), "auto", [])
    assert found["action"] == "refuse"
    assert found["sentence"] == "It is legacy_gpu. No source offers it."
    assert driver_attempt.decide(info("stale_loaded_module", **plan), "auto", [])["action"] == "repair"


def test_installer_of_ones_own_needs_none_in_the_catalogue() -> None:
    plan = {"no_installer": "The catalogue has none."}
    assert driver_attempt.decide(info("legacy_gpu", **plan), "auto", [], own_installer=True)["action"] == "repair"


def test_second_repair_of_one_verdict_ends_the_run_and_is_taken_back() -> None:
    found = driver_attempt.decide(info("legacy_gpu"), "auto", attempts("legacy_gpu", "stale_loaded_module"))
    assert (found["action"], found["roll_back"]) == ("refuse", True)
    assert "did not cure it" in found["sentence"]


def test_another_verdict_after_a_repair_is_repaired_too() -> None:
    found = driver_attempt.decide(info("stale_loaded_module"), "auto", attempts("legacy_gpu"))
    assert (found["action"], found["steps"]) == ("repair", ["reload_modules"])


def test_run_ends_after_four_repairs() -> None:
    history = attempts("headers_missing", "legacy_gpu", "module_not_loaded", "uvm_missing")
    assert driver_attempt.decide(info("stale_loaded_module"), "auto", history[:3])["action"] == "repair"
    found = driver_attempt.decide(info("stale_loaded_module"), "auto", history)
    assert (found["action"], found["roll_back"]) == ("refuse", False)
    assert "4 repairs" in found["sentence"]


def reboot_only() -> dict[str, Any]:
    found = info("stale_loaded_module")
    found["diagnosis"]["actions"] = ["reboot"]
    return found


def test_restart_has_to_be_allowed_and_comes_once() -> None:
    refused = driver_attempt.decide(reboot_only(), "auto", [])
    assert refused["action"] == "refuse"
    assert "nvidia_driver_allow_reboot=true" in refused["sentence"]
    assert driver_attempt.decide(reboot_only(), "auto", [], allow_reboot=True)["steps"] == ["reboot"]
    second = driver_attempt.decide(reboot_only(), "auto", attempts("uvm_missing", rebooted=True), allow_reboot=True)
    assert second["action"] == "refuse"
    assert "restarted once" in second["sentence"]


def test_builds_are_of_the_libraries_version_with_the_kernels_compiler() -> None:
    found = driver_attempt.decide(info("vermagic_mismatch"), "auto", [])
    assert found["kernels"] == [KERNEL]
    assert found["tree_version"] == "535.261.03"
    assert found["compiler"] == "gcc-12"
    assert found["headers"] == ["linux-headers-cloud-amd64"]
    assert driver_attempt.decide(info("vermagic_mismatch", userspace="580.1"), "auto", [])["tree_version"] == ""


def test_libraries_that_were_removed_are_named_only_where_they_are_missing() -> None:
    assert driver_attempt.decide(info("userspace_missing"), "auto", [])["libraries"] == ["libcuda1=535.261.03-1"]
    assert driver_attempt.decide(info("stale_module_on_disk"), "auto", [])["libraries"] == []

"""The doctor: every fixture gets its verdict, every verdict has a fixture, and no evidence, however broken, breaks
it.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpulab.core.plugins.module_utils.driver_diagnosis import diagnose
from ansible_collections.gpulab.core.plugins.module_utils.driver_evidence import FILES
from ansible_collections.gpulab.core.plugins.module_utils.driver_folder import read_folder
from ansible_collections.gpulab.core.plugins.module_utils.driver_repairs import VERDICTS
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[2]
CASES = sorted(p for p in (Path(__file__).parent / "driver_cases").iterdir() if p.is_dir())
# Outputs that other people posted, with an expert's verdict: third-party data, beside the checkout where somebody
# keeps them.
OTHERS = ROOT.parent / "shared/driver-cases"
# Verdicts that nothing on the host mends: an offer to repair one of them is the worst error there is.
NOT_OURS = {
    "healthy",
    "no_gpu",
    "gpu_lost",
    "adapter_init_failed",
    "secure_boot",
    "access_blocked",
    "container_only",
    "unknown",
}


def expected(case: Path) -> Any:
    return json.loads((case / "expected.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda p: p.name)
def test_fixture_gets_its_verdict(case: Path) -> None:
    found = diagnose(read_folder(case))
    assert found.verdict == expected(case)["verdict"]
    assert found.sentence.endswith(".")
    assert found.proof or found.verdict == "unknown"
    assert all(line.split(":")[0] in [*FILES, "kernels.txt"] for line in found.proof)
    assert (found.repair is None) is (not found.actions)
    if found.verdict in NOT_OURS:
        assert found.repair is None


def test_there_is_a_fixture_for_every_verdict() -> None:
    assert len(CASES) >= 45
    assert {expected(case)["verdict"] for case in CASES} == set(VERDICTS)
    assert len(VERDICTS) == 28


@pytest.mark.skipif(not OTHERS.is_dir(), reason="the folder with other people's hosts is not beside the checkout")
def test_at_most_two_of_fifty_other_hosts_are_diagnosed_otherwise_than_by_an_expert() -> None:
    wrong = []
    cases = sorted(p for p in OTHERS.iterdir() if p.is_dir())
    for case in cases:
        want, found = expected(case), diagnose(read_folder(case))
        if found.verdict not in [want["verdict"], *want.get("also_ok", [])]:
            wrong.append((case.name, found.verdict, want["verdict"]))
        if want["verdict"] in ("healthy", "gpu_lost"):
            assert found.repair is None, case.name
    assert len(cases) >= 50
    assert len(wrong) <= 2, wrong


def test_no_evidence_is_unknown() -> None:
    found = diagnose({})
    assert found.verdict == "unknown"
    assert "no captured output" in found.sentence
    assert found.actions == []


def test_an_absent_disk_version_is_said() -> None:
    found = diagnose({"nvidia-smi.txt": "Failed to initialize NVML: Driver/library version mismatch"})
    assert found.verdict == "stale_loaded_module"
    assert "was not seen" in found.sentence


def test_what_was_asked_for_is_named_where_another_driver_is_the_repair() -> None:
    log = {"build-log.txt": "Error! Bad return status for module build on kernel: 6.8.0-1 (x86_64)"}
    assert "You asked for 580" in str(diagnose(log, wanted="580").repair)
    assert "You asked" not in str(diagnose(log).repair)


def test_registered_source_is_built_and_packages_are_left_alone() -> None:
    found = diagnose(read_folder(Path(__file__).parent / "driver_cases/stale-disk-source-registered"))
    assert found.actions[0] == "rebuild_modules"
    assert "package" not in found.risk


def test_a_firmware_file_can_be_installed_and_a_power_cycle_cannot() -> None:
    where = Path(__file__).parent / "driver_cases"
    assert diagnose(read_folder(where / "firmware-file-missing")).actions[0] == "reinstall_driver"
    assert diagnose(read_folder(where / "firmware-wpr2-power-cycle")).actions == []


def test_a_gpu_that_a_virtual_machine_has_is_not_taken_away() -> None:
    found = diagnose(read_folder(Path(__file__).parent / "driver_cases/other-driver-vfio"))
    assert found.verdict == "other_driver_bound"
    assert found.repair is None


# Properties


def evidence_of(case: Path) -> dict[str, str]:
    return read_folder(case)


@given(st.sampled_from(CASES), st.randoms(use_true_random=False))
def test_any_damage_to_evidence_gives_a_verdict(case: Path, chance: random.Random) -> None:
    evidence = evidence_of(case)
    for name in list(evidence):
        lines = evidence[name].splitlines()
        damage = chance.randrange(5)
        if damage == 0:
            del evidence[name]
        elif damage == 1:
            evidence[name] = evidence[name][: chance.randrange(len(evidence[name]) + 1)]
        elif damage == 2:
            chance.shuffle(lines)
            evidence[name] = "\n".join(lines)
        elif damage == 3:
            evidence[name] = "".join(chance.choice("NVRM: 0123456789.\n\x1b[\x00é#012") for _ in range(80))
    assert diagnose(evidence).verdict in VERDICTS


@given(st.dictionaries(st.sampled_from([*FILES, "kernels.txt"]), st.text(max_size=200)))
def test_any_text_gives_a_verdict(evidence: dict[str, str]) -> None:
    assert diagnose(evidence).verdict in VERDICTS


def host(loaded: str, disk: str, user: str) -> dict[str, str]:
    """A host whose nvidia-smi answers with the library's version, whatever its three versions are."""
    return {
        "uname.txt": "6.1.0-56-cloud-amd64",
        "sys-module-nvidia-version.txt": loaded,
        "modinfo.txt": f"version:        {disk}\nvermagic:       6.1.0-56-cloud-amd64 SMP",
        "ldconfig.txt": f"libcuda.so.1 => /l/libcuda.so.1 -> /l/libcuda.so.{user}",
        "nvidia-smi.txt": f"| NVIDIA-SMI {user}    Driver Version: {user}    CUDA Version: 12.2     |",
        "nvidia-smi.rc": "0",
    }


VERSION = st.builds("{}.{:02}.{:02}".format, st.integers(470, 471), st.integers(1, 3), st.integers(1, 3))


@given(VERSION, VERSION, VERSION)
def test_only_versions_that_agree_in_every_component_are_healthy(loaded: str, disk: str, user: str) -> None:
    verdict = diagnose(host(loaded, disk, user)).verdict
    assert (verdict == "healthy") is (loaded == disk == user)


@given(VERSION, VERSION)
def test_the_side_that_fits_the_disk_decides_which_is_stale(loaded: str, user: str) -> None:
    evidence = host(loaded, user, user)
    evidence["nvidia-smi.txt"] = "Failed to initialize NVML: Driver/library version mismatch"
    assert diagnose(evidence).verdict == "stale_loaded_module"
    if loaded != user:
        evidence["modinfo.txt"] = f"version: {loaded}"
        assert diagnose(evidence).verdict == "stale_module_on_disk"

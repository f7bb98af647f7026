"""The repairs of roles/nvidia_driver: one file for each verdict, of known steps, with all that can be asked of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.gpulab.core.plugins.module_utils import driver_attempt, driver_repairs
from ansible_collections.gpulab.core.plugins.module_utils.driver_diagnosis import diagnose
from ansible_collections.gpulab.core.plugins.module_utils.driver_folder import read_folder

TASKS = Path(__file__).resolve().parents[2] / "roles/nvidia_driver/tasks"
VERDICTS = sorted(driver_repairs.REPAIRS)
STEPS = frozenset(
    [
        "load_modules",
        "reload_modules",
        "load_uvm",
        "rebuild_modules",
        "install_headers",
        "install_compiler",
        "install_extra_modules",
        "update_initramfs",
        "unbind_other_driver",
        "reinstall_driver",
        "install_driver",
        "install_fabric_manager",
        "start_fabric_manager",
        "remove_compat",
    ]
)
"""What a diagnosis may ask for; `reboot` is attempt.yml's."""
REFUSED = {"access_blocked", "container_only", "gpu_lost", "secure_boot", "unknown"}
UNTOUCHED = {"healthy", "no_gpu"}
CASES = sorted(p for p in (Path(__file__).parent / "driver_cases").iterdir() if p.is_dir())


def tasks(name: str) -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = yaml.safe_load((TASKS / f"{name}.yml").read_text())
    return loaded


def included(verdict: str) -> list[str]:
    """The steps that a repair file knows, in order."""
    files = [str(task.get("ansible.builtin.include_tasks", "")) for task in tasks(f"repair_{verdict}")]
    return [file[: -len(".yml")] for file in files if file not in ("", "stop.yml")]


def test_verdicts_and_repair_files_are_the_same_set() -> None:
    assert sorted(file.stem[len("repair_") :] for file in TASKS.glob("repair_*.yml")) == VERDICTS
    assert len(VERDICTS) == 28


def test_every_step_has_a_file_and_every_file_is_used() -> None:
    assert {step for step in STEPS if not (TASKS / f"{step}.yml").exists()} == set()
    used = set(re.findall(r"(?:include|import)_tasks: (\w+)\.yml", "".join(f.read_text() for f in TASKS.glob("*.yml"))))
    building_blocks = {f.stem for f in TASKS.glob("*.yml") if not f.stem.startswith("repair_")} - {"main"}
    assert used == building_blocks


@pytest.mark.parametrize("verdict", VERDICTS)
def test_repair_composes_known_steps_and_takes_each_only_when_asked(verdict: str) -> None:
    steps = included(verdict)
    assert set(steps) <= STEPS
    assert len(steps) == len(set(steps))
    for task in tasks(f"repair_{verdict}"):
        file = str(task.get("ansible.builtin.include_tasks", "stop.yml"))
        if file != "stop.yml":
            assert task["when"] == f"'{file[: -len('.yml')]}' in __nvidia_driver_attempt.steps"


@pytest.mark.parametrize("verdict", VERDICTS)
def test_repair_takes_every_step_that_the_diagnosis_asks_for_in_its_order(verdict: str) -> None:
    wanted = [step for step in driver_repairs.REPAIRS[verdict].actions if step != "reboot"]
    assert [step for step in included(verdict) if step in wanted] == wanted


@pytest.mark.parametrize("verdict", [v for v in VERDICTS if driver_repairs.REPAIRS[v].actions] + ["healthy"])
def test_repair_can_bring_the_version_that_was_asked_for_instead(verdict: str) -> None:
    kept = [step for step in driver_attempt.KEPT if step in driver_repairs.REPAIRS[verdict].actions]
    wanted = [*kept, "install_driver", "load_modules", "reload_modules"]
    assert [step for step in included(verdict) if step in wanted] == wanted


@pytest.mark.parametrize("verdict", sorted(REFUSED))
def test_what_no_driver_cures_is_refused_and_nothing_else(verdict: str) -> None:
    (task,) = tasks(f"repair_{verdict}")
    assert task["ansible.builtin.include_tasks"] == "stop.yml"
    assert "when" not in task
    assert driver_repairs.REPAIRS[verdict].actions == ()


@pytest.mark.parametrize("verdict", sorted(UNTOUCHED))
def test_a_host_that_is_well_is_only_spoken_of(verdict: str) -> None:
    first = tasks(f"repair_{verdict}")[0]
    assert set(first) - {"name", "when"} == {"ansible.builtin.debug"}


@pytest.mark.parametrize("case", CASES, ids=lambda p: p.name)
def test_what_the_doctor_asks_for_is_known_to_the_repair_file_in_that_order(case: Path) -> None:
    found = diagnose(read_folder(case))
    wanted = [step for step in found.actions if step != "reboot"]
    assert [step for step in included(found.verdict) if step in wanted] == wanted

"""driver_modules: which modules may be unloaded, in which order, and who forbids it; names and device nodes."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import driver_modules
from hypothesis import given
from hypothesis import strategies as st

LSMOD = """\
Module                  Size  Used by
nvidia_uvm           1540096  0
nvidia_drm             77824  0
nvidia_modeset       1306624  1 nvidia_drm
video                  65536  1 nvidia_modeset
nvidia              56446976  2 nvidia_uvm,nvidia_modeset
drm_kms_helper        212992  1 nvidia_drm
"""
PROC = """\
nvidia_uvm 1540096 0 - Live 0x0000000000000000 (POE)
nvidia_drm 77824 0 - Live 0x0000000000000000 (POE)
nvidia_modeset 1306624 1 nvidia_drm, Live 0x0000000000000000 (POE)
video 65536 1 nvidia_modeset, Live 0x0000000000000000
nvidia 56446976 2 nvidia_uvm,nvidia_modeset, Live 0x0000000000000000 (POE)
drm_kms_helper 212992 1 nvidia_drm, Live 0x0000000000000000
"""
ORDER = ["nvidia_uvm", "nvidia_drm", "nvidia_modeset", "nvidia"]
PYTHON = {"pid": 4711, "command": "python"}
REBOOT = "or allow a restart of the host with -e nvidia_driver_allow_reboot=true."


def module(name: str, refcount: int = 0, *users: str) -> dict[str, Any]:
    return {"name": name, "refcount": refcount, "users": list(users)}


def loaded(**references: int) -> list[dict[str, Any]]:
    """The modules of LSMOD, some with other reference counts."""
    modules: list[dict[str, Any]] = driver_modules.parse(LSMOD)
    return [{**found, "refcount": references.get(found["name"], found["refcount"])} for found in modules]


def test_lsmod_and_proc_say_the_same() -> None:
    assert driver_modules.parse(LSMOD) == driver_modules.parse(PROC)
    assert driver_modules.parse(LSMOD)[4] == module("nvidia", 2, "nvidia_uvm", "nvidia_modeset")


@pytest.mark.parametrize("text", [None, "", "Module Size Used by\n", "garbage\n\0\n"])
def test_nothing_is_read_from_nothing(text: str | None) -> None:
    assert driver_modules.parse(text) == []


def test_a_module_that_cannot_be_unloaded_has_a_flag_and_no_users() -> None:
    assert driver_modules.parse("nvidia 564 1 [permanent], Live 0x0\n") == [module("nvidia", 1)]


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("nvidia", "nvidia"),
        ("nvidia-current", "nvidia"),
        ("nvidia_current_uvm", "nvidia_uvm"),
        ("nvidia_367", "nvidia"),
        ("nvidia_367_uvm", "nvidia_uvm"),
        ("nvidia-tesla-470-drm", "nvidia_drm"),
        ("nvidia-legacy-390xx-modeset", "nvidia_modeset"),
        ("nvidia_304_updates", "nvidia"),
        ("nvidia_peermem", "nvidia_peermem"),
        ("nvidia_vgpu_vfio", "nvidia_vgpu_vfio"),
        ("gdrdrv", "gdrdrv"),
        ("nvidiafb", "nvidiafb"),
    ],
)
def test_names_of_distributions_are_nvidias(name: str, own: str) -> None:
    assert driver_modules.canonical(name) == own


@pytest.mark.parametrize(
    ("stem", "wanted", "file"),
    [
        ("nvidia", "nvidia_uvm", "nvidia-uvm"),
        ("nvidia-current", "nvidia_uvm", "nvidia-current-uvm"),
        ("nvidia-current", "nvidia", "nvidia-current"),
        ("nvidia_367", "nvidia_uvm", "nvidia_367_uvm"),
    ],
)
def test_file_names_follow_the_main_module(stem: str, wanted: str, file: str) -> None:
    assert driver_modules.file_name(stem, wanted) == file
    assert driver_modules.canonical(file) == wanted


def test_users_go_before_what_they_use() -> None:
    assert driver_modules.unload(loaded(), []) == (ORDER, None)


@given(st.permutations(driver_modules.parse(LSMOD)))
def test_order_does_not_depend_on_the_list(modules: list[dict[str, Any]]) -> None:
    assert driver_modules.unload(modules, []) == (ORDER, None)


def test_renamed_modules_go_in_the_same_order() -> None:
    modules = [module("nvidia_367", 1, "nvidia_367_uvm"), module("nvidia_367_uvm")]
    assert driver_modules.unload(modules, []).order == ["nvidia_367_uvm", "nvidia_367"]


def test_nothing_loaded_is_nothing_to_do_whoever_holds_it() -> None:
    assert driver_modules.unload([module("ext4", 3)], [PYTHON]) == ([], None)


def test_a_holder_is_named_and_nothing_goes() -> None:
    plan = driver_modules.unload(loaded(nvidia=5), [PYTHON])
    expected = f"Process 4711 (python) holds the GPU and is not ended by this playbook: stop it, {REBOOT}"
    assert plan == ([], expected)


def test_many_holders_are_counted() -> None:
    holders = [{"pid": pid, "command": "python"} for pid in range(1, 9)]
    told = driver_modules.unload(loaded(nvidia=9), holders).blocked
    assert told.startswith(
        "The processes 1 (python), 2 (python), 3 (python), 4 (python), 5 (python) and 3 more hold the GPU"
    )


def test_a_reference_without_a_process_forbids_it() -> None:
    plan = driver_modules.unload(loaded(nvidia_drm=1), [])
    assert plan.order == []
    assert plan.blocked.startswith("Module nvidia_drm is in use once by what is no process of this host")
    assert "nvidia-smi -pm 0" in plan.blocked
    assert driver_modules.unload(loaded(nvidia=5), []).blocked.startswith(
        "Module nvidia is in use 3 times by what is no"
    )


def test_a_module_of_somebody_else_forbids_it() -> None:
    plan = driver_modules.unload([module("nvidia", 1, "their_rdma")], [])
    assert plan.order == []
    assert plan.blocked.startswith("Module nvidia is used by their_rdma, which is not NVIDIA's: ")


def test_a_kernel_that_unloads_nothing() -> None:
    plan = driver_modules.unload([module("nvidia", -1)], [])
    assert plan.blocked == f"The kernel lets nobody unload module nvidia: {REBOOT[3:]}"


@given(
    st.lists(st.sampled_from(driver_modules.UNLOAD_ORDER), unique=True),
    st.integers(-1, 9),
    st.lists(st.builds(lambda pid: {"pid": pid, "command": "x"}, st.integers(1, 99)), max_size=2),
)
def test_it_is_all_or_nothing(names: list[str], references: int, holders: list[dict[str, Any]]) -> None:
    modules = [module(name, references) for name in names]
    plan = driver_modules.unload(modules, holders)
    assert (sorted(plan.order) == sorted(names)) is (plan.blocked is None)
    if names and (holders or references):
        assert plan.order == []


def test_wrong_version() -> None:
    assert driver_modules.wrong_version("6.1", "535.309.01", "535.309.01") is None
    assert driver_modules.wrong_version("6.1", "", "") is None
    told = driver_modules.wrong_version("6.1", "535.309.01", "535.309.02")
    assert told.startswith(
        "The module on disk for kernel 6.1 is of version 535.309.01, not 535.309.02, so that loading"
    )
    assert "is missing, not 535.309.02" in driver_modules.wrong_version("6.1", "", "535.309.02")


@pytest.mark.parametrize("main", ["nvidia-frontend", "nvidia"])
def test_device_nodes(main: str) -> None:
    text = f"Character devices:\n  1 mem\n195 {main}\n195 nvidia-modeset\n195 nvidiactl\n507 nvidia-uvm\n\nBlock:\n"
    assert driver_modules.device_nodes(text, [0, 2]) == [
        ("/dev/nvidiactl", 195, 255),
        ("/dev/nvidia0", 195, 0),
        ("/dev/nvidia2", 195, 2),
        ("/dev/nvidia-uvm", 507, 0),
        ("/dev/nvidia-uvm-tools", 507, 1),
    ]
    assert driver_modules.device_nodes("Character devices:\n  1 mem\n", [0]) == []

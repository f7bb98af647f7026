"""Verdicts and plans for every state that an environment may be found in."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import environment_plan as planning

ENVS = "/r/envs"
KEY, OTHER = "a" * 64, "b" * 64
NEW, OLD = f"{ENVS}/x-{KEY[:12]}", f"{ENVS}/x-{OTHER[:12]}"
LOCK = "tqdm==4.70.1 \\\n    --hash=sha256:aa\nsix==1.17.0 \\\n    --hash=sha256:bb\n"
CONDA = {"python": "3.12.4", "pip": "26.3", "openssl": "3.1"}
PIP = {"tqdm": "4.70.1", "six": "1.17.0"}


def wanted(**changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "name": "x",
        "root": "/r",
        "profile": "modern",
        "build": "cpu",
        "key": KEY,
        "made": "",
        "specs": ["python >=3.11", "pip"],
        "channels": ["http://m/conda"],
        "lock": "",
        "requirements": LOCK,
        "wheels": "http://m/wheels/",
        "torch_index": "",
        "tool": {"kind": "micromamba", "path": "/r/bin/micromamba"},
        "machines": ["x86_64"],
        "glibc": "2.28",
        "megabytes": 3000,
        "keep_extras": True,
        "adopt": False,
        "rebuild": False,
        "imports": ["tqdm"],
    }
    return base | changes


def packages(conda: dict[str, str] = CONDA, pip: dict[str, str] = PIP) -> dict[str, Any]:
    return {
        "conda": {name: {"version": version, "depends": []} for name, version in conda.items()},
        "pip": {name: {"version": version, "requested": True} for name, version in pip.items()},
    }


def prefix(path: str, key: str = "", marked: bool = True, busy: str = "") -> dict[str, Any]:
    marker = {"key": key, "conda": dict(CONDA), "pip": dict(PIP)} if key and marked else None
    return {"path": path, "key": key, "marker": marker, "busy": busy}


def found(target: str = "", *prefixes: dict[str, Any], **changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "link": {"path": f"{ENVS}/x", "kind": "link" if target else "none", "target": target},
        "elsewhere": "",
        "prefixes": list(prefixes),
        "python": {"version": "3.12.4", "error": ""},
        "packages": packages(),
        "free_megabytes": 9000,
        "machine": "x86_64",
        "glibc": "2.36",
    }
    return base | changes


def decide(want: dict[str, Any], have: dict[str, Any]) -> dict[str, Any]:
    before = copy.deepcopy((want, have))
    plan: dict[str, Any] = planning.decide(want, have)
    assert (want, have) == before
    return plan


def steps(plan: dict[str, Any]) -> list[str]:
    return [name for name, _argv in plan["steps"]]


READY = (NEW, prefix(NEW, KEY))
OUTDATED = (OLD, prefix(OLD, OTHER))


def test_ready_needs_nothing() -> None:
    plan = decide(wanted(), found(*READY))
    assert (plan["verdict"], plan["prefix"], plan["steps"], plan["finish"]) == ("ready", NEW, [], False)


def test_absent_is_made_aside_and_switched_to() -> None:
    plan = decide(wanted(), found())
    assert (plan["verdict"], plan["prefix"], plan["fresh"], plan["finish"]) == ("absent", NEW, True, True)
    assert steps(plan) == ["create", "pip"]
    assert plan["refused"] == ""
    assert plan["folder"] == f"/r/build/x-{KEY[:12]}"
    assert LOCK in plan["script"]


def test_outdated_is_made_beside_the_old_one() -> None:
    plan = decide(wanted(), found(*OUTDATED))
    assert (plan["verdict"], plan["prefix"], plan["leftovers"]) == ("outdated", NEW, [])
    assert OLD not in plan["script"]


def test_half_made_is_removed_and_begun_anew() -> None:
    plan = decide(wanted(), found("", prefix(NEW), prefix(OLD)))
    assert (plan["verdict"], plan["prefix"], plan["leftovers"]) == ("half_made", NEW, [OLD])
    assert f"rm -rf -- {NEW} {OLD}" in plan["script"]


def test_what_a_run_still_works_on_is_left_to_it() -> None:
    plan = decide(wanted(), found("", prefix(NEW, busy="process 7"), prefix(OLD, busy="process 9")))
    # The script that is started has the same name, so it is waited for, and not begun anew.
    assert (plan["prefix"], plan["leftovers"]) == (NEW, [])


def test_leftovers_beside_a_good_one_are_cleaned_up() -> None:
    plan = decide(wanted(), found(NEW, prefix(NEW, KEY), prefix(OLD)))
    assert (plan["verdict"], plan["steps"], plan["finish"], plan["leftovers"]) == ("ready", [], True, [OLD])


def test_old_one_in_use_is_no_work() -> None:
    plan = decide(wanted(), found(NEW, prefix(NEW, KEY), prefix(OLD, OTHER, busy="process 7 (python)")))
    assert (plan["verdict"], plan["finish"]) == ("ready", False)


@pytest.mark.parametrize("marked", [True, False])
def test_killed_after_the_last_package_goes_on_from_there(marked: bool) -> None:
    plan = decide(wanted(), found(OLD, prefix(OLD, OTHER), prefix(NEW, KEY, marked)))
    assert (plan["prefix"], plan["steps"], plan["finish"]) == (NEW, [], True)


def test_python_that_does_not_run_means_a_new_one_under_another_name() -> None:
    plan = decide(wanted(), found(*READY, python={"version": "", "error": "exit code 127"}))
    assert (plan["verdict"], plan["prefix"], plan["fresh"]) == ("damaged", NEW + ".1", True)
    assert "exit code 127" in plan["sentence"]


def test_rebuild_is_done_when_asked_for() -> None:
    plan = decide(wanted(rebuild=True), found(*READY))
    assert (plan["verdict"], plan["prefix"]) == ("outdated", NEW + ".1")
    made = decide(wanted(rebuild=True, made=NEW + ".1"), found(NEW, prefix(NEW, KEY), prefix(NEW + ".1", KEY, False)))
    assert (made["prefix"], made["steps"], made["finish"]) == (NEW + ".1", [], True)


def test_missing_packages_come_back_in_place_from_the_lock() -> None:
    gone = packages({name: version for name, version in CONDA.items() if name != "openssl"}, {"six": "1.16.0"})
    plan = decide(wanted(), found(*READY, packages=gone))
    assert (plan["verdict"], plan["prefix"], plan["fresh"]) == ("packages_missing", NEW, False)
    assert steps(plan) == ["create", "pip"]
    assert plan["steps"][0][1][-1] == "openssl=3.1"
    assert "rm -rf" not in plan["script"]
    assert plan["sentence"] == "x has other versions of, or lacks: openssl=3.1, six, tqdm."


def test_only_what_is_missing_is_installed() -> None:
    plan = decide(wanted(), found(*READY, packages=packages(pip={"six": "1.17.0"})))
    assert steps(plan) == ["pip"]
    assert "tqdm==4.70.1" in plan["script"]
    assert "six==" not in plan["script"]


ADDED = packages(CONDA | {"ffmpeg": "7.0"}, PIP | {"seaborn": "0.13"})


def test_additions_are_no_reason_to_do_anything() -> None:
    assert decide(wanted(), found(*READY, packages=ADDED))["verdict"] == "ready"


def test_additions_are_carried_over_to_a_new_one() -> None:
    plan = decide(wanted(), found(*OUTDATED, packages=ADDED))
    assert plan["extras"] == {"conda": ["ffmpeg=7.0"], "pip": ["seaborn==0.13"]}
    assert steps(plan) == ["create", "extras", "pip", "extras"]
    assert plan["steps"][1][1][-1] == "ffmpeg=7.0"
    assert plan["steps"][3][1][-3:] == ["--constraint", f"/r/build/x-{KEY[:12]}/constraints.txt", "seaborn==0.13"]


def test_additions_are_left_behind_when_asked() -> None:
    plan = decide(wanted(keep_extras=False), found(*OUTDATED, packages=ADDED))
    assert steps(plan) == ["create", "pip"]


def test_lock_is_taken_by_micromamba_only() -> None:
    lock = "@EXPLICIT\nhttps://c.example.org/linux-64/python-3.12.4-0.conda#sha256:aa\n"
    plan = decide(wanted(lock=lock), found())
    assert plan["steps"][0][1][-1].endswith("/explicit.lock")
    assert lock in plan["script"]
    other = decide(wanted(lock=lock, tool={"kind": "conda", "path": "/opt/conda/bin/conda"}), found())
    assert other["steps"][0][1][-2:] == ["python >=3.11", "pip"]


FOREIGN = [
    found("/home/u/anaconda3/envs/x"),
    found(NEW, prefix(NEW)),  # linked, and nothing of ours says that it is whole
    found(f"{ENVS}/x") | {"link": {"path": f"{ENVS}/x", "kind": "folder", "target": f"{ENVS}/x"}},
]


@pytest.mark.parametrize("have", FOREIGN)
def test_environment_of_others_is_never_rebuilt_or_removed(have: dict[str, Any]) -> None:
    plan = decide(wanted(rebuild=True), have | {"packages": packages(pip={})})
    assert (plan["verdict"], plan["prefix"], plan["steps"]) == ("foreign", have["link"]["target"], [])
    assert (plan["finish"], plan["leftovers"]) == (False, [])
    assert "lacks 2 packages of profile modern (six, tqdm)" in plan["warnings"][0]


def test_environment_of_others_elsewhere_gets_the_name() -> None:
    plan = decide(wanted(), found(elsewhere="/opt/conda/envs/x"))
    assert (plan["verdict"], plan["prefix"], plan["finish"], plan["steps"]) == (
        "foreign",
        "/opt/conda/envs/x",
        True,
        [],
    )


def test_ours_counts_before_one_elsewhere() -> None:
    assert decide(wanted(), found(*READY, elsewhere="/opt/conda/envs/x"))["verdict"] == "ready"


def test_environment_of_others_is_completed_when_allowed() -> None:
    have = found("/home/u/anaconda3/envs/x", packages=packages(pip={"six": "1.0"}))
    plan = decide(wanted(adopt=True), have)
    assert (steps(plan), plan["fresh"], plan["warnings"]) == (["pip"], False, [])
    # What is there in another version is others' choice.
    assert "six==" not in plan["script"]


def test_condas_packages_count_where_pip_is_asked_for() -> None:
    have = found("/home/u/anaconda3/envs/x", packages=packages(CONDA | {"tqdm": "4", "six": "1"}, {}))
    assert decide(wanted(), have)["warnings"] == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"free_megabytes": 2999}, "needs 3000 MB below /r, and 2999 MB are free"),
        ({"machine": "aarch64"}, "The host is aarch64, expected x86_64 for profile modern"),
        ({"glibc": "2.9"}, "glibc 2.9, expected 2.28 or newer"),
    ],
)
def test_host_on_which_it_cannot_succeed_is_told(changes: dict[str, Any], words: str) -> None:
    assert words in decide(wanted(), found(**changes))["refused"]
    # Where nothing is to be done, nothing stands in the way.
    assert decide(wanted(), found(*READY, **changes))["refused"] == ""


def test_repair_needs_less_space_than_a_new_one() -> None:
    gone = packages(pip={})
    assert decide(wanted(), found(*READY, packages=gone, free_megabytes=600))["refused"] == ""
    assert "needs 500 MB" in decide(wanted(), found(*READY, packages=gone, free_megabytes=400))["refused"]


def test_library_that_says_no_version_is_no_obstacle() -> None:
    assert decide(wanted(), found(glibc=""))["refused"] == ""

"""Which labs a host gets, what is wrong with a description, and what a clone needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.gpulab.core.plugins.module_utils import lab_plan

COMMIT = "0123456789abcdef0123456789abcdef01234567"
OTHER = "f" * 40
URL = "https://example.org/lab.git"
VARS = Path(__file__).resolve().parents[2] / "roles/course_labs/vars/main.yml"


def lab(**changed: Any) -> dict[str, Any]:
    return {"name": "lab", "notebook": "lab.ipynb"} | changed


def refusal(*labs: dict[str, Any], only: tuple[str, ...] = ()) -> str:
    with pytest.raises(lab_plan.LabError) as caught:
        lab_plan.chosen(list(labs), "modern", list(only))
    return str(caught.value)


@pytest.mark.parametrize(
    ("repository", "kind"),
    [
        ("", "shipped"),
        ("https://github.com/udacity/CarND-LeNet-Lab.git", "git"),
        ("git@github.com:udacity/CarND-LeNet-Lab.git", "git"),
        ("file:///srv/lab.git", "git"),
        ("/home/teacher/lab", "local"),
        ("labs/mine", "local"),
    ],
)
def test_kinds(repository: str, kind: str) -> None:
    assert lab_plan.kind_of(repository) == kind


def test_profile_decides_and_no_profiles_fit_all() -> None:
    labs = [lab(name="a", profiles=["modern"]), lab(name="b", profiles=["carnd-2017"]), lab(name="c")]
    assert [found["name"] for found in lab_plan.chosen(labs, "modern", [])] == ["a", "c"]
    assert [found["name"] for found in lab_plan.chosen(labs, "carnd-2017", [])] == ["b", "c"]
    assert [found["name"] for found in lab_plan.chosen(labs, "modern", ["b"])] == ["b"]


def test_defaults_are_filled_in() -> None:
    (found,) = lab_plan.chosen([lab(timeout=5)], "modern", [])
    assert found == lab_plan.DEFAULTS | {"name": "lab", "notebook": "lab.ipynb", "timeout": 5}


def test_table_of_the_role_is_right() -> None:
    table = yaml.safe_load(VARS.read_text())["__course_labs_table"]
    plain = [
        {k: {"accuracy": "(1)"} if k == "values" and isinstance(v, str) else v for k, v in x.items()} for x in table
    ]
    for profile, names in {
        "modern": ["LeNet-Lab", "MNIST-MLP"],
        "carnd-2017": ["CarND-LeNet-Lab"],
        "dlnd-2018": ["deep-learning-v2-pytorch"],
    }.items():
        assert [found["name"] for found in lab_plan.chosen(plain, profile, [])] == names


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"name": ""}, "has the name ''"),
        ({"name": "../x"}, "has the name '../x', expected letters"),
        ({"notebok": "x"}, "has notebok, expected some of"),
        ({"notebook": "lab.py"}, "expected a path that ends in .ipynb"),
        ({"notebook": "../lab.ipynb"}, "expected a path inside the lab's folder"),
        ({"notebook": "/lab.ipynb"}, "expected a path inside the lab's folder"),
        ({"repository": URL}, "has the commit '', expected all 40 digits"),
        ({"repository": URL, "commit": "45800f7"}, "has the commit '45800f7', expected all 40 digits"),
        ({"repository": URL, "commit": "main"}, "has the commit 'main'"),
        ({"data": ["csv"]}, "wants its data as csv, expected some of idx"),
        ({"values": {"a": "("}}, "which is no regular expression"),
        ({"values": {"a": "x"}}, "with 0 groups in its pattern"),
        ({"values": {"a": "(1)(2)(3)"}}, "with 3 groups in its pattern"),
        ({"assertions": {"a": {"minimum": 1}}}, "asserts a, which is none of its values"),
        ({"values": {"a": "(1)"}, "assertions": {"a": {"least": 1}}}, "expected {minimum: NUMBER}"),
        ({"values": {"a": "(1)"}, "assertions": {"a": 0.9}}, "expected {minimum: NUMBER}"),
    ],
)
def test_wrong_descriptions_are_refused(changed: dict[str, Any], words: str) -> None:
    told = refusal(lab(**changed))
    assert words in told
    assert told.startswith("The lab ")


def test_names_are_unique_and_known() -> None:
    assert "Two labs are called lab" in refusal(lab(), lab())
    assert refusal(lab(), only=("lba",)) == "There is no lab lba, expected some of lab."


@pytest.mark.parametrize("name", ["notebook", "parameters", "values", "assertions", "data"])
def test_key_follows_what_bears_on_the_result(name: str) -> None:
    (first,) = lab_plan.chosen([lab()], "modern", [])
    assert lab_plan.key_of(first, "c", "e", "r") != lab_plan.key_of(first | {name: ["changed"]}, "c", "e", "r")


def test_key_follows_content_environment_and_runner_and_no_time_limit() -> None:
    (first,) = lab_plan.chosen([lab()], "modern", [])
    keys = {
        lab_plan.key_of(first, *hashes)
        for hashes in (("c", "e", "r"), ("x", "e", "r"), ("c", "x", "r"), ("c", "e", "x"))
    }
    assert len(keys) == 4
    assert lab_plan.key_of(first | {"timeout": 1}, "c", "e", "r") in keys


@pytest.mark.parametrize(
    ("clone", "ours", "plan", "words"),
    [
        (lab_plan.Clone(False, False, "", []), "", "clone", ""),
        (lab_plan.Clone(True, True, COMMIT, []), COMMIT, "nothing", ""),
        (
            lab_plan.Clone(True, True, COMMIT, ["lab.ipynb"]),
            COMMIT,
            "nothing",
            "changes of your own (lab.ipynb), which stay",
        ),
        (lab_plan.Clone(True, True, OTHER, []), OTHER, "checkout", ""),
        (lab_plan.Clone(True, True, OTHER, ["a"]), OTHER, "keep", "changes of your own (a), so it is left alone"),
        (lab_plan.Clone(True, True, OTHER, []), COMMIT, "keep", "another commit (fffffff)"),
        (lab_plan.Clone(True, True, OTHER, []), "", "keep", "another commit (fffffff)"),
    ],
)
def test_plan_for_a_clone(clone: lab_plan.Clone, ours: str, plan: str, words: str) -> None:
    found, note = lab_plan.clone_plan(clone, COMMIT, ours)
    assert found == plan
    assert (words in note) if words else note == ""


def test_folder_that_is_no_clone_is_refused() -> None:
    with pytest.raises(lab_plan.LabError, match="is no git clone"):
        lab_plan.clone_plan(lab_plan.Clone(True, False, "", []), COMMIT, "")


def test_only_a_good_result_of_the_same_key_counts() -> None:
    assert lab_plan.is_done({"key": "k", "passed": True}, "k")
    assert not lab_plan.is_done({"key": "k", "passed": False}, "k")
    assert not lab_plan.is_done({"key": "x", "passed": True}, "k")
    assert not lab_plan.is_done({}, "k")

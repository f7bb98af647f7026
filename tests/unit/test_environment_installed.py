"""What is installed, what was added, what is gone."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import environment_installed as installed

SITE = "lib/python3.11/site-packages"


def record(name: str, version: str, *depends: str, files: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"name": name, "version": version, "build": "0", "depends": list(depends), "files": list(files)}


RECORDS = [
    record("python", "3.11.7", "openssl >=3"),
    record("openssl", "3.1"),
    record("pip", "26.3", "python", files=(f"{SITE}/pip/main.py", f"{SITE}/pip-26.3.dist-info/METADATA")),
]
DISTS = {
    f"{SITE}/pip-26.3.dist-info": None,
    f"{SITE}/torch-2.13.0+cpu.dist-info": True,
    f"{SITE}/Jinja2-3.1.6.dist-info": False,
    f"{SITE}/h5py-2.7.1-py3.6.egg-info": None,
}


def packages() -> Any:
    return installed.packages(RECORDS, DISTS)


def test_what_conda_brought_is_not_pips() -> None:
    assert installed.versions(packages()) == {
        "conda": {"python": "3.11.7", "openssl": "3.1", "pip": "26.3"},
        "pip": {"torch": "2.13.0+cpu", "jinja2": "3.1.6", "h5py": "2.7.1"},
    }


def test_what_pip_put_over_condas_is_pips() -> None:
    found = installed.packages(RECORDS, {f"{SITE}/pip-27.0.dist-info": True})
    assert found["pip"]["pip"]["version"] == "27.0"


@pytest.mark.parametrize("record", [{}, {"name": "x"}, {"name": None, "version": "1"}])
def test_files_that_are_no_records_are_left_out(record: dict[str, Any]) -> None:
    assert installed.packages([record], {f"{SITE}/strange-info": None}) == {"conda": {}, "pip": {}}


def test_extras_are_what_somebody_asked_for() -> None:
    marker = {"conda": {"python": "3.11.7", "pip": "26.3"}, "pip": {"torch": "2.13.0+cpu"}}
    # openssl came with nothing that was added; jinja2 was no request, h5py's installer says nothing.
    assert installed.extras(packages(), marker, set()) == {"conda": ["openssl=3.1"], "pip": ["h5py==2.7.1"]}


def test_dependencies_of_additions_come_by_themselves() -> None:
    found = installed.packages([*RECORDS, record("x", "1", "y >=2"), record("y", "2", "z"), record("z", "3")], {})
    marker = {"conda": {"python": "3.11.7", "pip": "26.3", "openssl": "3.1"}, "pip": {}}
    assert installed.extras(found, marker, set())["conda"] == ["x=1"]


def test_additions_that_need_each_other_are_all_kept() -> None:
    found = installed.packages([record("a", "1", "b"), record("b", "2", "a")], {})
    assert installed.extras(found, {}, set())["conda"] == ["a=1", "b=2"]


def test_what_the_new_environment_brings_is_no_addition() -> None:
    assert installed.extras(packages(), {}, {"openssl", "python", "pip", "h5py", "torch"}) == {"conda": [], "pip": []}


MARKER = {
    "conda": {"python": "3.11.7", "openssl": "3.1", "pip": "26.3"},
    "pip": {"torch": "2.13.0+cpu", "jinja2": "3.1.6", "h5py": "2.7.1"},
}
LOCK = {"torch", "jinja2", "tqdm"}
SPECS = ["python >=3.11", "pip"]


def drift(found: Any) -> Any:
    return installed.drift(found, MARKER, SPECS, LOCK)


def test_nothing_is_gone() -> None:
    assert drift(packages()) == {"conda": [], "pip": []}


def test_gone_and_other_versions_are_found() -> None:
    found = packages()
    del found["conda"]["openssl"], found["pip"]["jinja2"]
    found["pip"]["torch"]["version"] = "2.13.0"
    assert drift(found) == {"conda": ["openssl=3.1"], "pip": ["jinja2", "torch"]}


def test_a_users_own_update_of_a_dependency_is_no_drift_but_another_python_is() -> None:
    found = packages()
    found["conda"]["openssl"]["version"] = "3.2"
    assert drift(found)["conda"] == []
    found["conda"]["python"]["version"] = "3.10.0"
    assert drift(found)["conda"] == ["python=3.11.7"]


def test_what_is_in_no_lock_cannot_be_missed() -> None:
    found = packages()
    del found["pip"]["h5py"]
    assert drift(found)["pip"] == []

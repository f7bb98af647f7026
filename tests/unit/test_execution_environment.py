"""The image for AWX has the very versions that everybody else's control machine has."""

from __future__ import annotations

import re

import yaml

from rehearsal import settings

LOCK = (settings.ROOT / "requirements/control.lock").read_text()
IMAGE = yaml.safe_load((settings.ROOT / "docs/awx/execution-environment.yml").read_text())


def test_its_packages_are_those_of_the_lock() -> None:
    wanted = IMAGE["dependencies"]
    asked = [*wanted["python"], wanted["ansible_core"]["package_pip"]]
    assert {name.partition("==")[0] for name in asked} == {"ansible-core", "boto3", "botocore", "jsonschema"}
    for package in asked:
        assert re.search(rf"^{re.escape(package)} ", LOCK, re.MULTILINE), package


def test_its_python_is_one_that_this_core_runs_on() -> None:
    python = re.search(r"python:(\d+)\.(\d+)-", IMAGE["images"]["base_image"]["name"])
    assert python
    assert (int(python[1]), int(python[2])) >= (3, 12)  # the lock gives 2.21 from there on


def test_its_collections_are_ours() -> None:
    folder = settings.ROOT / "docs/awx"
    assert (folder / IMAGE["dependencies"]["galaxy"]).resolve() == settings.ROOT / "collections/requirements.yml"

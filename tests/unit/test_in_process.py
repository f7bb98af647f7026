"""Modules of the control machine run in Ansible's own worker: each has its link, and no module of a host has one."""

from __future__ import annotations

from pathlib import Path

PLUGINS = Path(__file__).resolve().parents[2] / "collections/ansible_collections/gpulab/core/plugins"


def test_every_module_that_talks_to_aws_runs_in_process() -> None:
    linked = {path.name for path in (PLUGINS / "action").glob("*.py") if path.is_symlink()}
    talking = {path.name for path in (PLUGINS / "modules").glob("*.py") if "AnsibleAWSModule(" in path.read_text()}
    assert linked == talking | {"text_folder.py"}
    assert {path.readlink() for path in (PLUGINS / "action").glob("*.py") if path.is_symlink()} == {
        Path("in_process.py")
    }

"""Modules of the control machine run in Ansible's own worker: each has its link, and no module of a host has one."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = ROOT / "collections/ansible_collections/gpulab/core/plugins"


def test_every_module_that_talks_to_aws_runs_in_process() -> None:
    linked = {path.name for path in (PLUGINS / "action").glob("*.py") if path.is_symlink()}
    talking = {path.name for path in (PLUGINS / "modules").glob("*.py") if "AnsibleAWSModule(" in path.read_text()}
    assert linked == talking | {"host_pin.py", "text_folder.py"}
    assert {path.readlink() for path in (PLUGINS / "action").glob("*.py") if path.is_symlink()} == {
        Path("in_process.py")
    }


def ansible(arguments: dict[str, object], *more: str) -> tuple[int, str]:
    """Exit code and answer of in_process with these arguments, on this machine."""
    command = [ROOT / ".venv/bin/ansible", "localhost", "-i", "localhost,", "-m", "gpulab.core.in_process"]
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("ANSIBLE_", "AWS_", "GPULAB_"))}
    done = subprocess.run(
        [*command, "-a", json.dumps(arguments), *more],
        cwd=ROOT,
        env=clean | {"ANSIBLE_NOCOLOR": "1", "COLUMNS": "1000"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_a_module_of_another_collection_does_what_it_does(tmp_path: Path) -> None:
    made = tmp_path / "made"
    wanted = {"module": "ansible.builtin.command", "arguments": {"argv": ["touch", str(made)], "creates": str(made)}}
    code, told = ansible(wanted, "--check")
    assert (code, made.exists()) == (0, False), told
    code, told = ansible(wanted)
    assert (code, made.exists()) == (0, True), told
    assert "CHANGED" in told
    code, told = ansible(wanted)
    assert (code, "SUCCESS" in told) == (0, True), told


def test_a_module_that_fails_fails() -> None:
    code, told = ansible({"module": "ansible.builtin.command", "arguments": {"argv": ["false"]}})
    assert (code, "non-zero return code" in told) == (2, True), told


def test_wrong_arguments_are_one_sentence() -> None:
    code, told = ansible({"module": "ansible.builtin.command"})
    assert code == 2
    assert "gpulab.core.in_process got module, expected module (a full name) and arguments (a dictionary)" in told

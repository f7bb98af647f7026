"""The lookup that lets an inventory file see what was given with -e."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [ROOT / ".venv/bin/ansible", "localhost", "-i", "inventory/control.yml", "-m", "ansible.builtin.debug"]


def looked_up(expression: str, *arguments: str) -> str:
    """Return what a template says in an ansible command with these arguments; AWS is not asked."""
    template = "msg=<{{ " + expression + " }}>"
    done = subprocess.run(
        [*COMMAND, "-a", template, *arguments],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if not k.startswith("ANSIBLE_")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split("<")[1].split(">")[0]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-e", "deployment=class"], "class"),
        (["-e", '{"deployment": "class"}'], "class"),
        (["-e", "deployment=first", "-e", "deployment=last"], "last"),
        (["-e", "other=class"], "nothing"),
        ([], "nothing"),
    ],
)
def test_value_is_the_command_lines(arguments: list[str], expected: str) -> None:
    lookup = "lookup('gpulab.core.extra_var', 'deployment') | default('nothing', true)"
    assert looked_up(lookup, *arguments) == expected


def test_several_names_keep_their_order() -> None:
    names = "query('gpulab.core.extra_var', 'b', 'missing', 'a') | join(',')"
    assert looked_up(names, "-e", "a=1", "-e", "b=2") == "2,,1"


def test_inventory_asks_it_for_deployment_and_region() -> None:
    inventory = yaml.safe_load((ROOT / "inventory/aws_ec2.yml").read_text())
    assert "lookup('gpulab.core.extra_var', 'deployment')" in inventory["filters"]["tag:gpulab:deployment"]
    assert "lookup('gpulab.core.extra_var', 'aws_region')" in inventory["regions"][0]

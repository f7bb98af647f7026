"""Every molecule scenario from create to destroy, and that it leaves nothing on this machine."""

from __future__ import annotations

import os
import subprocess

import pytest

from rehearsal import podman, settings

ROOT = settings.ROOT
SCENARIOS = sorted(file.parent.name for file in ROOT.glob("molecule/*/molecule.yml"))

pytestmark = [pytest.mark.hosts, pytest.mark.slow]


def molecule(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run molecule as a developer would, with what it keeps for itself inside the clone."""
    foreign = ("AWS_", "GPULAB_", "ANSIBLE_", "MOLECULE_")
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(foreign)}
    path = f"{ROOT / '.venv/bin'}:{os.environ['PATH']}"
    return subprocess.run(
        [ROOT / ".venv/bin/molecule", *arguments],
        cwd=ROOT,
        env=inherited | {"PATH": path, "ANSIBLE_HOME": str(ROOT / ".ansible"), "COLUMNS": "160", "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def test_every_role_with_work_on_hosts_has_a_scenario() -> None:
    assert {"host_baseline", "gpu_benchmark", "provision"} <= set(SCENARIOS)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario(scenario: str) -> None:
    # A run that was killed may have left its host; molecule would take it for created.
    molecule("destroy", "--scenario-name", scenario)
    done = molecule("test", "--scenario-name", scenario)
    assert done.returncode == 0, done.stdout
    state = ROOT / ".cache/molecule" / scenario
    assert not state.exists()
    assert podman.leftovers(state) + podman.leftovers(state / "cloud") == []

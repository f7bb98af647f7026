"""The whole of provision.yml but the benchmark, on a real host, twice."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal import session
from tests.support.aws import Cloud
from tests.support.playbook import Deployment

pytestmark = pytest.mark.hosts


@pytest.fixture
def hosted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    """A deployment in an embedded AWS with hosts, on a bridge of its own."""
    state, home = tmp_path / "state", tmp_path / "home"
    home.mkdir()
    # Bridge and addresses follow from it in the processes that are started here.
    monkeypatch.setenv("GPULAB_REHEARSAL_STATE", str(state))
    made = Deployment(f"test-{uuid.uuid4().hex[:8]}", Cloud(session.up(state=state)["url"]), home)
    yield made
    session.down(state)
    made.remove_files()
    assert sorted(home.rglob("*")) == []


def test_a_second_run_changes_nothing_anywhere(hosted: Deployment):
    first = hosted.play("provision", "--skip-tags", "gpu_benchmark").ok()
    assert first.changed[hosted.name] > 0
    (before,) = hosted.cloud.instances(hosted.name)
    second = hosted.play("provision", "--skip-tags", "gpu_benchmark").ok()
    assert second.changed == {"localhost": 0, hosted.name: 0}
    (after,) = hosted.cloud.instances(hosted.name)
    assert after["InstanceId"] == before["InstanceId"]
    assert len(hosted.cloud.calls("RunInstances")) == 1

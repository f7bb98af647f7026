"""teardown.yml removes what carries the deployment's tag and nothing else, and its word can be relied upon."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal import settings
from tests.support.aws import specification
from tests.support.playbook import Deployment

QUICK = ("-e", "ec2_gpu_host_poll_seconds=0")


@pytest.fixture
def neighbour(deployment: Deployment, tmp_path: Path) -> Iterator[Deployment]:
    """Another deployment in the same account."""
    other = Deployment(f"{deployment.name}-2", deployment.cloud, tmp_path)
    yield other
    other.remove_files()


def test_only_what_carries_the_tag_goes(deployment: Deployment, neighbour: Deployment):
    cloud = deployment.cloud
    mine, my_group = deployment.make()
    other, other_group = neighbour.make()
    untagged = cloud.launch({})
    assert deployment.play("teardown", *QUICK).ok().changed["localhost"] > 0
    assert cloud.state(mine) == "terminated"
    assert [cloud.state(one) for one in (other, untagged)] == ["running", "running"]
    assert {my_group, other_group} & cloud.groups() == {other_group}
    assert {f"gpulab-{one.name}" for one in (deployment, neighbour)} & cloud.key_pairs() == {f"gpulab-{neighbour.name}"}
    receipt = json.loads((deployment.reports / "teardown.json").read_text())
    assert {r["type"] for r in receipt["removed"]} >= {"instance", "volume", "security-group", "key-pair"}
    assert mine in {r["id"] for r in receipt["removed"]}
    assert receipt["remaining"] == []

    assert deployment.play("teardown", *QUICK).ok().changed == {"localhost": 0}
    assert json.loads((deployment.reports / "teardown.json").read_text()) == receipt


def test_something_that_remains_is_no_success(deployment: Deployment):
    tagged = specification("volume", {"gpulab:deployment": deployment.name})
    zone = f"{settings.REGION}a"
    volume = deployment.cloud.ec2.create_volume(AvailabilityZone=zone, Size=1, TagSpecifications=[tagged])["VolumeId"]
    run = deployment.play("teardown", *QUICK)
    run.refused(f"1 resources of {deployment.name} are still there ({volume}) and may cost money")
    assert deployment.cloud.ec2.describe_volumes(VolumeIds=[volume])["Volumes"]
    receipt = json.loads((deployment.reports / "teardown.json").read_text())
    assert receipt["remaining"] == [{"type": "volume", "id": volume}]


def test_a_killed_teardown_is_completed_by_the_next(deployment: Deployment):
    cloud = deployment.cloud
    instance, group = deployment.make()
    # Looking a group up by its id is the first thing that the removal of the group does.
    cloud.fault("DescribeSecurityGroups", match=r"GroupId\.1=", mode="delay", seconds=60)
    deployment.play_until(lambda: cloud.calls("TerminateInstances"), "teardown", *QUICK)
    assert cloud.state(instance) == "terminated"
    assert group in cloud.groups(), "it was killed too late to show anything"
    cloud.heal()
    run = deployment.play("teardown", *QUICK).ok()
    assert f"Nothing of deployment {deployment.name} remains" in run.flat
    assert group not in cloud.groups()
    assert f"gpulab-{deployment.name}" not in cloud.key_pairs()

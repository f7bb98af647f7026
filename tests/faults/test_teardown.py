"""Faults 23 to 25: what a teardown meets on its way."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rehearsal import settings
from tests.support import teardown
from tests.support.playbook import Deployment

QUICK = ("-e", "ec2_gpu_host_poll_seconds=0")


def receipt(deployment: Deployment) -> dict[str, Any]:
    """The receipt as it lies in reports/."""
    told: dict[str, Any] = json.loads((deployment.reports / "teardown.json").read_text())
    return told


def test_fault_23_a_killed_teardown_is_completed_by_the_next(deployment: Deployment) -> None:
    cloud = deployment.cloud
    instance, group = deployment.make()
    cloud.fault("TerminateInstances", mode="hold", seconds=60)
    deployment.play_until(lambda: cloud.calls("TerminateInstances"), "teardown", *QUICK)
    assert cloud.state(instance) == "terminated"
    assert group in cloud.groups(), "it was killed too late to show anything"
    assert not receipt(deployment)["complete"]
    cloud.heal()
    run = deployment.play("teardown", *QUICK).ok()
    assert f"Nothing of deployment {deployment.name} remains" in run.flat
    assert group not in cloud.groups()
    assert f"gpulab-{deployment.name}" not in cloud.key_pairs()
    told = receipt(deployment)
    assert told["complete"]
    assert {instance, group} <= {one["id"] for one in told["removed"]}
    # The host itself could not be asked any more.
    assert [one["id"] for one in told["money"]] == [instance]


def test_fault_24_what_is_somebodys_own_is_left_alone_and_told(deployment: Deployment) -> None:
    cloud = deployment.cloud
    instance, group = deployment.make()
    zone = f"{settings.REGION}a"
    volume = cloud.ec2.create_volume(AvailabilityZone=zone, Size=100)["VolumeId"]
    cloud.ec2.attach_volume(VolumeId=volume, InstanceId=instance, Device="/dev/sdf")
    (host,) = cloud.instances(deployment.name)
    nic = cloud.ec2.create_network_interface(SubnetId=host["SubnetId"])["NetworkInterface"]["NetworkInterfaceId"]
    cloud.ec2.attach_network_interface(NetworkInterfaceId=nic, InstanceId=instance, DeviceIndex=1)

    run = deployment.play("teardown", *QUICK)
    run.refused(f"do not carry the tag of {deployment.name}, and may cost money: {volume} (volume in", "$0.011", nic)
    assert cloud.state(instance) == "terminated"
    assert group not in cloud.groups()
    assert cloud.ec2.describe_volumes(VolumeIds=[volume])["Volumes"]
    assert cloud.ec2.describe_network_interfaces(NetworkInterfaceIds=[nic])["NetworkInterfaces"]
    told = receipt(deployment)
    assert {one["id"] for one in told["kept"]} == {volume, nic}
    assert told["usd_per_hour"] == 0.011


def test_fault_25_a_group_in_use_is_tried_again_and_not_for_ever(
    deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud = deployment.cloud
    _, group = deployment.make()
    cloud.refuse("DeleteSecurityGroup", "DependencyViolation")
    found = teardown.listing(cloud, deployment.name, capsys)
    held = teardown.removal(cloud, found, capsys, retries=3)
    assert len(cloud.calls("DeleteSecurityGroup")) == 4
    assert [one["id"] for one in held["remaining"]] == [group]
    (problem,) = held["problems"]
    assert problem.startswith(f"While removing security-group {group}, AWS answered DependencyViolation")

    cloud.forget()
    cloud.refuse("DeleteSecurityGroup", "DependencyViolation", times=2)
    found = teardown.listing(cloud, deployment.name, capsys)
    gone = teardown.removal(cloud, found, capsys, retries=3)
    assert len(cloud.calls("DeleteSecurityGroup")) == 3
    assert (gone["remaining"], gone["problems"]) == ([], [])
    assert group not in cloud.groups()

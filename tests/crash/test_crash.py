"""kill -9 after every call of provision.yml that writes to AWS: nothing is lost, and nothing is left."""

from __future__ import annotations

import dataclasses
import uuid
from typing import Any

import pytest

from rehearsal import settings
from tests.support import teardown
from tests.support.aws import Cloud
from tests.support.playbook import Deployment

# provision.yml on this machine up to its last write. It fails after that, because without the dynamic inventory, which
# writes nothing, no host is listed.
PROVISION = ("-i", str(settings.ROOT / "inventory/control.yml"), "--limit", "localhost")
MAIL = ("-e", "guard_mail=teacher@example.org")
FOREVER = 600.0


def kill_after(deployment: Deployment, writes: list[str], count: int) -> None:
    """Run provision.yml and kill it once write number `count` (from 1) has happened, before its answer arrives."""
    cloud, action = deployment.cloud, writes[count - 1]
    before = writes[: count - 1].count(action)
    if before:
        cloud.fault(action, mode="delay", times=before)
    cloud.fault(action, mode="hold", seconds=FOREVER)
    deployment.play_until(lambda: len(cloud.writes()) >= count, "provision", *PROVISION, *MAIL)
    assert cloud.writes() == writes[:count]
    cloud.forget()


def all_there_is(cloud: Cloud) -> dict[str, set[str]]:
    """Everything of the account that a deployment could have made, seen without the product's own eyes."""
    live = {"Name": "instance-state-name", "Values": ["pending", "running", "shutting-down", "stopping", "stopped"]}
    found = cloud.ec2.describe_instances(Filters=[live])["Reservations"]
    seen: dict[str, list[str]] = {
        "instances": [one["InstanceId"] for many in found for one in many["Instances"]],
        "volumes": [one["VolumeId"] for one in cloud.ec2.describe_volumes()["Volumes"]],
        "interfaces": [n["NetworkInterfaceId"] for n in cloud.ec2.describe_network_interfaces()["NetworkInterfaces"]],
        "groups": sorted(cloud.groups()),
        "keys": sorted(cloud.key_pairs()),
        "schedules": [one["Arn"] for one in cloud.client("scheduler").list_schedules()["Schedules"]],
        "schedule groups": [one["Arn"] for one in cloud.client("scheduler").list_schedule_groups()["ScheduleGroups"]],
        "topics": [one["TopicArn"] for one in cloud.client("sns").list_topics()["Topics"]],
        "alarms": [one["AlarmName"] for one in cloud.client("cloudwatch").describe_alarms()["MetricAlarms"]],
        "roles": [one["RoleName"] for one in cloud.client("iam").list_roles()["Roles"]],
    }
    return {kind: set(ids) for kind, ids in seen.items()}


def another(deployment: Deployment) -> Deployment:
    """A deployment of another name with the same cloud and home."""
    return dataclasses.replace(deployment, name=f"crash-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def writes(deployment: Deployment, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The writing calls of a whole provision.yml, in order: these are the points at which it can be killed."""
    whole = another(deployment)
    whole.play("provision", *PROVISION, *MAIL)
    made = deployment.cloud.writes()
    take_down(whole, capsys)
    return made


def take_down(deployment: Deployment, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Tear a deployment down by the modules of teardown.yml; return what was found."""
    found = teardown.listing(deployment.cloud, deployment.name, capsys)
    gone = teardown.removal(deployment.cloud, found, capsys)
    assert (gone["remaining"], gone["problems"]) == ([], [])
    deployment.remove_files()
    deployment.cloud.forget()
    return found


def test_a_teardown_after_any_crash_leaves_nothing(
    deployment: Deployment, writes: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    # Key pair, group, rule, host, and the guards: a role with its policy, a schedule in its group, topic and alarm.
    assert {"ImportKeyPair", "CreateSecurityGroup", "RunInstances", "CreateRole", "CreateSchedule"} <= set(writes)
    empty = all_there_is(deployment.cloud)
    for count in range(1, len(writes) + 1):
        one = another(deployment)
        kill_after(one, writes, count)
        ever = deployment.cloud.instances(one.name, states=(*("pending", "running", "stopped"), "terminated"))
        assert len(ever) == writes[:count].count("RunInstances"), f"after {writes[count - 1]}"
        take_down(one, capsys)
        left = {kind: ids - empty[kind] for kind, ids in all_there_is(deployment.cloud).items() if ids - empty[kind]}
        assert left == {}, f"left by a run that was killed after {writes[count - 1]}"

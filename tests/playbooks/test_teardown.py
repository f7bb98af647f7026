"""teardown.yml removes what carries the deployment's tag, everywhere, and nothing else; its word can be relied upon."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import guard_role

from rehearsal import catalogue, settings
from tests.support import teardown
from tests.support.aws import specification
from tests.support.playbook import Deployment

QUICK = ("-e", "ec2_gpu_host_poll_seconds=0")
ELSEWHERE = "eu-west-1"


@pytest.fixture
def neighbour(deployment: Deployment, tmp_path: Path) -> Iterator[Deployment]:
    """Another deployment in the same account."""
    other = Deployment(f"{deployment.name}-2", deployment.cloud, tmp_path)
    yield other
    other.remove_files()


def make_guards(deployment: Deployment, tagged: bool) -> None:
    """Make what guards a deployment, under its names, with its tag or without. The role has a policy."""
    cloud, name = deployment.cloud, f"gpulab-{deployment.name}"
    tags = [{"Key": "gpulab:deployment", "Value": deployment.name}] if tagged else []
    cloud.client("scheduler").create_schedule_group(Name=name, Tags=tags)
    cloud.client("sns").create_topic(Name=name, Tags=tags)
    alarm = {"Namespace": "AWS/Billing", "MetricName": "EstimatedCharges", "Statistic": "Maximum", "Period": 21600}
    alarm |= {"EvaluationPeriods": 1, "Threshold": 5.0, "ComparisonOperator": "GreaterThanThreshold"}
    cloud.client("cloudwatch").put_metric_alarm(AlarmName=name, Tags=tags, **alarm)
    iam, role = cloud.client("iam"), f"{name}-stop"
    trust = json.dumps(guard_role.trust(settings.ACCOUNT))
    permission = json.dumps(guard_role.permission(settings.ACCOUNT, deployment.name))
    iam.create_role(RoleName=role, AssumeRolePolicyDocument=trust, Tags=tags)
    iam.put_role_policy(RoleName=role, PolicyName="stop", PolicyDocument=permission)


def guards(deployment: Deployment) -> list[str]:
    """Which of these there are."""
    cloud, name = deployment.cloud, f"gpulab-{deployment.name}"
    groups = cloud.client("scheduler").list_schedule_groups()["ScheduleGroups"]
    topics = [one["TopicArn"].rpartition(":")[2] for one in cloud.client("sns").list_topics()["Topics"]]
    alarms = [one["AlarmName"] for one in cloud.client("cloudwatch").describe_alarms()["MetricAlarms"]]
    roles = [one["RoleName"] for one in cloud.client("iam").list_roles()["Roles"]]
    found = {"group": [one["Name"] for one in groups], "topic": topics, "alarm": alarms}
    return [kind for kind, names in found.items() if name in names] + ["role"] * (f"{name}-stop" in roles)


def test_only_what_carries_the_tag_goes_wherever_it_is(deployment: Deployment, neighbour: Deployment) -> None:
    cloud = deployment.cloud
    mine, my_group = deployment.make()
    make_guards(deployment, tagged=True)
    far = cloud.client("ec2", ELSEWHERE)
    image = next(one.id for one in catalogue.images(ELSEWHERE) if "noble" in one.name)
    launch = {"ImageId": image, "InstanceType": "g4dn.xlarge", "MinCount": 1, "MaxCount": 1}
    tags = specification("instance", {"gpulab:deployment": deployment.name})
    distant = far.run_instances(**launch, TagSpecifications=[tags])["Instances"][0]["InstanceId"]
    address = cloud.ec2.allocate_address(TagSpecifications=[specification("elastic-ip", tags_of(deployment))])
    disk = cloud.ec2.create_volume(
        AvailabilityZone=f"{settings.REGION}a", Size=1, TagSpecifications=[specification("volume", tags_of(deployment))]
    )
    other, other_group = neighbour.make()
    make_guards(neighbour, tagged=False)
    untagged = cloud.launch({})

    assert deployment.play("teardown", *QUICK).ok().changed["localhost"] > 0
    assert cloud.state(mine) == "terminated"
    states = far.describe_instances(InstanceIds=[distant])["Reservations"][0]["Instances"][0]["State"]
    assert states["Name"] == "terminated"
    assert [cloud.state(one) for one in (other, untagged)] == ["running", "running"]
    assert {my_group, other_group} & cloud.groups() == {other_group}
    assert {f"gpulab-{one.name}" for one in (deployment, neighbour)} & cloud.key_pairs() == {f"gpulab-{neighbour.name}"}
    assert guards(deployment) == []
    assert guards(neighbour) == ["group", "topic", "alarm", "role"]
    receipt = json.loads((deployment.reports / "teardown.json").read_text())
    assert {r["type"] for r in receipt["removed"]} == {
        *("instance", "volume", "security-group", "key-pair", "elastic-ip"),
        *("schedule-group", "topic", "alarm", "role"),
    }
    assert {mine, distant, address["AllocationId"], disk["VolumeId"]} <= {r["id"] for r in receipt["removed"]}
    assert (receipt["remaining"], receipt["complete"], receipt["usd_per_hour"]) == ([], True, 0.0)

    assert deployment.play("teardown", *QUICK).ok().changed == {"localhost": 0}
    assert json.loads((deployment.reports / "teardown.json").read_text()) == receipt


def tags_of(deployment: Deployment) -> dict[str, str]:
    """The one tag by which a teardown finds what is not a host."""
    return {"gpulab:deployment": deployment.name}


def test_a_host_that_aws_will_not_terminate_keeps_no_other_running(
    deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud = deployment.cloud
    mine, group = deployment.make()
    protected = cloud.launch(deployment.tags)
    cloud.ec2.modify_instance_attribute(InstanceId=protected, DisableApiTermination={"Value": True})
    found = teardown.listing(cloud, deployment.name, capsys)
    assert len(found["money"]) == 2
    gone = teardown.removal(cloud, found, capsys)
    assert (cloud.state(mine), cloud.state(protected)) == ("terminated", "running")
    assert protected in {one["id"] for one in gone["remaining"]}
    assert group not in cloud.groups()
    (problem,) = gone["problems"]
    assert problem.startswith(f"While removing instance {protected}, AWS answered OperationNotPermitted")


def test_a_region_that_may_not_be_looked_at_is_told(deployment: Deployment, capsys: pytest.CaptureFixture[str]) -> None:
    cloud = deployment.cloud
    cloud.refuse("DescribeTags", "UnauthorizedOperation", match=ELSEWHERE)
    found = teardown.listing(cloud, deployment.name, capsys)
    assert found["unseen"] == [{"what": "EC2", "region": ELSEWHERE, "code": "UnauthorizedOperation"}]
    cloud.heal()
    cloud.refuse("DescribeTags", "UnauthorizedOperation", match=settings.REGION)
    refused = teardown.listing(cloud, deployment.name, capsys)
    assert refused["msg"].startswith(f"While listing what carries the tag in {settings.REGION}, AWS answered Unauth")

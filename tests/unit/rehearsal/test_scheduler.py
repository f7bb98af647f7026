"""One-time schedules fire by the cloud's clock, in the name of their role, and AWS's refusals are AWS's."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rehearsal import scheduler
from tests.unit.rehearsal.lab import Lab, described, launch, refusal

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "scheduler.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ],
}
TAGGED = [{"ResourceType": "instance", "Tags": [{"Key": "mine", "Value": "yes"}]}]


def permission(**other: Any) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": "ec2:StopInstances", "Resource": "*", **other}
    return {"Version": "2012-10-17", "Statement": statement}


def role(lab: Lab, policy: dict[str, Any], trust: dict[str, Any] = TRUST) -> str:
    iam = lab.client("iam")
    made = iam.create_role(RoleName="stopper", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    iam.put_role_policy(RoleName="stopper", PolicyName="stop", PolicyDocument=json.dumps(policy))
    return str(made)


def now(lab: Lab) -> datetime:
    return datetime.fromisoformat(lab.control("/_rehearsal/clock")["now"])


def at(lab: Lab, minutes: float) -> str:
    return f"at({now(lab) + timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%S})"


def schedule(lab: Lab, arn: str, ids: list[str], expression: str, **other: Any) -> dict[str, Any]:
    target = {"Arn": scheduler.STOP, "RoleArn": arn, "Input": json.dumps({"InstanceIds": ids})}
    request = {
        "Name": "stop",
        "ScheduleExpression": expression,
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": target,
    }
    answer: dict[str, Any] = lab.client("scheduler").create_schedule(**{**request, **other})
    return answer


def move(lab: Lab, minutes: float) -> None:
    lab.control("/_rehearsal/clock", "POST", {"advance_seconds": minutes * 60})


def names(lab: Lab) -> list[str]:
    return [one["Name"] for one in lab.client("scheduler").list_schedules()["Schedules"]]


def test_it_stops_the_instances_when_its_time_has_come(lab: Lab) -> None:
    ec2 = lab.client("ec2")
    ids = [launch(ec2)["InstanceId"] for _ in range(2)]
    schedule(lab, role(lab, permission()), ids, at(lab, 30), ActionAfterCompletion="DELETE")
    move(lab, 29)
    assert {described(ec2, one)["State"]["Name"] for one in ids} == {"running"}
    move(lab, 2)
    assert {described(ec2, one)["State"]["Name"] for one in ids} == {"stopped"}
    assert "User initiated" in described(ec2, ids[0])["StateTransitionReason"]
    assert names(lab) == []
    assert "StopInstances" not in lab.actions(), "it is no call of the user's"


def test_the_hosts_reconciler_is_told_at_once(hosted: Lab) -> None:
    launched = launch(hosted.client("ec2"))["InstanceId"]
    schedule(hosted, role(hosted, permission()), [launched], at(hosted, 0))
    (told,) = [one for one in hosted.control("/_rehearsal/hosts") if one["id"] == launched]
    assert told["state"] == "stopped"


def test_what_is_to_be_kept_is_kept_and_fires_once(lab: Lab) -> None:
    ec2 = lab.client("ec2")
    instance = launch(ec2)["InstanceId"]
    schedule(lab, role(lab, permission()), [instance], at(lab, 5))
    move(lab, 6)
    assert described(ec2, instance)["State"]["Name"] == "stopped"
    ec2.start_instances(InstanceIds=[instance])
    move(lab, 6)
    assert described(ec2, instance)["State"]["Name"] == "running"
    assert names(lab) == ["stop"]


def test_a_disabled_one_does_nothing(lab: Lab) -> None:
    ec2 = lab.client("ec2")
    instance = launch(ec2)["InstanceId"]
    schedule(lab, role(lab, permission()), [instance], at(lab, 5), State="DISABLED")
    move(lab, 60)
    assert described(ec2, instance)["State"]["Name"] == "running"


def test_a_role_that_may_not_stops_nothing(lab: Lab) -> None:
    ec2, iam = lab.client("ec2"), lab.client("iam")
    instance = launch(ec2, TagSpecifications=TAGGED)["InstanceId"]
    arn = role(lab, permission())
    for policy in (
        permission(Action="ec2:StartInstances"),
        permission(Resource="arn:aws:ec2:eu-west-1:123456789012:instance/*"),
        permission(Condition={"StringEquals": {"aws:ResourceTag/mine": "no"}}),
        permission(Effect="Deny"),
    ):
        iam.put_role_policy(RoleName="stopper", PolicyName="stop", PolicyDocument=json.dumps(policy))
        schedule(lab, arn, [instance], at(lab, 5), ActionAfterCompletion="DELETE")
        move(lab, 6)
        assert described(ec2, instance)["State"]["Name"] == "running"
        reason = lab.control("/_rehearsal/schedule-failures")[-1]["reason"]
        assert f"may not ec2:StopInstances on arn:aws:ec2:us-east-1:123456789012:instance/{instance}" in reason
    assert len(lab.control("/_rehearsal/schedule-failures")) == 4


def test_a_role_bound_to_a_tag_stops_what_carries_it(lab: Lab) -> None:
    ec2 = lab.client("ec2")
    instance = launch(ec2, TagSpecifications=TAGGED)["InstanceId"]
    bound = permission(Condition={"StringEquals": {"aws:ResourceTag/mine": "yes"}})
    schedule(lab, role(lab, bound), [instance], at(lab, 5))
    move(lab, 6)
    assert described(ec2, instance)["State"]["Name"] == "stopped"


def test_one_instance_that_is_gone_saves_the_others_as_at_aws(lab: Lab) -> None:
    ec2 = lab.client("ec2")
    one, other = (launch(ec2)["InstanceId"] for _ in range(2))
    schedule(lab, role(lab, permission()), [one, other], at(lab, 5))
    ec2.terminate_instances(InstanceIds=[one])
    move(lab, 6)
    assert described(ec2, other)["State"]["Name"] == "running"
    assert len(lab.control("/_rehearsal/schedule-failures")) == 1


@pytest.mark.parametrize(
    ("expression", "right"),
    [
        ("at(2026-11-22T10:00:00)", True),
        ("rate(5 minutes)", True),
        ("cron(0 9 ? * MON-FRI *)", True),
        ("whenever", False),
        ("at(2026-11-22)", False),
        ("at(2026-13-22T10:00:00)", False),
        ("at(2026-11-22T10:00:00Z)", False),
        ("rate(0 minutes)", False),
        ("cron(0 9 * * MON)", False),
    ],
)
def test_expressions(expression: str, right: bool) -> None:
    assert scheduler.valid(expression) is right


def test_a_time_zone_counts() -> None:
    assert scheduler.when("at(2026-11-22T10:00:00)", "Europe/Berlin") == datetime(2026, 11, 22, 9, tzinfo=UTC)
    assert scheduler.when("rate(5 minutes)", "UTC") is None


def test_what_aws_refuses(lab: Lab) -> None:
    client, arn = lab.client("scheduler"), role(lab, permission())
    code, message = refusal(lambda: schedule(lab, arn, ["i-1"], "whenever"))
    assert (code, message) == ("ValidationException", "Invalid Schedule Expression whenever.")
    lambdas = {**TRUST, "Statement": [{**TRUST["Statement"][0], "Principal": {"Service": "lambda.amazonaws.com"}}]}
    lab.client("iam").update_assume_role_policy(RoleName="stopper", PolicyDocument=json.dumps(lambdas))
    code, message = refusal(lambda: schedule(lab, arn, ["i-1"], at(lab, 5)))
    assert (code, "must allow AWS EventBridge Scheduler to assume the role" in message) == ("ValidationException", True)
    lab.client("iam").update_assume_role_policy(RoleName="stopper", PolicyDocument=json.dumps(TRUST))
    assert refusal(lambda: schedule(lab, arn, ["i-1"], at(lab, 5), GroupName="none"))[0] == "ResourceNotFoundException"
    assert refusal(lambda: client.list_schedules(GroupName="none"))[0] == "ResourceNotFoundException"
    assert refusal(lambda: client.delete_schedule_group(Name="none"))[0] == "ResourceNotFoundException"
    client.create_schedule_group(Name="mine")
    assert refusal(lambda: client.create_schedule_group(Name="mine"))[0] == "ConflictException"

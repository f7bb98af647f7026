"""The policy that follows from recorded calls."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from rehearsal.calls import CallLog
from rehearsal.iam_policy import iam_policy, needed_actions
from rehearsal.wire import Call

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def entry(service: str, action: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
    log = CallLog()
    log.add(NOON, Call(service, action, "us-east-1", "ec2", params or {}), 200, None, None)
    return log.listed()[0]


@pytest.mark.parametrize(
    ("calls", "actions"),
    [
        ([], []),
        ([("sts", "GetCallerIdentity", {})], []),
        ([("ec2", "DescribeVpcs", {}), ("ec2", "DescribeVpcs", {})], ["ec2:DescribeVpcs"]),
        ([("monitoring", "PutMetricAlarm", {})], ["cloudwatch:PutMetricAlarm", "cloudwatch:TagResource"]),
        ([("iam", "CreateRole", {"RoleName": "gpulab-a-stop"})], ["iam:CreateRole", "iam:TagRole"]),
        ([("scheduler", "GET /schedules", {})], []),
        (
            [("ec2", "RunInstances", {"TagSpecification.1.ResourceType": "instance"})],
            ["ec2:CreateTags", "ec2:RunInstances"],
        ),
        (
            [("ec2", "RunInstances", {"IamInstanceProfile.Name": "p"})],
            ["ec2:RunInstances", "iam:PassRole"],
        ),
        (
            [("scheduler", "CreateSchedule", {"Target": {"RoleArn": "r"}})],
            ["iam:PassRole", "scheduler:CreateSchedule"],
        ),
    ],
)
def test_the_policy_allows_these_calls_and_no_others(
    calls: list[tuple[str, str, dict[str, Any]]], actions: list[str]
) -> None:
    entries = [entry(*call) for call in calls]
    assert needed_actions(entries) == actions
    statements = iam_policy(entries)["Statement"]
    assert sorted(action for statement in statements for action in statement["Action"]) == actions


def test_what_takes_things_away_is_bound_to_our_tag() -> None:
    took = ["DescribeInstances", "RunInstances", "TerminateInstances", "DeleteSecurityGroup"]
    policy = iam_policy(entry("ec2", action) for action in took)
    assert policy["Version"] == "2012-10-17"
    free, bound = policy["Statement"]
    assert free["Action"] == ["ec2:DescribeInstances", "ec2:RunInstances"]
    assert "Condition" not in free
    assert bound["Action"] == ["ec2:DeleteSecurityGroup", "ec2:TerminateInstances"]
    assert bound["Condition"] == {"Null": {"aws:ResourceTag/gpulab:deployment": "false"}}
    assert len({statement["Sid"] for statement in policy["Statement"]}) == 2


def test_no_statement_is_empty() -> None:
    assert iam_policy([])["Statement"] == []
    assert [one["Sid"] for one in iam_policy([entry("ec2", "StopInstances")])["Statement"]] == ["GpulabOwn"]


def test_tags_are_written_at_birth_and_on_what_is_ours() -> None:
    born = entry("ec2", "RunInstances", {"TagSpecification.1.ResourceType": "instance"})
    later = entry("ec2", "CreateTags", {"ResourceId.1": "i-1"})
    own, birth = iam_policy([born, later])["Statement"][1:]
    assert own["Action"] == birth["Action"] == ["ec2:CreateTags"]
    assert own["Condition"] == {"Null": {"aws:ResourceTag/gpulab:deployment": "false"}}
    assert birth["Condition"] == {"StringEquals": {"ec2:CreateAction": ["RunInstances"]}}


def test_what_writes_elsewhere_is_bound_to_our_names() -> None:
    calls = [entry("sns", "DeleteTopic", {"TopicArn": "t"}), entry("sns", "ListSubscriptionsByTopic")]
    free, named = iam_policy(calls)["Statement"]
    assert free["Action"] == ["sns:ListSubscriptionsByTopic"]
    assert (named["Action"], named["Resource"]) == (["sns:DeleteTopic"], ["arn:aws:sns:*:*:gpulab-*"])


def test_roles_go_to_the_scheduler_and_to_services_of_aws_alone() -> None:
    schedule = entry("scheduler", "CreateSchedule", {"Target": {"RoleArn": "r"}})
    spot = entry("ec2", "RunInstances", {"InstanceMarketOptions.MarketType": "spot"})
    statements = {one["Sid"]: one for one in iam_policy([schedule, spot])["Statement"]}
    passed, linked = statements["GpulabSchedulesRole"], statements["GpulabServiceRoles"]
    assert (passed["Action"], passed["Resource"]) == (["iam:PassRole"], ["arn:aws:iam::*:role/gpulab-*"])
    assert passed["Condition"] == {"StringEquals": {"iam:PassedToService": ["scheduler.amazonaws.com"]}}
    assert linked["Action"] == ["iam:CreateServiceLinkedRole"]
    assert linked["Condition"] == {"StringEquals": {"iam:AWSServiceName": ["spot.amazonaws.com"]}}

"""The log of calls and the policy that follows from it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from rehearsal.calls import CallLog, iam_policy, needed_actions
from rehearsal.wire import Call

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def entry(service: str, action: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
    log = CallLog()
    log.add(NOON, Call(service, action, "us-east-1", "ec2", params or {}), 200, None, None)
    return log.listed()[0]


def test_an_entry_has_what_the_protocol_promises() -> None:
    found = entry("ec2", "RunInstances", {"ImageId": "ami-1", "UserData": "c2VjcmV0", "Version": "2016-11-15"})
    assert found == {
        "time": "2026-11-22T12:00:00.000+00:00",
        "service": "ec2",
        "action": "RunInstances",
        "region": "us-east-1",
        "write": True,
        "iam": "ec2:RunInstances",
        "params": {"ImageId": "ami-1", "UserData": "(hidden)"},
        "status": 200,
        "error": None,
        "fault": None,
    }


def test_a_cleared_log_leaves_what_was_read_before() -> None:
    log = CallLog()
    log.add(NOON, Call("ec2", "DescribeVpcs", "us-east-1", "ec2"), 200, None, None)
    read = log.listed()
    log.clear()
    assert (len(read), log.listed()) == (1, [])


@pytest.mark.parametrize(
    ("calls", "actions"),
    [
        ([], []),
        ([("sts", "GetCallerIdentity", {})], []),
        ([("ec2", "DescribeVpcs", {}), ("ec2", "DescribeVpcs", {})], ["ec2:DescribeVpcs"]),
        ([("monitoring", "PutMetricAlarm", {})], ["cloudwatch:PutMetricAlarm"]),
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

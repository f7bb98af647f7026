"""Whether a role may do something: as IAM decides it, for what the schedules' roles have in them."""

from __future__ import annotations

from typing import Any

import pytest

from rehearsal import role_policy

ARN = "arn:aws:ec2:us-east-1:123456789012:instance/i-1"
TAGGED = {"aws:ResourceTag/gpulab:deployment": "class"}


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    allow = {"Effect": "Allow", "Action": "ec2:StopInstances", "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [{**allow, **one} for one in statements]}


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ({}, True),
        ({"Action": "ec2:*"}, True),
        ({"Action": ["EC2:stopinstances"]}, True),
        ({"Action": "ec2:StartInstances"}, False),
        ({"Resource": "arn:aws:ec2:*:123456789012:instance/*"}, True),
        ({"Resource": "arn:aws:ec2:*:123456789012:volume/*"}, False),
        ({"Effect": "Deny"}, False),
        ({"Condition": {"StringEquals": TAGGED}}, True),
        ({"Condition": {"StringLike": {"aws:ResourceTag/gpulab:deployment": ["no", "cl*"]}}}, True),
        ({"Condition": {"StringEquals": {"aws:ResourceTag/gpulab:deployment": "cl*"}}}, False),
        ({"Condition": {"StringEquals": {"aws:ResourceTag/other": "class"}}}, False),
        # What this evaluator does not know allows nothing.
        ({"Condition": {"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}}, False),
    ],
)
def test_one_statement(statement: dict[str, Any], allowed: bool) -> None:
    assert role_policy.permits([document(statement)], "ec2:StopInstances", ARN, TAGGED) is allowed


def test_a_denial_goes_before_everything_and_nothing_allows_nothing() -> None:
    both = [document({}), document({"Effect": "Deny", "Resource": ARN})]
    assert not role_policy.permits(both, "ec2:StopInstances", ARN, {})
    assert role_policy.permits(both, "ec2:StopInstances", ARN + "2", {})
    assert not role_policy.permits([], "ec2:StopInstances", ARN, {})


@pytest.mark.parametrize(
    ("principal", "account", "trusted"),
    [
        ({"Service": "scheduler.amazonaws.com"}, "123456789012", True),
        ({"Service": ["lambda.amazonaws.com", "scheduler.amazonaws.com"]}, "123456789012", True),
        ({"Service": "lambda.amazonaws.com"}, "123456789012", False),
        ({"Service": "scheduler.amazonaws.com"}, "210987654321", False),
        ("*", "123456789012", False),
    ],
)
def test_who_may_take_a_role_on(principal: Any, account: str, trusted: bool) -> None:
    mine = {"StringEquals": {"aws:SourceAccount": account}}
    trust = document({"Principal": principal, "Action": "sts:AssumeRole", "Condition": mine})
    context = {"aws:SourceAccount": "123456789012"}
    assert role_policy.may_assume(trust, "scheduler.amazonaws.com", context) is trusted

"""docs/iam-policy.json allows every playbook what it asks AWS for, and nothing else."""

from __future__ import annotations

import json
import re
from typing import Any

import botocore.session
import pytest
from botocore import xform_name

from rehearsal import iam_policy, settings
from tests.playbooks.conftest import Everyday
from tests.support import iam

POLICY = settings.ROOT / "docs/iam-policy.json"
PRINT = "bin/rehearse --iam-policy > docs/iam-policy.json"
PLUGINS = settings.ROOT / "collections/ansible_collections/gpulab/core/plugins"
# As boto3 calls them, and as IAM does.
SERVICES = {name: name for name in ("cloudwatch", "ec2", "iam", "pricing", "scheduler", "sns", "ssm")}
SERVICES |= {"service-quotas": "servicequotas"}


@pytest.fixture(scope="module")
def policy() -> dict[str, Any]:
    """The policy as it is handed out."""
    read: dict[str, Any] = json.loads(POLICY.read_text())
    return read


def test_it_is_the_policy_of_the_calls_that_are_made(everyday: Everyday, policy: dict[str, Any]) -> None:
    assert iam_policy.iam_policy(everyday.calls) == policy, f"print it anew: {PRINT}"


def test_every_call_is_within_it(everyday: Everyday, policy: dict[str, Any]) -> None:
    asked = [request for call in everyday.calls for request in iam.requests(call, everyday.tags)]
    assert len({one.action for one in asked}) > 40
    outside = {(one.action, one.resource) for one in asked if not iam.allowed(policy, one)}
    assert outside == set()


def test_every_call_that_the_code_names_is_in_it(policy: dict[str, Any]) -> None:
    # Also of a path that is taken seldom. A name may be one of several services'.
    operations: dict[str, set[str]] = {}
    for service, prefix in SERVICES.items():
        for name in botocore.session.get_session().get_service_model(service).operation_names:
            operations.setdefault(xform_name(name), set()).add(f"{prefix}:{name}")
    words = {word for file in PLUGINS.rglob("*.py") for word in re.findall(r"[a-z]+(?:_[a-z]+)+", file.read_text())}
    named = {word: actions for word, actions in operations.items() if word in words}
    assert len(named) > 50
    allowed = {action for statement in policy["Statement"] for action in statement["Action"]}
    assert {word for word, actions in named.items() if not actions & allowed} == set()


def test_it_allows_no_action_that_is_never_asked_for(everyday: Everyday, policy: dict[str, Any]) -> None:
    asked = {request.action for call in everyday.calls for request in iam.requests(call, everyday.tags)}
    allowed = {action for statement in policy["Statement"] for action in statement["Action"]}
    # AWS checks these beside a call that makes something with tags on it; no call of their own is ever made.
    beside = {"cloudwatch:TagResource", "iam:TagRole", "scheduler:TagResource", "sns:TagResource"}
    assert allowed - asked == beside


@pytest.mark.parametrize(
    ("action", "resource", "context"),
    [
        ("ec2:TerminateInstances", "arn:aws:ec2:us-east-1:123456789012:instance/i-1", {}),
        ("ec2:CreateTags", "*", {}),
        ("iam:PassRole", "arn:aws:iam::123456789012:role/admin", {"iam:PassedToService": "scheduler.amazonaws.com"}),
        ("iam:DeleteRole", "arn:aws:iam::123456789012:role/admin", {}),
        ("sns:DeleteTopic", "arn:aws:sns:us-east-1:123456789012:theirs", {}),
        ("iam:CreateUser", "*", {}),
    ],
)
def test_what_is_somebodys_own_is_out_of_its_reach(
    policy: dict[str, Any], action: str, resource: str, context: dict[str, str]
) -> None:
    assert not iam.allowed(policy, iam.Request(action, resource, context))


def test_what_carries_the_tag_is_within_its_reach(policy: dict[str, Any]) -> None:
    tag = {"aws:ResourceTag/gpulab:deployment": "a"}
    arn = "arn:aws:ec2:us-east-1:123456789012:instance/i-1"
    assert iam.allowed(policy, iam.Request("ec2:TerminateInstances", arn, tag))

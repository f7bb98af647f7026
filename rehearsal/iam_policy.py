"""The least-privilege policy that follows from recorded calls. Pure.

What AWS lets a policy bind to a tag or a name, by service:
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

# Needs no permission: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
_FREE = {"sts:GetCallerIdentity"}
# What could change somebody else's things or take them away, and is bound to the tag of the thing.
_BOUND = {
    *("ec2:RebootInstances", "ec2:StartInstances", "ec2:StopInstances", "ec2:TerminateInstances"),
    *("ec2:CancelSpotInstanceRequests", "ec2:ModifyInstanceAttribute", "ec2:CreateTags", "ec2:DeleteTags"),
    *("ec2:AuthorizeSecurityGroupIngress", "ec2:RevokeSecurityGroupIngress"),
    *("ec2:AuthorizeSecurityGroupEgress", "ec2:RevokeSecurityGroupEgress"),
    *("ec2:DeleteKeyPair", "ec2:DeleteLaunchTemplate", "ec2:DeleteNetworkInterface", "ec2:DeleteSecurityGroup"),
    *("ec2:DeleteSnapshot", "ec2:DeleteVolume", "ec2:ReleaseAddress"),
}
_TAG = "gpulab:deployment"
# Where resources are known by a name of ours, and what a name looks like; writing calls are bound to it.
_NAMED = {
    "cloudwatch": ["arn:aws:cloudwatch:*:*:alarm:gpulab-*"],
    "iam": ["arn:aws:iam::*:role/gpulab-*"],
    "scheduler": ["arn:aws:scheduler:*:*:schedule-group/gpulab-*", "arn:aws:scheduler:*:*:schedule/gpulab-*"],
    "sns": ["arn:aws:sns:*:*:gpulab-*"],
}
# Making a thing with tags on it is checked as tagging too. In EC2 that is CreateTags, which names the making call.
_TAGGED = {
    "cloudwatch:PutMetricAlarm": "cloudwatch:TagResource",
    "iam:CreateRole": "iam:TagRole",
    "scheduler:CreateScheduleGroup": "scheduler:TagResource",
    "sns:CreateTopic": "sns:TagResource",
}
_LINK = "iam:CreateServiceLinkedRole"
_PASS = "iam:PassRole"


def needed_actions(calls: Iterable[dict[str, Any]]) -> list[str]:
    """The IAM actions for these calls, sorted: their own, and those that AWS checks beside them."""
    actions: set[str] = set()
    for call in calls:
        # An unnamed REST call ("GET /path") is no IAM action, and a policy with it would be refused whole.
        if " " in call["action"] or not call["action"]:
            continue
        actions.add(call["iam"])
        if tagging := _TAGGED.get(call["iam"]):
            actions.add(tagging)
        if tags_at_birth(call):
            actions.add("ec2:CreateTags")
        if linked_service(call):
            actions.add(_LINK)
        handed = any(name.startswith(("IamInstanceProfile", "RoleArn", "Target")) for name in call["params"])
        if handed and call["write"]:
            actions.add(_PASS)
    return sorted(actions - _FREE)


def tags_at_birth(call: dict[str, Any]) -> bool:
    """Whether a call makes something in EC2 with tags on it; a dry run is checked as the real call is."""
    return call["service"] == "ec2" and any(name.startswith("TagSpecification") for name in call["params"])


def linked_service(call: dict[str, Any]) -> str:
    """The service for which a call may make the account's service-linked role, the first time; "" if for none."""
    if call["iam"] == "servicequotas:RequestServiceQuotaIncrease":
        return "servicequotas.amazonaws.com"
    spot = any(name.startswith("InstanceMarketOptions") for name in call["params"])
    return "spot.amazonaws.com" if call["iam"] == "ec2:RunInstances" and spot else ""


def iam_policy(calls: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """A policy document that allows the actions of these calls and no others.

    What changes or removes EC2's things is allowed on what carries our tag, and tags only on what is being made or
    carries it; what writes elsewhere is allowed on what has a name of ours. The rest is allowed on every resource: AWS
    checks most reading calls against no resource at all, and what is being made has no tag yet.
    """
    recorded = list(calls)
    actions = needed_actions(recorded)
    called = {call["iam"] for call in recorded}
    writing = {call["iam"] for call in recorded if call["write"]} | set(_TAGGED.values())
    named = [one for one in actions if one.partition(":")[0] in _NAMED and one in writing and one not in (_LINK, _PASS)]
    bound = [one for one in actions if one in _BOUND and one in called]
    apart = {*named, *bound, _LINK, _PASS, "ec2:CreateTags"}
    births = sorted({call["action"] for call in recorded if tags_at_birth(call)})
    services = sorted({linked_service(call) for call in recorded} - {""})
    services_named = {one.partition(":")[0] for one in named}
    resources = [arn for service, arns in _NAMED.items() if service in services_named for arn in arns]
    statements = [
        _statement("Gpulab", [one for one in actions if one not in apart]),
        _statement("GpulabOwn", bound, condition={"Null": {f"aws:ResourceTag/{_TAG}": "false"}}),
        _statement(
            "GpulabTagsAtBirth", ["ec2:CreateTags"] if births else [], condition=_equals("ec2:CreateAction", births)
        ),
        _statement("GpulabNamed", named, resources),
        _statement(
            "GpulabSchedulesRole",
            [_PASS] if _PASS in actions else [],
            _NAMED["iam"],
            _equals("iam:PassedToService", ["scheduler.amazonaws.com"]),
        ),
        _statement(
            "GpulabServiceRoles",
            [_LINK] if services else [],
            ["arn:aws:iam::*:role/aws-service-role/*"],
            _equals("iam:AWSServiceName", services),
        ),
    ]
    return {"Version": "2012-10-17", "Statement": [one for one in statements if one["Action"]]}


def _statement(
    sid: str, actions: list[str], resources: list[str] | None = None, condition: dict[str, Any] | None = None
) -> dict[str, Any]:
    found: dict[str, Any] = {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources or "*"}
    return {**found, "Condition": condition} if condition else found


def _equals(key: str, values: list[str]) -> dict[str, Any]:
    return {"StringEquals": {key: values}}

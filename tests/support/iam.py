"""What AWS checks a recorded call for, and whether a policy allows it. Pure; the judge is role_policy, a stand-in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rehearsal import iam_policy, role_policy, settings

# The parameters that name what an EC2 call does something to.
_TARGETS = re.compile(
    r"(?:InstanceId|GroupId|KeyName|VolumeId|NetworkInterfaceId|AllocationId|SnapshotId|LaunchTemplateId"
    r"|SpotInstanceRequestId|ResourceId)(?:\.\d+)?"
)


@dataclass(frozen=True)
class Request:
    """One thing that AWS checks. resource: an ARN, or "*" where the call names none."""

    action: str
    resource: str = "*"
    context: Mapping[str, str] = field(default_factory=dict)


def allowed(policy: dict[str, Any], request: Request) -> bool:
    """Whether the policy allows the request."""
    return role_policy.permits([policy], request.action, request.resource, dict(request.context))


def requests(call: dict[str, Any], tags: Mapping[str, Mapping[str, str]]) -> list[Request]:
    """What AWS checks for one recorded call. tags: those of the resources that existed, by id and by key's name."""
    if call["iam"] == "sts:GetCallerIdentity":
        return []
    found = [Request(call["iam"], resource, context) for resource, context in _things(call, tags)]
    if iam_policy.tags_at_birth(call):
        found.append(Request("ec2:CreateTags", context={"ec2:CreateAction": call["action"]}))
    if service := iam_policy.linked_service(call):
        role = f"arn:aws:iam::{settings.ACCOUNT}:role/aws-service-role/{service}/AWSServiceRole"
        found.append(Request("iam:CreateServiceLinkedRole", role, {"iam:AWSServiceName": service}))
    if role := call["params"].get("Target", {}).get("RoleArn"):
        found.append(Request("iam:PassRole", role, {"iam:PassedToService": "scheduler.amazonaws.com"}))
    return found


def _things(call: dict[str, Any], tags: Mapping[str, Mapping[str, str]]) -> list[tuple[str, Mapping[str, str]]]:
    params, region = call["params"], call["region"]
    if call["service"] == "ec2" and call["write"]:
        ids = [value for name, value in params.items() if _TARGETS.fullmatch(name)]
        context = [{f"aws:ResourceTag/{key}": value for key, value in tags.get(one, {}).items()} for one in ids]
        return [(f"arn:aws:ec2:{region}:{settings.ACCOUNT}:*/{i}", c) for i, c in zip(ids, context, strict=True)] or [
            ("*", {})
        ]
    if not call["write"]:
        return [("*", {})]
    return [(arn, {}) for arn in _named(call["service"], region, params)] or [("*", {})]


def _named(service: str, region: str, params: dict[str, Any]) -> list[str]:
    """The ARNs of what a writing call names."""
    account = settings.ACCOUNT
    if service == "iam":
        return [f"arn:aws:iam::{account}:role/{params['RoleName']}"]
    if service == "sns":
        return [params.get("TopicArn") or f"arn:aws:sns:{region}:{account}:{params['Name']}"]
    if service == "monitoring":
        names = params.get("AlarmNames") or [params["AlarmName"]]
        return [f"arn:aws:cloudwatch:{region}:{account}:alarm:{name}" for name in names]
    if service == "scheduler":
        # In a body it is GroupName, in a query groupName.
        group = params.get("GroupName", params.get("groupName"))
        path = f"schedule/{group}/{params['Name']}" if group else f"schedule-group/{params['Name']}"
        return [f"arn:aws:scheduler:{region}:{account}:{path}"]
    return []

"""The log of every call that AWS was asked for, and the least-privilege policy that follows from it."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from rehearsal import wire

# Needs no permission: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
_FREE = {"sts:GetCallerIdentity"}
# What could take somebody else's things away, and what AWS lets a policy bind to a tag of the thing:
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
_BOUND = {
    *("ec2:RebootInstances", "ec2:StartInstances", "ec2:StopInstances", "ec2:TerminateInstances"),
    *("ec2:DeleteKeyPair", "ec2:DeleteNetworkInterface", "ec2:DeleteSecurityGroup", "ec2:DeleteVolume"),
    "ec2:ReleaseAddress",
}
_TAG = "gpulab:deployment"


class CallLog:
    """Calls in the order of their answers. Thread-safe."""

    def __init__(self) -> None:
        self._calls: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def add(self, when: datetime, call: wire.Call, status: int, error: str | None, fault: str | None) -> None:
        """Record a call with its answer; `fault` is the mode of the rule that touched it, if one did."""
        entry = {
            "time": when.isoformat(timespec="milliseconds"),
            "service": call.service,
            "action": call.action,
            "region": call.region,
            "write": call.write,
            "iam": call.iam,
            "params": wire.abridge(call.params),
            "status": status,
            "error": error,
            "fault": fault,
        }
        with self._lock:
            self._calls.append(entry)

    def listed(self) -> list[dict[str, Any]]:
        """A copy of the entries, oldest first."""
        with self._lock:
            return list(self._calls)

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._calls.clear()


def needed_actions(calls: Iterable[dict[str, Any]]) -> list[str]:
    """The IAM actions for these calls, sorted: their own, and those that AWS checks beside them."""
    actions: set[str] = set()
    for call in calls:
        # An unnamed REST call ("GET /path") is no IAM action, and a policy with it would be refused whole.
        if " " in call["action"] or not call["action"]:
            continue
        actions.add(call["iam"])
        params = call["params"]
        # Tags in a creating call are checked as CreateTags, a role that is handed on as PassRole.
        if call["service"] == "ec2" and call["write"] and any(name.startswith("TagSpecification") for name in params):
            actions.add("ec2:CreateTags")
        # The first request of an account makes the role by which Service Quotas acts for it.
        if call["iam"] == "servicequotas:RequestServiceQuotaIncrease":
            actions.add("iam:CreateServiceLinkedRole")
        if any(name.startswith(("IamInstanceProfile", "RoleArn", "Target")) for name in params) and call["write"]:
            actions.add("iam:PassRole")
    return sorted(actions - _FREE)


def iam_policy(calls: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """A policy document that allows the actions of these calls and no others.

    What ends or removes things is allowed on what carries our tag, the rest on every resource: AWS checks most reading
    calls against no resource at all.
    """
    actions = needed_actions(calls)
    free = {"Sid": "Gpulab", "Effect": "Allow", "Action": [a for a in actions if a not in _BOUND], "Resource": "*"}
    tagged = {"Null": {f"aws:ResourceTag/{_TAG}": "false"}}
    bound = {
        "Sid": "GpulabOwn",
        "Effect": "Allow",
        "Action": [a for a in actions if a in _BOUND],
        "Resource": "*",
        "Condition": tagged,
    }
    return {"Version": "2012-10-17", "Statement": [one for one in (free, bound) if one["Action"]]}

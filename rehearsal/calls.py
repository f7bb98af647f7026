"""The log of every call that AWS was asked for, and the least-privilege policy that follows from it."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from rehearsal import wire

# Needs no permission: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
_FREE = {"sts:GetCallerIdentity"}


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
        if any(name.startswith(("IamInstanceProfile", "RoleArn", "Target")) for name in params) and call["write"]:
            actions.add("iam:PassRole")
    return sorted(actions - _FREE)


def iam_policy(calls: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """A policy document that allows the actions of these calls, on every resource, and no others."""
    actions = needed_actions(calls)
    statements = [{"Sid": "Gpulab", "Effect": "Allow", "Action": actions, "Resource": "*"}] if actions else []
    return {"Version": "2012-10-17", "Statement": statements}

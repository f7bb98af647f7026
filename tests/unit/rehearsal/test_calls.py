"""The log of calls."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from rehearsal.calls import CallLog
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

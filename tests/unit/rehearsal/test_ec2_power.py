"""The module ec2_power against the embedded AWS: one call for all, and none that keeps another back."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.amazon.aws.plugins.module_utils.retries import RetryingBotoClientWrapper
from ansible_collections.gpulab.core.plugins.module_utils.ec2_calls import RETRY, Stop
from ansible_collections.gpulab.core.plugins.modules import ec2_power

from tests.unit.rehearsal.lab import Lab, launch


def power(lab: Lab, ids: list[str], state: str, check_mode: bool = False) -> tuple[dict[str, str], bool]:
    params: dict[str, Any] = {"ids": ids, "state": state, "poll_seconds": 0, "poll_retries": 3}
    ec2 = RetryingBotoClientWrapper(lab.client("ec2"), RETRY)
    answer: tuple[dict[str, str], bool] = ec2_power.bring(ec2, params, check_mode)
    return answer


def test_all_are_stopped_and_started_by_one_call_each(lab: Lab) -> None:
    ids = [launch(lab.client("ec2"))["InstanceId"] for _ in range(3)]
    assert power(lab, ids, "stopped", check_mode=True) == (dict.fromkeys(ids, "running"), True)
    assert power(lab, ids, "stopped") == (dict.fromkeys(ids, "stopped"), True)
    assert power(lab, ids, "stopped") == (dict.fromkeys(ids, "stopped"), False)
    assert power(lab, ids, "running")[1] is True
    assert [a for a in lab.actions() if a in ("StopInstances", "StartInstances")] == ["StopInstances", "StartInstances"]


def test_one_that_aws_refuses_keeps_no_other_back(lab: Lab) -> None:
    ids = [launch(lab.client("ec2"))["InstanceId"] for _ in range(2)]
    power(lab, ids, "stopped")
    full = {"action": "StartInstances", "code": "InsufficientInstanceCapacity", "message": "no room"}
    lab.control("/_rehearsal/faults", "POST", {**full, "match": ids[0], "times": 10})
    with pytest.raises(Stop, match=rf"1 of 2 hosts are not running \({ids[0]} is stopped\).*AWS has no such host free"):
        power(lab, ids, "running")
    lab.control("/_rehearsal/faults", "DELETE")
    assert power(lab, ids, "running") == (dict.fromkeys(ids, "running"), True)

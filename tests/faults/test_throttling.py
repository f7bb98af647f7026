"""AWS is too busy: three times, which nobody notices; for ever, which ends."""

from __future__ import annotations

import time

import pytest
from ansible_collections.gpulab.core.plugins.module_utils.ec2_calls import Stop

from tests.support.launching import launch, names
from tests.support.planning import plan
from tests.support.playbook import Deployment


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tested is how often is asked, not how long the pauses are."""
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)


@pytest.mark.parametrize("code", ["RequestLimitExceeded", "Throttling"])
def test_fault_01_three_refusals_for_lack_of_time_make_one_host(deployment: Deployment, code: str) -> None:
    cloud = deployment.cloud
    for action in ("DescribeVpcs", "GetParameters", "GetCallerIdentity", "RunInstances"):
        cloud.refuse(action, code, times=3, status=503 if action.startswith("Run") else 400)
    assert plan(deployment)["missing"] == [deployment.name]
    launch(deployment, deployment.name)
    assert list(names(cloud, deployment)) == [deployment.name]
    assert len(cloud.calls("RunInstances")) == 4
    assert plan(deployment)["missing"] == []


def test_fault_02_throttling_for_ever_ends_with_the_code_and_when_to_try_again(deployment: Deployment) -> None:
    cloud = deployment.cloud
    cloud.refuse("DescribeVpcs", "RequestLimitExceeded", times=1000, status=503)
    with pytest.raises(Stop, match=r"AWS answered RequestLimitExceeded: AWS is throttling this account: wait a minute"):
        plan(deployment)
    # Six tries of RETRY, two attempts of botocore each: some twenty seconds with the pauses.
    assert len(cloud.calls("DescribeVpcs")) == 12
    cloud.heal()
    cloud.refuse("RunInstances", "RequestLimitExceeded", times=1000, status=503)
    with pytest.raises(Stop, match=r"AWS answered RequestLimitExceeded: .*wait a minute"):
        launch(deployment, deployment.name)
    assert cloud.instances(deployment.name) == []


def test_fault_02_a_price_list_that_does_not_answer_is_not_waited_for(deployment: Deployment) -> None:
    deployment.cloud.refuse("GetProducts", "ThrottlingException", times=1000)
    made = plan(deployment)
    assert made["price"]["source"] == "table in gpulab.core"
    assert "AWS answered ThrottlingException" in made["notes"][0]
    assert len(deployment.cloud.calls("GetProducts")) <= 3

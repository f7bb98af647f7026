"""AWS has no host free: in one zone, of one type, anywhere."""

from __future__ import annotations

import pytest

from rehearsal import settings
from tests.support.aws import Cloud
from tests.support.playbook import Deployment

CAPACITY = "InsufficientInstanceCapacity"


def no_room(cloud: Cloud, times: int, zone: str, *others: str, match: str = "") -> None:
    """Refuse launches in AWS's words and with its status, after which botocore alone would ask four times more."""
    text = f"We currently do not have sufficient capacity in the Availability Zone you requested ({zone})."
    if others:
        text += (
            f" You can get it by not specifying an Availability Zone in your request or choosing {', '.join(others)}."
        )
    cloud.fault("RunInstances", code=CAPACITY, message=text, status=500, times=times, match=match)


def asked(cloud: Cloud) -> list[tuple[str, str]]:
    """Type and zone of each launch that was asked for."""
    launches = [call["params"] for call in cloud.calls("RunInstances")]
    return [(p["InstanceType"], p.get("Placement.AvailabilityZone", "")) for p in launches]


def test_a_full_zone_costs_two_calls(deployment: Deployment) -> None:
    cloud = deployment.cloud
    no_room(cloud, 1, "us-east-1a", "us-east-1c", "us-east-1b")
    run = deployment.provision().ok()
    assert asked(cloud) == [("g4dn.xlarge", ""), ("g4dn.xlarge", "us-east-1c")]
    (host,) = cloud.instances(deployment.name)
    assert host["Placement"]["AvailabilityZone"] == "us-east-1c"
    assert f"AWS refused 1 of the launches ({CAPACITY}); {host['InstanceId']} is a g4dn.xlarge at $0." in run.flat


def test_a_type_that_is_nowhere_leads_to_the_next_at_its_own_price(deployment: Deployment) -> None:
    cloud = deployment.cloud
    no_room(cloud, 100, "us-east-1a", match="g4dn")
    run = deployment.provision().ok()
    (host,) = cloud.instances(deployment.name)
    assert host["InstanceType"] == "g5.xlarge"
    assert "is a g5.xlarge at $1." in run.flat
    kinds = [kind for kind, _ in asked(cloud)]
    assert kinds == ["g4dn.xlarge"] * (len(kinds) - 1) + ["g5.xlarge"]


def test_no_room_anywhere_is_a_table_and_leaves_nothing_running(deployment: Deployment) -> None:
    cloud = deployment.cloud
    no_room(cloud, 100, "us-east-1a")
    run = deployment.provision()
    assert run.code != 0
    launches = asked(cloud)
    assert f"AWS has no host free in {settings.REGION}: {len(launches)} launches were refused" in run.flat
    assert len(set(launches)) == len(launches), "no launch is asked for twice"
    assert {kind for kind, _ in launches} == {"g4dn.xlarge", "g5.xlarge", "g6.xlarge"}
    for kind, zone in launches:
        assert f"{kind} {zone or 'any zone'} {CAPACITY}" in run.flat
    assert cloud.instances(deployment.name) == []


@pytest.mark.parametrize("code", ["VcpuLimitExceeded"])
def test_a_used_up_quota_is_no_lack_of_capacity(deployment: Deployment, code: str) -> None:
    deployment.cloud.refuse("RunInstances", code)
    deployment.provision().refused(f"AWS answered {code}: the account's vCPU quota for this family is used up")
    assert asked(deployment.cloud) == [("g4dn.xlarge", "")]

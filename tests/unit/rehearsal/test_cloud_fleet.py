"""Several instances by one call, and spot instances, in the embedded AWS, through boto3."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.rehearsal.lab import Lab, described, noble, refusal


def run(ec2: Any, least: int, most: int, **more: Any) -> list[dict[str, Any]]:
    """RunInstances of g4dn.xlarge; returns the answer's instances."""
    answer = ec2.run_instances(ImageId=noble(), InstanceType="g4dn.xlarge", MinCount=least, MaxCount=most, **more)
    return list(answer["Instances"])


def spot(kind: str) -> dict[str, Any]:
    options = {"SpotInstanceType": kind, "InstanceInterruptionBehavior": "stop"}
    return {"InstanceMarketOptions": {"MarketType": "spot", "SpotOptions": options}}


def test_the_instances_of_one_call_are_counted_and_a_repeated_call_is_the_same(lab: Lab) -> None:
    ec2 = lab.client("ec2")
    rule = {"action": "RunInstances", "mode": "fewer", "count": 2}
    lab.control("/_rehearsal/faults", "POST", rule)
    first = run(ec2, 1, 5, ClientToken="fleet")
    assert [one["AmiLaunchIndex"] for one in first] == [0, 1]
    again = run(ec2, 1, 5, ClientToken="fleet")
    assert [one["InstanceId"] for one in again] == [one["InstanceId"] for one in first]
    assert [one["AmiLaunchIndex"] for one in run(ec2, 1, 3)] == [0, 1, 2]
    assert described(ec2, first[1]["InstanceId"])["AmiLaunchIndex"] == 1


def test_fewer_than_the_least_are_never_launched(lab: Lab) -> None:
    lab.control("/_rehearsal/faults", "POST", {"action": "RunInstances", "mode": "fewer", "count": 1})
    assert len(run(lab.client("ec2"), 3, 5)) == 3


@pytest.mark.parametrize(("kind", "after"), [("persistent", ["active"]), ("one-time", ["closed"])])
def test_a_persistent_spot_request_outlives_its_instance(lab: Lab, kind: str, after: list[str]) -> None:
    ec2 = lab.client("ec2")
    tags = [{"ResourceType": "spot-instances-request", "Tags": [{"Key": "gpulab:deployment", "Value": "lab"}]}]
    (instance,) = run(ec2, 1, 1, TagSpecifications=tags, **spot(kind))
    mine = [{"Name": "tag:gpulab:deployment", "Values": ["lab"]}]
    (request,) = ec2.describe_spot_instance_requests(Filters=mine)["SpotInstanceRequests"]
    assert (request["Type"], request["State"], request["InstanceId"]) == (kind, "active", instance["InstanceId"])
    assert described(ec2, instance["InstanceId"])["SpotInstanceRequestId"] == request["SpotInstanceRequestId"]
    ec2.terminate_instances(InstanceIds=[instance["InstanceId"]])
    found = ec2.describe_spot_instance_requests(Filters=mine)["SpotInstanceRequests"]
    assert [one["State"] for one in found] == after
    running = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]
    left = ec2.describe_instances(Filters=running)["Reservations"]
    assert len(left) == (1 if kind == "persistent" else 0)


def test_what_a_one_time_request_launched_cannot_be_stopped(lab: Lab) -> None:
    ec2 = lab.client("ec2")
    (instance,) = run(ec2, 1, 1, **spot("one-time"))
    code, message = refusal(lambda: ec2.stop_instances(InstanceIds=[instance["InstanceId"]]))
    assert code == "UnsupportedOperation"
    assert "one-time Spot Instance request" in message

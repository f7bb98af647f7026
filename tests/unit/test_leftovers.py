"""What AWS describes, as items with age and price."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import leftovers

BORN = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


def instance(**more: Any) -> dict[str, Any]:
    usual = {"InstanceId": "i-1", "InstanceType": "g4dn.xlarge", "LaunchTime": BORN, "State": {"Name": "running"}}
    return {**usual, **more}


def test_an_item_says_what_it_is() -> None:
    tags = [{"Key": "Name", "Value": "lab"}, {"Key": "gpulab:deployment", "Value": "a"}]
    assert leftovers.item("instance", instance(Tags=tags), "us-east-1") == {
        "type": "instance",
        "id": "i-1",
        "region": "us-east-1",
        "name": "lab",
        "born": "2026-11-22T09:30:00Z",
        "usd_per_hour": 0.531,
        "goes_with": "",
    }


@pytest.mark.parametrize(
    ("kind", "answer", "usd"),
    [
        ("instance", instance(State={"Name": "stopped"}), 0.0),
        ("instance", instance(InstanceType="zz9.plural"), None),
        ("volume", {"Size": 100}, 0.011),
        ("snapshot", {"VolumeSize": 730}, 0.05),
        ("elastic-ip", {}, 0.005),
        ("elastic-ip", {"InstanceId": "i-1"}, 0.0),
        ("security-group", {}, 0.0),
    ],
)
def test_the_price_of_an_hour(kind: str, answer: dict[str, Any], usd: float | None) -> None:
    assert leftovers.usd_per_hour(kind, answer, "us-east-1") == usd


@pytest.mark.parametrize(
    ("answer", "there"),
    [
        ({"State": {"Name": "terminated"}}, False),
        ({"State": {"Name": "shutting-down"}}, True),
        ({"State": "cancelled"}, False),
        ({"State": "in-use"}, True),
        ({}, True),
    ],
)
def test_what_is_gone_is_listed_for_a_while(answer: dict[str, Any], there: bool) -> None:
    assert leftovers.exists(answer) is there


def test_what_goes_with_its_host() -> None:
    host = instance(
        BlockDeviceMappings=[
            {"Ebs": {"VolumeId": "vol-root", "DeleteOnTermination": True}},
            {"Ebs": {"VolumeId": "vol-data", "DeleteOnTermination": False}},
            {"VirtualName": "ephemeral0"},
        ],
        NetworkInterfaces=[{"NetworkInterfaceId": "eni-1", "Attachment": {"DeleteOnTermination": True}}],
    )
    taken = leftovers.taken_along([host])
    assert taken == {"vol-root": "i-1", "eni-1": "i-1"}
    assert leftovers.item("volume", {"VolumeId": "vol-root", "Size": 8}, "r", taken)["goes_with"] == "i-1"
    assert leftovers.item("volume", {"VolumeId": "vol-data", "Size": 8}, "r", taken)["goes_with"] == ""


def test_a_host_launched_with_others_has_its_own_name() -> None:
    tags = [{"Key": "Name", "Value": "class"}, {"Key": "gpulab:hosts", "Value": "anna ben"}]
    assert leftovers.item("instance", instance(Tags=tags, AmiLaunchIndex=1), "r")["name"] == "ben"


def test_what_outlives_the_hosts_and_is_somebodys() -> None:
    host = instance(
        BlockDeviceMappings=[
            {"Ebs": {"VolumeId": "vol-root", "DeleteOnTermination": True}},
            {"Ebs": {"VolumeId": "vol-data", "DeleteOnTermination": False}},
            {"Ebs": {"VolumeId": "vol-tagged", "DeleteOnTermination": False}},
        ],
        NetworkInterfaces=[
            {
                "NetworkInterfaceId": "eni-first",
                "Attachment": {"DeleteOnTermination": True},
                "Association": {"IpOwnerId": "amazon", "PublicIp": "203.0.113.1"},
            },
            {
                "NetworkInterfaceId": "eni-extra",
                "Attachment": {"DeleteOnTermination": False},
                "Association": {"IpOwnerId": "123456789012", "PublicIp": "203.0.113.2"},
            },
        ],
    )
    found = leftovers.foreign([host], {"vol-tagged"})
    assert found == leftovers.Foreign(["vol-data"], ["eni-extra"], ["203.0.113.2"])


def test_an_address_of_somebodys_costs_once_its_host_is_gone() -> None:
    address = {"AllocationId": "eipalloc-1", "InstanceId": "i-1", "PublicIp": "203.0.113.2"}
    assert leftovers.kept("elastic-ip", address, "r")["usd_per_hour"] == 0.005


def test_what_is_not_known_here_has_no_price_and_does_not_spoil_the_sum() -> None:
    items = [leftovers.other("placement-group", "pg-1", "r"), leftovers.other("role", "gpulab-a-stop", "r")]
    assert [one["usd_per_hour"] for one in items] == [None, 0.0]
    assert leftovers.total([*items, leftovers.item("volume", {"VolumeId": "vol-1", "Size": 730}, "r")]) == 0.08

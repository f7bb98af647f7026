"""AWS has no host free: in one zone, of one type, as spot, anywhere."""

from __future__ import annotations

import pytest
from ansible_collections.gpulab.core.plugins.module_utils.ec2_calls import Stop

from rehearsal import settings
from tests.support.aws import tags_of
from tests.support.launching import asked, launch, names, no_room
from tests.support.playbook import Deployment

CAPACITY = "InsufficientInstanceCapacity"


def test_fault_03_a_full_zone_costs_two_calls_and_room_for_some_a_third(deployment: Deployment) -> None:
    cloud = deployment.cloud
    no_room(cloud, 1, "us-east-1a", "us-east-1c", "us-east-1b")
    cloud.fault("RunInstances", mode="fewer", count=2)
    run = deployment.provision("-e", "gpu_host_count=3").ok()
    assert asked(cloud) == [("g4dn.xlarge", zone) for zone in ("", "us-east-1c", "us-east-1b")]
    hosts = names(cloud, deployment)
    assert list(hosts) == [deployment.name, f"{deployment.name}-2", f"{deployment.name}-3"]
    zones = [host["Placement"]["AvailabilityZone"] for host in hosts.values()]
    assert zones == ["us-east-1c", "us-east-1c", "us-east-1b"]
    assert f"AWS refused 2 of the launches ({CAPACITY})." in run.flat
    assert "are g4dn.xlarge in us-east-1c, us-east-1b, on-demand, at $0." in run.flat
    config = (deployment.local / "ssh_config").read_text()
    pins = (deployment.local / "known_hosts").read_text()
    for name, host in hosts.items():
        assert f"Host {name}\n    HostName {host['PublicIpAddress']}" in config
        assert f"{host['InstanceId']} ssh-ed25519 " in pins
    cloud.forget()
    assert deployment.provision("-e", "gpu_host_count=3").ok().changed == {"localhost": 0}
    assert cloud.writes() == []
    assert cloud.calls("GetConsoleOutput") == []


def test_fault_04_no_room_anywhere_is_a_table_and_leaves_nothing_running(deployment: Deployment) -> None:
    cloud = deployment.cloud
    no_room(cloud, 100, "us-east-1a")
    run = deployment.provision()
    assert run.code != 0
    launches = asked(cloud)
    assert f"AWS has no host free in {settings.REGION}: {len(launches)} launches were refused" in run.flat
    assert len(set(launches)) == len(launches), "no launch is asked for twice"
    assert {kind for kind, _ in launches} == {"g4dn.xlarge", "g5.xlarge", "g6.xlarge"}
    for kind, zone in launches:
        assert f"{kind} {zone or 'any zone'} on-demand {CAPACITY}" in run.flat
    assert cloud.instances(deployment.name) == []


def test_fault_04_a_type_that_is_nowhere_leads_to_the_next(deployment: Deployment) -> None:
    no_room(deployment.cloud, 100, "us-east-1a", match="g4dn")
    launched, attempts, refusal = launch(deployment, "anna", "ben")
    assert [host["InstanceType"] for host in launched.values()] == ["g5.xlarge", "g5.xlarge"]
    assert {a["instance_type"] for a in attempts} == {"g4dn.xlarge"}
    assert refusal == ""


def test_fault_04_what_could_be_launched_is_kept_and_the_rest_told(deployment: Deployment) -> None:
    deployment.cloud.fault("RunInstances", mode="fewer", count=1)
    no_room(deployment.cloud, 100, "us-east-1a")
    launched, attempts, refusal = launch(deployment, "anna", "ben", "cleo", instance_types=["g4dn.xlarge"])
    assert list(launched) == ["anna"] == list(names(deployment.cloud, deployment))
    assert "ben, cleo could not be launched" in refusal
    assert "1 of 3 were launched" in refusal
    zones = [a["zone"] for a in attempts]
    assert len(set(zones)) == len(zones), "no zone is asked twice"


def test_fault_05_a_used_up_quota_is_no_lack_of_capacity(deployment: Deployment) -> None:
    deployment.cloud.refuse("RunInstances", "VcpuLimitExceeded", match="g4dn|g5")
    # G types share a quota, so only the P type is worth another call.
    launched, _, _ = launch(deployment, "anna")
    assert asked(deployment.cloud) == [("g4dn.xlarge", ""), ("p4d.24xlarge", "")]
    assert launched["anna"]["InstanceType"] == "p4d.24xlarge"


@pytest.mark.parametrize("code", ["MaxSpotInstanceCountExceeded", "SpotMaxPriceTooLow"])
def test_fault_07_spot_becomes_on_demand_only_where_that_is_allowed(deployment: Deployment, code: str) -> None:
    cloud = deployment.cloud
    cloud.refuse("RunInstances", code, match="MarketType=spot")
    types = ["g4dn.xlarge"]
    with pytest.raises(Stop, match=code):
        launch(deployment, "anna", market="spot", instance_types=types)
    assert cloud.instances(deployment.name) == []
    refused = len(cloud.calls("RunInstances"))
    # A quota is the same in every zone, a price is not.
    assert (refused == 1) is (code == "MaxSpotInstanceCountExceeded")
    launched, attempts, _ = launch(deployment, "anna", market="spot", spot_fallback=True, instance_types=types)
    assert "InstanceLifecycle" not in launched["anna"]
    assert {(a["market"], a["code"]) for a in attempts} == {("spot", code)}


def test_fault_07_a_spot_host_can_be_stopped_and_its_request_carries_the_tag(deployment: Deployment) -> None:
    ec2 = deployment.cloud.ec2
    launched, _, _ = launch(deployment, "anna", "ben", market="spot")
    assert [host["InstanceLifecycle"] for host in launched.values()] == ["spot", "spot"]
    mine = [{"Name": "tag:gpulab:deployment", "Values": [deployment.name]}]
    requests = ec2.describe_spot_instance_requests(Filters=mine)["SpotInstanceRequests"]
    assert [one["InstanceInterruptionBehavior"] for one in requests] == ["stop", "stop"]
    anna = launched["anna"]["InstanceId"]
    ec2.stop_instances(InstanceIds=[anna])
    assert deployment.cloud.state(anna) == "stopped"
    # What is terminated before its request was cancelled comes back: the reason why teardown cancels first.
    ec2.terminate_instances(InstanceIds=[anna])
    assert len(deployment.cloud.instances(deployment.name)) == 2
    ec2.cancel_spot_instance_requests(SpotInstanceRequestIds=[one["SpotInstanceRequestId"] for one in requests])
    ec2.terminate_instances(InstanceIds=[one["InstanceId"] for one in deployment.cloud.instances(deployment.name)])
    assert deployment.cloud.instances(deployment.name) == []


def test_fault_08_a_subnet_without_free_addresses_leads_to_the_next(deployment: Deployment) -> None:
    cloud = deployment.cloud
    cloud.refuse("RunInstances", "InsufficientFreeAddressesInSubnet", times=2)
    launched, attempts, _ = launch(deployment, "anna")
    assert [zone for _, zone in asked(cloud)] == ["", "us-east-1a", "us-east-1b"]
    assert launched["anna"]["Placement"]["AvailabilityZone"] == "us-east-1b"
    assert len(attempts) == 2
    assert tags_of(launched["anna"])["gpulab:host"] == "anna"

"""Faults 26 and 28: hosts that somebody stopped, and addresses that changed meanwhile."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.support.playbook import Deployment

QUICK = ("-e", "ec2_gpu_host_poll_seconds=0")


def addresses(deployment: Deployment) -> list[str]:
    """The addresses in the ssh config."""
    return re.findall(r"HostName (\S+)", (deployment.local / "ssh_config").read_text())


@pytest.fixture(scope="module")
def again(shared: Deployment) -> dict[str, Any]:
    """A host that was stopped behind gpulab's back, and provisioned again: what was there before, and the writes."""
    cloud = shared.cloud
    instance, _ = shared.make()
    shared.play("start", "--limit", "localhost", *QUICK).ok()
    before = {"address": cloud.instances(shared.name)[0]["PublicIpAddress"], "config": addresses(shared)}
    before["pinned"] = (shared.local / "known_hosts").read_text()
    cloud.ec2.stop_instances(InstanceIds=[instance])
    cloud.forget()
    shared.provision(*QUICK).ok()
    return {**before, "id": instance, "writes": cloud.writes()}


def test_fault_26_a_host_that_was_stopped_outside_is_started_with_its_stop_set_before(
    shared: Deployment, again: dict[str, Any]
) -> None:
    (one,) = shared.cloud.instances(shared.name)
    assert (one["InstanceId"], one["State"]["Name"]) == (again["id"], "running")
    assert "RunInstances" not in again["writes"], "it is the same host"
    assert again["writes"].index("CreateSchedule") < again["writes"].index("StartInstances")


def test_fault_28_the_address_after_a_start_is_followed_and_the_pinned_key_stays(
    shared: Deployment, again: dict[str, Any]
) -> None:
    (one,) = shared.cloud.instances(shared.name)
    assert one["PublicIpAddress"] != again["address"]
    assert (again["config"], addresses(shared)) == ([again["address"]], [one["PublicIpAddress"]])
    # The pinned key stands under the instance's id, which is the same, and not under an address.
    assert (shared.local / "known_hosts").read_text() == again["pinned"]
    assert again["pinned"].startswith(f"{again['id']} ")


def test_fault_28_the_callers_address_changed_and_its_rule_follows_alone(deployment: Deployment) -> None:
    cloud = deployment.cloud
    _, group = deployment.make()
    foreign = {"IpProtocol": "tcp", "FromPort": 8080, "ToPort": 8080, "IpRanges": [{"CidrIp": "198.51.100.0/24"}]}
    cloud.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[foreign])
    cloud.forget()
    run = deployment.play("provision", "--tags", "access", "-e", "allowed_cidr=203.0.113.9/32").ok()
    assert set(cloud.writes()) == {"AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress"}
    (found,) = cloud.ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]
    rules = {(p["FromPort"], r["CidrIp"]) for p in found["IpPermissions"] for r in p["IpRanges"]}
    assert rules == {(22, "203.0.113.9/32"), (8080, "198.51.100.0/24")}
    assert {host: count for host, count in run.changed.items() if count} == {"localhost": 1}
    assert not (deployment.local / "ssh_config").exists(), "nothing else is done"

"""The life of instances and addresses in the embedded AWS, through boto3."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from cryptography.hazmat.primitives import serialization

from rehearsal import settings
from tests.unit.rehearsal.lab import Lab, described, launch, refusal


def test_stop_and_start_change_the_address_and_terminated_stays_terminated(lab: Lab) -> None:
    ec2 = lab.client("ec2")
    ids = [launch(ec2)["InstanceId"]]
    first = described(ec2, ids[0])
    assert ipaddress.ip_address(first["PublicIpAddress"]).is_loopback
    ec2.start_instances(InstanceIds=ids)
    assert described(ec2, ids[0])["PublicIpAddress"] == first["PublicIpAddress"]
    ec2.stop_instances(InstanceIds=ids)
    stopped = described(ec2, ids[0])
    assert stopped["State"]["Name"] == "stopped"
    assert "PublicIpAddress" not in stopped
    assert stopped["PrivateIpAddress"] == first["PrivateIpAddress"]
    assert refusal(lambda: ec2.reboot_instances(InstanceIds=ids))[0] == "IncorrectInstanceState"
    ec2.start_instances(InstanceIds=ids)
    assert described(ec2, ids[0])["PublicIpAddress"] not in (None, first["PublicIpAddress"])
    ec2.reboot_instances(InstanceIds=ids)
    assert lab.control("/_rehearsal/hosts")[0]["reboots"] == 1
    ec2.terminate_instances(InstanceIds=ids)
    ec2.terminate_instances(InstanceIds=ids)
    for act in (ec2.start_instances, ec2.stop_instances, ec2.reboot_instances):
        assert refusal(lambda act=act: act(InstanceIds=ids))[0] == "IncorrectInstanceState"
    assert described(ec2, ids[0])["State"]["Name"] == "terminated"


def test_elastic_addresses_are_local_and_tagged_as_aws_names_them(lab: Lab) -> None:
    ec2 = lab.client("ec2")
    specification = [{"ResourceType": "elastic-ip", "Tags": [{"Key": "k", "Value": "v"}]}]
    address = ec2.allocate_address(Domain="vpc", TagSpecifications=specification)
    assert address["PublicIp"].startswith(f"127.{settings.ADDRESS_OCTET}.")
    (tag,) = ec2.describe_tags(Filters=[{"Name": "resource-type", "Values": ["elastic-ip"]}])["Tags"]
    assert (tag["ResourceId"], tag["ResourceType"]) == (address["AllocationId"], "elastic-ip")
    ec2.release_address(AllocationId=address["AllocationId"])
    assert ec2.describe_tags()["Tags"] == []


def test_the_shutdown_behaviour_can_be_changed_and_spares_the_security_groups(hosted: Lab) -> None:
    ec2 = hosted.client("ec2")
    made = launch(ec2)
    change = {"InstanceInitiatedShutdownBehavior": {"Value": "terminate"}}
    ec2.modify_instance_attribute(InstanceId=made["InstanceId"], **change)
    assert described(ec2, made["InstanceId"])["SecurityGroups"] == made["SecurityGroups"]
    hosted.control("/_rehearsal/hosts", "POST", {made["InstanceId"]: {"powered_off": True}})
    assert described(ec2, made["InstanceId"])["State"]["Name"] == "terminated"


def _checks(ec2: Any, instance_id: str) -> tuple[str, str]:
    (status,) = ec2.describe_instance_status(InstanceIds=[instance_id], IncludeAllInstances=True)["InstanceStatuses"]
    return status["InstanceStatus"]["Status"], status["SystemStatus"]["Status"]


def test_status_and_console_are_what_the_reconciler_reports(hosted: Lab) -> None:
    ec2 = hosted.client("ec2")
    one = launch(ec2)["InstanceId"]
    assert _checks(ec2, one) == ("initializing", "initializing")
    assert ec2.get_console_output(InstanceId=one)["Output"] == ""
    hosted.control("/_rehearsal/hosts", "POST", {one: {"up": True, "console": "login: é"}, "i-unknown": {"up": True}})
    assert _checks(ec2, one) == ("ok", "ok")
    assert ec2.get_console_output(InstanceId=one)["Output"] == "login: é"
    ec2.stop_instances(InstanceIds=[one])
    hosted.control("/_rehearsal/hosts", "POST", {one: {"up": True}})
    assert _checks(ec2, one) == ("not-applicable", "not-applicable")
    ec2.start_instances(InstanceIds=[one])
    assert _checks(ec2, one) == ("initializing", "initializing")
    assert ec2.get_console_output(InstanceId=one)["Output"] == ""


def test_a_host_that_shuts_itself_down_is_stopped_outside_the_logged_api(hosted: Lab) -> None:
    ec2 = hosted.client("ec2")
    one = launch(ec2)["InstanceId"]
    hosted.control("/_rehearsal/hosts", "POST", {one: {"powered_off": True, "up": False}})
    found = described(ec2, one)
    assert found["State"]["Name"] == "stopped"
    assert found["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"
    assert hosted.actions(write=True) == ["RunInstances"]


def test_without_hosts_the_console_shows_one_valid_host_key(lab: Lab) -> None:
    ec2 = lab.client("ec2")
    first, second = launch(ec2)["InstanceId"], launch(ec2)["InstanceId"]
    assert _checks(ec2, first) == ("ok", "ok")
    texts = [ec2.get_console_output(InstanceId=one)["Output"] for one in (first, first, second)]
    pattern = r"-----BEGIN SSH HOST KEY KEYS-----\n(ssh-ed25519 \S+) .*\n-----END SSH HOST KEY KEYS-----"
    keys = [re.findall(pattern, text)[0] for text in texts]
    assert keys[0] == keys[1] != keys[2]
    serialization.load_ssh_public_key(keys[0].encode())

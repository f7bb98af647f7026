"""What AWS or the account would refuse at the launch is refused before it, in one sentence, and nothing is written."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import boto3
import pytest
from ansible_collections.gpulab.core.plugins.module_utils.ec2_calls import Stop

from rehearsal import session
from tests.support.planning import G_SPOT, leave_room_for, plan, preflight, stopping
from tests.support.playbook import Deployment


def refused(deployment: Deployment, *words: str, **changes: Any) -> None:
    """Assert that the plan is refused by a sentence with these words."""
    with pytest.raises(Stop) as caught:
        plan(deployment, **changes)
    for word in words:
        assert word in str(caught.value), f"{word!r} is not in: {caught.value}"


def test_fault_05_no_quota_is_said_before_the_launch_then_asked_for_and_granted(
    deployment_without_quota: Deployment,
) -> None:
    deployment = deployment_without_quota
    cloud = deployment.cloud
    first = deployment.provision()
    first.refused("(L-DB2E81BA) in us-east-1", "room for 0 notebooks", "ansible-playbook request-quota.yml")
    assert cloud.writes() == []
    assert not deployment.local.exists()
    deployment.play("request-quota").ok()
    refused(deployment, "which does not fit", "is PENDING (AWS has not looked at it yet)")
    assert "is PENDING" in preflight(deployment)["quota"]["found"]
    session.request(cloud.url, "clock", "POST", {"advance_seconds": 25 * 3600})
    deployment.provision().ok()
    assert len(cloud.instances(deployment.name)) == 1


def test_fault_05_a_quota_that_may_not_be_read_stops_nobody_and_is_said(deployment: Deployment) -> None:
    deployment.cloud.refuse("GetServiceQuota", "AccessDeniedException")
    made = plan(deployment)
    assert made["missing"] == [deployment.name]
    assert "could not be read (AWS answered AccessDeniedException), so it is unknown" in made["notes"][0]
    assert stopping(preflight(deployment)) == []


def test_fault_06_types_and_zones_that_the_region_lacks_are_left_out_beforehand(deployment: Deployment) -> None:
    made = plan(deployment, region="eu-west-1", image_parameters=[], image_names=["Deep Learning Base*"])
    assert made["instance_types"] == ["g4dn.xlarge", "g5.xlarge"]
    assert all(zone.startswith("eu-west-1") for zones in made["zones"].values() for zone in zones)
    subnets = deployment.cloud.ec2.describe_subnets()["Subnets"]
    zones = plan(deployment)["zones"]["g4dn.xlarge"]
    without = next(one for one in subnets if one["AvailabilityZone"] not in zones)
    assert deployment.cloud.calls("RunInstances") == []
    words = ("offers none of the instance types g4dn.xlarge", "choose others with")
    refused(deployment, *words, subnet_id=without["SubnetId"], instance_types=["g4dn.xlarge"])


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("p2.xlarge", ["p2.xlarge (Tesla K80) was retired by AWS", "does the same job for $", "-e gpu_profile=modern"]),
        ("zz9.plural", ["offers none of the instance types zz9.plural", "-e aws_region=us-east-1"]),
    ],
)
def test_fault_06_a_type_that_is_gone_is_explained(deployment: Deployment, kind: str, words: list[str]) -> None:
    refused(deployment, *words, instance_types=[kind])


def test_fault_07_no_spot_quota_is_refused_unless_on_demand_will_do(deployment: Deployment) -> None:
    cloud = deployment.cloud
    leave_room_for(cloud, 0, G_SPOT)
    spot = {"market": "spot", "instance_types": ["g4dn.xlarge"]}
    words = (f"({G_SPOT}) in us-east-1", "does not fit", "ansible-playbook request-quota.yml")
    try:
        refused(deployment, *words, **spot)
        made = plan(deployment, spot_fallback=True, **spot)
    finally:
        session.request(cloud.url, "quotas", "DELETE")
    assert made["instance_types"] == ["g4dn.xlarge"]
    markets = {price["market"]: price["price"]["usd_per_hour"] for price in made["prices"]}
    assert markets["spot"] < markets["on-demand"]


def test_fault_16_an_ami_that_is_gone_is_named_and_moves_no_host_that_exists(deployment: Deployment) -> None:
    gone = {"image_id": "ami-0123456789abcdef0"}
    refused(deployment, "AMI ami-0123456789abcdef0 does not exist", "aws ec2 describe-images", **gone)
    nameless = {"image_parameters": [], "image_names": ["no such image*"], "image_owners": ["amazon"]}
    refused(deployment, "No AMI of profile 'modern'", "AMI name no such image*; owner amazon", **nameless)
    existing = deployment.cloud.launch(deployment.tags)
    for change in (gone, nameless):
        made = plan(deployment, **change)
        assert ([host["id"] for host in made["hosts"]], made["missing"]) == ([existing], [])


def test_fault_17_a_key_pair_of_another_key_is_refused_and_kept(deployment: Deployment, tmp_path: Path) -> None:
    mine, imported = tmp_path / "mine", tmp_path / "imported"
    for path in (mine, imported):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    before = mine.read_text()
    name = f"gpulab-{deployment.name}"
    deployment.cloud.ec2.import_key_pair(KeyName=name, PublicKeyMaterial=imported.with_suffix(".pub").read_bytes())
    deployment.cloud.forget()
    run = deployment.play("provision", "-e", f"gpu_key_file={mine}")
    run.refused(f"'{name}' exists and belongs to another key", str(mine), "-e deployment=NAME")
    assert mine.read_text() == before
    assert deployment.cloud.writes() == []
    row = preflight(deployment, key_file=str(tmp_path / "none"))["key pair"]
    assert (row["state"], row["fix"].split(",")[0]) == ("stops", f"put the right private key at {tmp_path / 'none'}")


def test_fault_18_foreign_rules_stay_unless_they_are_to_go(deployment: Deployment) -> None:
    ec2 = deployment.cloud.ec2
    _, group = deployment.make()
    office = {"CidrIp": "10.0.0.0/8", "Description": "the office"}
    rule = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [office]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    made = plan(deployment)["security_group"]
    assert (made["right"], made["foreign"]) == (True, ["tcp 443 from 10.0.0.0/8 (the office)"])
    run = deployment.provision("--diff", "-e", "purge_rules=true").ok()
    assert "A rule of somebody else in the security group goes: tcp 443 from 10.0.0.0/8 (the office)." in run.flat
    (found,) = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]
    assert [one["FromPort"] for one in found["IpPermissions"]] == [22]


def test_fault_19_without_a_default_vpc_a_subnet_will_do(deployment: Deployment) -> None:
    region = "ap-south-1"
    credentials = {"aws_access_key_id": "test-access-key-id", "aws_secret_access_key": "test-secret-of-nobody-at-all"}
    ec2 = boto3.client("ec2", endpoint_url=deployment.cloud.url, region_name=region, **credentials)
    for subnet in ec2.describe_subnets()["Subnets"]:
        ec2.delete_subnet(SubnetId=subnet["SubnetId"])
    for vpc in ec2.describe_vpcs()["Vpcs"]:
        ec2.delete_vpc(VpcId=vpc["VpcId"])
    there = {"region": region, "instance_types": ["g4dn.xlarge"], "image_parameters": []}
    there |= {"image_names": ["Deep Learning Base*"]}
    words = (f"Region {region} has no default VPC", f"aws ec2 create-default-vpc --region {region}")
    refused(deployment, *words, "-e gpu_subnet_id=subnet-...", **there)
    assert stopping(preflight(deployment, **there)) == ["network"]
    vpc = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    zone = f"{region}a"
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.1.0.0/28", AvailabilityZone=zone)["Subnet"]["SubnetId"]
    ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": False})
    refused(deployment, f"Subnet {subnet} gives its hosts no public address", subnet_id=subnet, **there)
    ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": True})
    made = plan(deployment, subnet_id=subnet, **there)
    assert (made["vpc_id"], made["subnet_id"], made["zones"]) == (vpc, subnet, {"g4dn.xlarge": [zone]})
    refused(deployment, "does not exist in ap-south-1", subnet_id="subnet-0123456789abcdef0", **there)

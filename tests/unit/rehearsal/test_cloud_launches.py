"""RunInstances of the embedded AWS, through boto3."""

from __future__ import annotations

import base64
import threading
from typing import Any

import pytest

from rehearsal import catalogue, settings
from tests.unit.rehearsal.lab import Lab, described, launch, noble, public_key, refusal

ZONE = "us-east-1a"


def test_a_whole_launch_reads_back_as_it_was_asked_for_and_leaves_nothing(lab: Lab) -> None:
    ec2 = lab.client("ec2")
    key = ec2.import_key_pair(KeyName="lab", PublicKeyMaterial=public_key())
    pair = ec2.describe_key_pairs(KeyNames=["lab"], IncludePublicKey=True)["KeyPairs"][0]
    assert pair["KeyFingerprint"] == key["KeyFingerprint"]
    assert pair["KeyType"] == "ed25519"
    assert pair["PublicKey"].startswith("ssh-ed25519 ")
    tags = [{"Key": "gpulab:deployment", "Value": "lab"}]
    vpc = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
    group = ec2.create_security_group(
        GroupName="lab",
        Description="lab",
        VpcId=vpc,
        TagSpecifications=[{"ResourceType": "security-group", "Tags": tags}],
    )["GroupId"]
    rule = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "127.0.0.1/32"}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    subnet = ec2.describe_subnets(Filters=[{"Name": "availability-zone", "Values": [ZONE]}])["Subnets"][0]["SubnetId"]
    nic = {"DeviceIndex": 0, "SubnetId": subnet, "Groups": [group], "AssociatePublicIpAddress": True}
    disk = {"VolumeSize": 100, "VolumeType": "gp3", "Encrypted": True, "DeleteOnTermination": True}
    made = launch(
        ec2,
        KeyName="lab",
        NetworkInterfaces=[nic],
        BlockDeviceMappings=[{"DeviceName": "/dev/sda1", "Ebs": disk}],
        MetadataOptions={"HttpTokens": "required", "HttpPutResponseHopLimit": 2},
        InstanceInitiatedShutdownBehavior="stop",
        UserData="#cloud-config\n{}\n",
        TagSpecifications=[{"ResourceType": kind, "Tags": tags} for kind in ("instance", "volume")],
    )
    assert made["State"]["Name"] == "pending"
    instance = described(ec2, made["InstanceId"])
    assert instance["State"]["Name"] == "running"
    assert instance["Placement"]["AvailabilityZone"] == ZONE
    assert instance["MetadataOptions"]["HttpTokens"] == "required"
    assert instance["MetadataOptions"]["HttpPutResponseHopLimit"] == 2
    assert [one["GroupId"] for one in instance["SecurityGroups"]] == [group]
    assert instance["Tags"] == tags
    assert instance["PublicIpAddress"].startswith(f"127.{settings.ADDRESS_OCTET}.")
    attribute = ec2.describe_instance_attribute(
        InstanceId=instance["InstanceId"], Attribute="instanceInitiatedShutdownBehavior"
    )
    assert attribute["InstanceInitiatedShutdownBehavior"]["Value"] == "stop"
    (mapping,) = instance["BlockDeviceMappings"]
    assert mapping["Ebs"]["DeleteOnTermination"] is True
    (volume,) = ec2.describe_volumes(VolumeIds=[mapping["Ebs"]["VolumeId"]])["Volumes"]
    assert (volume["Size"], volume["VolumeType"], volume["Encrypted"]) == (100, "gp3", True)
    assert (volume["Iops"], volume["Throughput"], volume["Tags"]) == (3000, 125, tags)
    (host,) = lab.control("/_rehearsal/hosts")
    assert host["public_address"] == instance["PublicIpAddress"]
    assert base64.b64decode(host["user_data"]) == b"#cloud-config\n{}\n"
    assert host["public_keys"] == [pair["PublicKey"].strip()]
    assert host["ingress"] == [{"cidr": "127.0.0.1/32", "from_port": 22, "to_port": 22}]
    assert (host["login"], host["state"], host["region"]) == ("ubuntu", "running", "us-east-1")

    assert refusal(lambda: ec2.delete_security_group(GroupId=group))[0] == "DependencyViolation"
    ec2.terminate_instances(InstanceIds=[instance["InstanceId"]])
    ec2.delete_security_group(GroupId=group)
    ec2.delete_key_pair(KeyName="lab")
    gone = described(ec2, instance["InstanceId"])
    assert (gone["State"]["Name"], gone["Tags"]) == ("terminated", tags)
    assert "PublicIpAddress" not in gone
    assert ec2.describe_volumes()["Volumes"] == []
    assert ec2.describe_network_interfaces()["NetworkInterfaces"] == []
    tagged = ec2.describe_tags(Filters=[{"Name": "key", "Values": ["gpulab:deployment"]}])["Tags"]
    assert [(one["ResourceId"], one["ResourceType"]) for one in tagged] == [(instance["InstanceId"], "instance")]


def test_a_launch_without_details_gets_the_image_s_disk_and_the_default_subnet(lab: Lab) -> None:
    ec2 = lab.client("ec2")
    made = ec2.run_instances(ImageId=noble(), InstanceType="g4dn.xlarge", MinCount=1, MaxCount=3)["Instances"]
    assert len({described(ec2, one["InstanceId"])["PublicIpAddress"] for one in made}) == 3
    volumes = ec2.describe_volumes()["Volumes"]
    assert [(volume["Size"], volume["VolumeType"]) for volume in volumes] == [(8, "gp3")] * 3
    ec2.terminate_instances(InstanceIds=[one["InstanceId"] for one in made])
    assert ec2.describe_volumes()["Volumes"] == []


def test_the_same_client_token_launches_once(lab: Lab) -> None:
    ec2 = lab.client("ec2")
    first = launch(ec2, ClientToken="lab-1")
    again = launch(ec2, ClientToken="lab-1")
    assert again["InstanceId"] == first["InstanceId"]
    assert again["State"]["Name"] == "running"
    assert launch(ec2, ClientToken="lab-2")["InstanceId"] != first["InstanceId"]
    assert launch(lab.client("ec2", "us-west-2"), ImageId=noble("us-west-2"), ClientToken="lab-1")
    code, message = refusal(lambda: launch(ec2, ClientToken="lab-1", InstanceType="g5.xlarge"))
    assert code == "IdempotentParameterMismatch"
    assert message.startswith("Arguments on this idempotent request are inconsistent")
    ec2.terminate_instances(InstanceIds=[first["InstanceId"]])
    assert refusal(lambda: launch(ec2, ClientToken="lab-1"))[0] == "IdempotentInstanceTerminated"


def test_a_client_token_holds_against_parallel_requests(lab: Lab) -> None:
    clients = [lab.client("ec2") for _ in range(6)]
    seen: list[str] = []
    threads = [
        threading.Thread(target=lambda one=one: seen.append(launch(one, ClientToken="race")["InstanceId"]))
        for one in clients
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 6
    assert len(set(seen)) == 1
    assert len(lab.control("/_rehearsal/hosts")) == 1


@pytest.mark.parametrize(
    ("wrong", "code", "message"),
    [
        ({"ImageId": "ami-0123456789abcdef0"}, "InvalidAMIID.NotFound", "'[ami-0123456789abcdef0]' does not exist"),
        ({"ImageId": "udacity-carnd"}, "InvalidAMIID.Malformed", "expecting"),
        ({"KeyName": "nobody"}, "InvalidKeyPair.NotFound", "The key pair 'nobody' does not exist"),
        ({"InstanceType": "zz9.plural"}, "InvalidParameterValue", "Invalid value 'zz9.plural' for InstanceType."),
        ({"InstanceType": "p2.xlarge"}, "Unsupported", "The requested configuration is currently not supported."),
        ({"InstanceType": "g2.2xlarge"}, "Unsupported", "The requested configuration is currently not supported."),
        ({"InstanceType": "p3.2xlarge"}, "Unsupported", "The requested configuration is currently not supported."),
        ({"InstanceType": "g5g.xlarge"}, "InvalidParameterValue", "The architecture 'arm64'"),
        ({"Placement": {"AvailabilityZone": "us-east-1e"}}, "Unsupported", "choosing us-east-1a"),
        ({"SecurityGroupIds": ["sg-0123"]}, "InvalidGroup.NotFound", "sg-0123"),
    ],
)
def test_what_aws_refuses_is_refused_and_nothing_is_launched(
    lab: Lab, wrong: dict[str, Any], code: str, message: str
) -> None:
    ec2 = lab.client("ec2")
    found = refusal(lambda: launch(ec2, **wrong))
    assert found[0] == code
    assert message in found[1]
    assert lab.control("/_rehearsal/hosts") == []
    (call,) = lab.control("/_rehearsal/calls")
    assert (call["error"], call["status"]) == (code, 400)


def test_a_dry_run_is_judged_but_neither_launches_nor_counts_as_a_write(lab: Lab) -> None:
    ec2 = lab.client("ec2")
    assert refusal(lambda: launch(ec2, DryRun=True))[0] == "DryRunOperation"
    assert refusal(lambda: launch(ec2, DryRun=True, InstanceType="p2.xlarge"))[0] == "Unsupported"
    assert lab.actions(write=True) == []
    assert lab.control("/_rehearsal/hosts") == []


def test_a_root_disk_smaller_than_the_image_is_refused(lab: Lab) -> None:
    image = next(one for one in catalogue.images("us-east-1") if one.root_gib > 20)
    disk = {"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 16, "VolumeType": "gp3"}}
    code, message = refusal(lambda: launch(lab.client("ec2"), ImageId=image.id, BlockDeviceMappings=[disk]))
    assert code == "InvalidBlockDeviceMapping"
    assert f"expect size>= {image.root_gib}GB" in message

"""The embedded AWS over HTTP, driven by boto3 as playbooks drive it; a new cloud for each test."""

from __future__ import annotations

import base64
import ipaddress
import json
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rehearsal import catalogue, settings
from rehearsal.cloud import Cloud, listen

ZONE = "us-east-1a"
SESSION = boto3.Session()
"""One for all clients: it keeps the service models, which take most of a client's start."""


class Lab:
    """A running cloud: clients for it, and its control paths."""

    def __init__(self, url: str) -> None:
        self.url = url

    def client(self, service: str, region: str = "us-east-1", retries: int = 1) -> Any:
        config = Config(retries={"total_max_attempts": retries, "mode": "standard"}, parameter_validation=False)
        return SESSION.client(
            service,
            region_name=region,
            endpoint_url=self.url,
            aws_access_key_id="testing-key-id",
            aws_secret_access_key="testing-secret-that-is-long-enough",
            config=config,
        )

    def control(self, path: str, method: str = "GET", value: Any = None) -> Any:
        body = None if value is None else json.dumps(value).encode()
        request = urllib.request.Request(f"{self.url}{path}", data=body, method=method)
        with urllib.request.urlopen(request, timeout=20) as answer:
            text = answer.read().decode()
            return json.loads(text) if answer.headers["Content-Type"] == "application/json" else text

    def actions(self, write: bool | None = None) -> list[str]:
        calls = self.control("/_rehearsal/calls")
        return [call["action"] for call in calls if write is None or call["write"] == write]


def _serve(with_hosts: bool) -> Iterator[Lab]:
    cloud = Cloud(with_hosts=with_hosts)
    cloud.load()
    server = listen(cloud)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    lab = Lab(f"http://127.0.0.1:{server.port}")
    lab.control("/moto-api/reset", "POST", {})
    yield lab
    server.shutdown()
    thread.join()


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A cloud whose instances are up as soon as they run."""
    yield from _serve(with_hosts=False)


@pytest.fixture
def hosted() -> Iterator[Lab]:
    """A cloud that waits for a reconciler's reports; the test plays the reconciler."""
    yield from _serve(with_hosts=True)


def public_key() -> str:
    key = Ed25519PrivateKey.generate().public_key()
    return key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode() + " me"


def noble(region: str = "us-east-1") -> str:
    return next(one.id for one in catalogue.images(region) if "noble" in one.name)


def launch(ec2: Any, **more: Any) -> dict[str, Any]:
    """RunInstances of one g4dn.xlarge; returns the instance of the answer."""
    request = {"ImageId": noble(), "InstanceType": "g4dn.xlarge", "MinCount": 1, "MaxCount": 1, **more}
    instance: dict[str, Any] = ec2.run_instances(**request)["Instances"][0]
    return instance


def described(ec2: Any, instance_id: str) -> dict[str, Any]:
    instance: dict[str, Any] = ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]
    return instance


def refusal(act: Callable[[], Any]) -> tuple[str, str]:
    """(code, message) of the AWS error that the call must end in."""
    with pytest.raises(ClientError) as caught:
        act()
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_the_account_is_the_documented_one(lab: Lab) -> None:
    assert lab.client("sts").get_caller_identity()["Account"] == settings.ACCOUNT
    assert lab.control("/_rehearsal/ready") == {"account": settings.ACCOUNT, "region": settings.REGION, "hosts": False}
    assert lab.control("/_rehearsal/checkip") == "127.0.0.1\n"


def test_unsigned_requests_and_unknown_control_paths_are_refused(lab: Lab) -> None:
    for path, status in (("/", 403), ("/_rehearsal/nothing", 404)):
        with pytest.raises(urllib.error.HTTPError) as caught:
            lab.control(path)
        assert caught.value.code == status


@pytest.mark.parametrize(
    ("service", "operation", "code"),
    [
        ("ec2", "describe_instances", "AuthFailure"),
        ("sts", "get_caller_identity", "InvalidClientTokenId"),
        ("ssm", "describe_parameters", "UnrecognizedClientException"),
    ],
)
def test_a_region_that_does_not_exist_is_refused(lab: Lab, service: str, operation: str, code: str) -> None:
    client = lab.client(service, region="us-east-9")
    assert refusal(getattr(client, operation))[0] == code
    assert all(call["region"] == "us-east-9" and call["error"] == code for call in lab.control("/_rehearsal/calls"))


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


@pytest.mark.parametrize("region", ["us-east-1", "us-east-2", "us-west-2", "eu-west-1"])
def test_public_parameters_point_at_images_of_their_region(lab: Lab, region: str) -> None:
    names = [one.ssm for one in catalogue.images(region)]
    ssm, ec2 = lab.client("ssm", region), lab.client("ec2", region)
    answer = ssm.get_parameters(Names=[*names, "/aws/service/canonical/none"])
    assert answer["InvalidParameters"] == ["/aws/service/canonical/none"]
    values = {one["Name"]: one["Value"] for one in answer["Parameters"]}
    assert ssm.get_parameter(Name=names[0])["Parameter"]["Value"] == values[names[0]]
    images = ec2.describe_images(ImageIds=list(values.values()))["Images"]
    assert {one["ImageId"] for one in images} == set(values.values())
    assert all(one["RootDeviceName"] == "/dev/sda1" for one in images)
    name = "Deep Learning Base OSS Nvidia Driver GPU AMI (Ubuntu 24.04) *"
    (found,) = ec2.describe_images(Owners=["amazon"], Filters=[{"Name": "name", "Values": [name]}])["Images"]
    assert found["ImageId"] == values[names[0]]
    assert found["OwnerId"] == "898082745236"
    assert found["CreationDate"].startswith("2026-07-17T08:12:44")


def test_the_old_course_image_is_gone(lab: Lab) -> None:
    filters = [{"Name": "name", "Values": ["udacity-carnd*"]}]
    assert lab.client("ec2").describe_images(Filters=filters)["Images"] == []


def test_every_gpu_type_of_the_table_is_described_and_offered(lab: Lab) -> None:
    ec2 = lab.client("ec2")
    names = sorted(one.name for one in catalogue.gpu_types() if "us-east-1" in one.regions)
    pages = ec2.get_paginator("describe_instance_type_offerings").paginate(LocationType="region")
    offered = {one["InstanceType"] for page in pages for one in page["InstanceTypeOfferings"]}
    assert set(names) <= offered
    found = ec2.describe_instance_types(InstanceTypes=names)["InstanceTypes"]
    assert sorted(one["InstanceType"] for one in found) == names
    assert all(one["GpuInfo"]["Gpus"][0]["Manufacturer"] in ("NVIDIA", "AMD") for one in found)
    assert not offered & catalogue.RETIRED
    assert refusal(lambda: ec2.describe_instance_types(InstanceTypes=["p2.xlarge"]))[0] == "InvalidInstanceType"


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
    keys = [re.search(pattern, text)[1] for text in texts]  # type: ignore[index]
    assert keys[0] == keys[1] != keys[2]
    serialization.load_ssh_public_key(keys[0].encode())


def test_an_error_fault_answers_n_times_and_nothing_happens(lab: Lab) -> None:
    ec2 = lab.client("ec2")
    rule = {"action": "RunInstances", "match": "InstanceType=g4dn", "code": "InsufficientInstanceCapacity", "times": 2}
    lab.control("/_rehearsal/faults", "POST", {**rule, "message": "no <capacity> & more", "status": 500})
    assert refusal(lambda: launch(ec2)) == ("InsufficientInstanceCapacity", "no <capacity> & more")
    assert launch(ec2, InstanceType="g5.xlarge")
    assert refusal(lambda: launch(ec2))[0] == "InsufficientInstanceCapacity"
    assert launch(ec2)
    assert [call["status"] for call in lab.control("/_rehearsal/calls")] == [500, 200, 500, 200]
    assert lab.control("/_rehearsal/faults")[0]["times"] == 0
    lab.control("/_rehearsal/faults", "DELETE")
    assert lab.control("/_rehearsal/faults") == []


@pytest.mark.parametrize(
    ("service", "operation", "arguments"),
    [
        ("sts", "get_caller_identity", {}),
        ("ssm", "get_parameter", {"Name": "/x"}),
        ("scheduler", "list_schedules", {}),
        ("cloudwatch", "describe_alarms", {}),
        ("sns", "list_topics", {}),
        ("budgets", "describe_budgets", {"AccountId": settings.ACCOUNT}),
    ],
)
def test_an_error_fault_speaks_every_protocol(
    lab: Lab, service: str, operation: str, arguments: dict[str, Any]
) -> None:
    client = lab.client(service)
    lab.control("/_rehearsal/faults", "POST", {"action": ".*", "code": "AccessDenied", "message": "not you"})
    assert refusal(lambda: getattr(client, operation)(**arguments)) == ("AccessDenied", "not you")
    (call,) = lab.control("/_rehearsal/calls")
    assert call["error"] == "AccessDenied"
    assert call["action"].replace(" ", "").lower() == operation.replace("_", "")
    assert call["write"] is False


def test_a_dropped_answer_loses_the_answer_but_not_the_write(lab: Lab) -> None:
    lab.control("/_rehearsal/faults", "POST", {"action": "RunInstances", "mode": "drop"})
    with pytest.raises(ConnectionClosedError):
        launch(lab.client("ec2"))
    assert len(lab.control("/_rehearsal/hosts")) == 1
    (call,) = lab.control("/_rehearsal/calls")
    assert (call["fault"], call["status"]) == ("drop", 200)


def test_boto_s_own_retry_of_a_dropped_launch_makes_one_instance(lab: Lab) -> None:
    lab.control("/_rehearsal/faults", "POST", {"action": "RunInstances", "mode": "drop"})
    made = launch(lab.client("ec2", retries=3), ClientToken="once")
    assert [one["id"] for one in lab.control("/_rehearsal/hosts")] == [made["InstanceId"]]
    assert lab.actions() == ["RunInstances", "RunInstances"]


def test_a_delayed_call_goes_on_as_usual(lab: Lab) -> None:
    lab.control("/_rehearsal/faults", "POST", {"action": "Describe.*", "mode": "delay", "seconds": 0.01})
    assert lab.client("ec2").describe_instances()["Reservations"] == []
    assert lab.control("/_rehearsal/calls")[0]["fault"] == "delay"


def test_a_fault_that_would_never_match_is_refused(lab: Lab) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        lab.control("/_rehearsal/faults", "POST", {"action": "Run", "mode": "explode"})
    assert caught.value.code == 400
    assert "explode" in json.loads(caught.value.read())["error"]


def test_the_clock_moves_launch_times_and_the_log(lab: Lab) -> None:
    now = lab.control("/_rehearsal/clock", "POST", {"now": "2027-03-01T09:00:00+00:00"})["now"]
    assert now.startswith("2027-03-01T09:00:")
    ec2 = lab.client("ec2")
    made = described(ec2, launch(ec2)["InstanceId"])
    assert made["LaunchTime"].strftime("%Y-%m-%d %H:%M") == "2027-03-01 09:00"
    lab.control("/_rehearsal/clock", "POST", {"advance_seconds": 7200})
    ec2.stop_instances(InstanceIds=[made["InstanceId"]])
    ec2.start_instances(InstanceIds=[made["InstanceId"]])
    assert described(ec2, made["InstanceId"])["LaunchTime"].hour == 11
    assert lab.control("/_rehearsal/calls")[-1]["time"].startswith("2027-03-01T11:")


def test_the_log_names_reads_and_writes_and_no_secrets(lab: Lab) -> None:
    ec2 = lab.client("ec2")
    ec2.import_key_pair(KeyName="lab", PublicKeyMaterial=public_key())
    launch(ec2, UserData="a token in here", KeyName="lab")
    lab.client("ssm").put_parameter(Name="/lab/token", Value="hush", Type="SecureString")
    lab.client("sts").get_caller_identity()
    calls = lab.control("/_rehearsal/calls")
    assert [(call["iam"], call["write"]) for call in calls] == [
        ("ec2:ImportKeyPair", True),
        ("ec2:RunInstances", True),
        ("ssm:PutParameter", True),
        ("sts:GetCallerIdentity", False),
    ]
    text = json.dumps(calls)
    assert "hush" not in text
    assert base64.b64encode(b"a token in here").decode() not in text
    assert base64.b64encode(b"ssh-ed25519").decode()[:12] not in text
    assert calls[1]["params"]["InstanceType"] == "g4dn.xlarge"
    policy = lab.control("/_rehearsal/iam-policy")
    assert policy["Statement"][0]["Action"] == ["ec2:ImportKeyPair", "ec2:RunInstances", "ssm:PutParameter"]
    lab.control("/_rehearsal/calls", "DELETE")
    assert lab.control("/_rehearsal/calls") == []


def test_what_moto_lacks_is_an_aws_error_and_not_a_page(lab: Lab) -> None:
    ec2 = lab.client("ec2")
    assert refusal(lambda: ec2.get_spot_placement_scores(TargetCapacity=1))[0] == "NotImplemented"

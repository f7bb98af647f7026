"""The embedded AWS over HTTP: who is answered at all, what is on offer, faults, the log, the clock."""

from __future__ import annotations

import base64
import json
import threading
import time
import urllib.error
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError

from rehearsal import catalogue, settings
from tests.unit.rehearsal.lab import Lab, described, launch, public_key, refusal


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


def test_a_held_answer_comes_after_the_log_has_the_call(lab: Lab) -> None:
    ec2 = lab.client("ec2")
    lab.control("/_rehearsal/faults", "POST", {"action": "RunInstances", "mode": "hold", "seconds": 30})
    thread = threading.Thread(target=lambda: launch(ec2), daemon=True)
    thread.start()
    while not lab.actions():
        time.sleep(0.01)
    assert thread.is_alive(), "the answer was not held"
    assert len(lab.control("/_rehearsal/hosts")) == 1


def test_a_fault_can_be_one_region_s(lab: Lab) -> None:
    lab.control("/_rehearsal/faults", "POST", {"action": "DescribeTags", "match": "eu-west-1", "code": "AccessDenied"})
    assert lab.client("ec2", "eu-west-2").describe_tags()["Tags"] == []
    assert refusal(lambda: lab.client("ec2", "eu-west-1").describe_tags())[0] == "AccessDenied"


def test_only_enabled_regions_are_listed_unless_all_are_asked_for(lab: Lab) -> None:
    ec2 = lab.client("ec2")
    enabled = {one["RegionName"] for one in ec2.describe_regions()["Regions"]}
    assert len(enabled) == 17
    every = {one["RegionName"]: one["OptInStatus"] for one in ec2.describe_regions(AllRegions=True)["Regions"]}
    assert every["af-south-1"] == "not-opted-in"
    assert enabled < set(every)
    assert not any(name.startswith(("cn-", "us-gov-")) for name in every)
    one = [{"Name": "region-name", "Values": ["af-south-1"]}]
    assert [r["RegionName"] for r in ec2.describe_regions(AllRegions=True, Filters=one)["Regions"]] == ["af-south-1"]


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

"""A region without a free host: the launch goes on in the next that is allowed, and everything after it follows."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpulab.core.plugins.inventory import ec2_hosts
from ansible_collections.gpulab.core.plugins.module_utils.ec2_calls import Stop
from ansible_collections.gpulab.core.plugins.modules import ec2_gpu_launch

from rehearsal import settings
from tests.support import planning
from tests.support.aws import LIVE, Cloud
from tests.support.fake_host import run_module
from tests.support.launching import launch, no_room
from tests.support.playbook import Deployment

FAR = "us-east-2"
BETWEEN = "us-west-2"
FURTHER = ("-e", f"gpu_next_regions={BETWEEN},{FAR}")


def region_of(call: dict[str, Any]) -> str:
    return str(call["region"])


def far_instances(cloud: Cloud, deployment: Deployment) -> list[dict[str, Any]]:
    """The deployment's live instances in FAR."""
    wanted = [
        {"Name": "tag:gpulab:deployment", "Values": [deployment.name]},
        {"Name": "instance-state-name", "Values": list(LIVE)},
    ]
    found = cloud.client("ec2", FAR).describe_instances(Filters=wanted)["Reservations"]
    return [instance for reservation in found for instance in reservation["Instances"]]


def test_fault_04_no_room_in_the_region_leads_to_the_next_that_is_allowed(deployment: Deployment) -> None:
    cloud = deployment.cloud
    no_room(cloud, 100, "us-east-1a", match=f"^({settings.REGION}|{BETWEEN})")
    run = deployment.provision(*FURTHER).ok()
    launches = cloud.calls("RunInstances")
    here, between = ([call for call in launches if region_of(call) == region] for region in (settings.REGION, BETWEEN))
    assert [region_of(call) for call in launches] == [settings.REGION] * len(here) + [BETWEEN] * len(between) + [FAR]
    for asked in (here, between):
        assert {call["params"]["InstanceType"] for call in asked} == {"g4dn.xlarge", "g5.xlarge", "g6.xlarge"}
    assert f"AWS has no host free in {settings.REGION}: it refused {len(here)} launches of g4dn" in run.flat
    assert f"-e aws_region={BETWEEN}" in run.flat
    assert f"AWS refused {len(launches) - 1} of the launches" in run.flat
    (host,) = far_instances(cloud, deployment)
    assert cloud.instances(deployment.name) == []
    assert f"HostName {host['PublicIpAddress']}" in (deployment.local / "ssh_config").read_text()
    # The stop at the deadline is where the host is.
    group = {"GroupName": f"gpulab-{deployment.name}"}
    (schedule,) = cloud.client("scheduler", FAR).list_schedules(**group)["Schedules"]
    stop = cloud.client("scheduler", FAR).get_schedule(**group, Name=schedule["Name"])
    assert host["InstanceId"] in stop["Target"]["Input"]

    # There is room again at home, and the host is found where it is all the same.
    cloud.forget()
    assert deployment.provision(*FURTHER).ok().changed == {"localhost": 0}
    assert cloud.writes() == []
    board = deployment.play("status", *FURTHER).ok().flat
    assert f"Deployment {deployment.name} in {FAR}: 1 host." in board
    assert f"{deployment.name} running" in board

    deployment.play("teardown", *FURTHER, "-e", "ec2_gpu_host_poll_seconds=0").ok()
    assert far_instances(cloud, deployment) == []
    for region in (settings.REGION, BETWEEN, FAR):
        mine = [{"Name": "tag:gpulab:deployment", "Values": [deployment.name]}]
        ec2 = cloud.client("ec2", region)
        assert ec2.describe_security_groups(Filters=mine)["SecurityGroups"] == []
        assert ec2.describe_key_pairs(Filters=mine)["KeyPairs"] == []


def test_a_region_that_is_none_or_closed_is_said_before_anything_is_written(deployment: Deployment) -> None:
    with pytest.raises(Stop, match=r"'mars-north-1' is not an AWS region: .* -e gpu_next_regions=us-east-1"):
        planning.plan(deployment, other_regions=[FAR, "mars-north-1"])
    assert deployment.cloud.calls() == []
    # As one answers that the account has not enabled.
    deployment.cloud.refuse("DescribeInstances", "AuthFailure", match=f"^{FAR}")
    with pytest.raises(Stop, match=f"AuthFailure.* That was in {FAR}"):
        planning.plan(deployment, other_regions=[FAR])
    assert deployment.cloud.writes() == []


def test_a_deployment_is_never_launched_in_two_regions(
    deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    launch(deployment, "anna")
    asked = {"hosts": ["ben"], "other_regions": [settings.REGION], "region": FAR}
    words = rf"has hosts in {settings.REGION} \(anna\), .* -e aws_region={settings.REGION}"
    with pytest.raises(Stop, match=words):
        planning.plan(deployment, **asked)
    # What the plan has not seen, the launch does.
    deployment.cloud.forget()
    said = module_answer(deployment, capsys, **asked)
    assert said["failed"]
    assert f"has hosts in {settings.REGION} (anna)" in said["msg"]
    assert deployment.cloud.calls("RunInstances") == []


def test_the_last_region_tells_of_all_and_a_quota_of_its_own(
    deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    no_room(deployment.cloud, 100, "us-east-1a")
    first = module_answer(deployment, capsys, next_region=FAR)
    assert (first["next_region"], first["instances"], first["missing"]) == (FAR, [], ["anna"])
    assert not first["changed"]
    assert first["refusal"].startswith(f"AWS has no host free in {settings.REGION}: ")
    last = module_answer(deployment, capsys, region=FAR, refused_before=first["attempts"])
    assert last["failed"]
    assert last["msg"].startswith(f"AWS has no host free in {settings.REGION}, {FAR}: ")
    assert last["msg"].count(f"  {settings.REGION} ") == len(first["attempts"])
    deployment.cloud.heal()
    deployment.cloud.refuse("RunInstances", "VcpuLimitExceeded")
    said = module_answer(deployment, capsys, next_region=FAR)
    assert said["failed"]
    assert "VcpuLimitExceeded" in said["msg"]


def test_where_the_deployment_has_a_host_it_stays(deployment: Deployment, capsys: pytest.CaptureFixture[str]) -> None:
    launch(deployment, "ben")
    no_room(deployment.cloud, 100, "us-east-1a")
    assert module_answer(deployment, capsys, next_region=FAR)["failed"]


def test_the_inventory_reads_the_regions_in_group_vars_and_tells_which_it_is(
    deployment: Deployment, tmp_path: Path
) -> None:
    launch(deployment, "anna")
    (tmp_path / "aws_ec2.yml").write_text("plugin: gpulab.core.ec2_hosts\n")
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars/all.yml").write_text(f"gpu_next_regions: [eu-west-1, {settings.REGION}]\n")
    done = subprocess.run(
        [
            str(settings.ROOT / ".venv/bin/ansible-inventory"),
            *("--host", "anna", "-i", str(tmp_path / "aws_ec2.yml"), "-e", f"aws_region={FAR}"),
        ],
        cwd=settings.ROOT,
        env=deployment.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["gpulab_found_region"] == settings.REGION
    asked = [region_of(call) for call in deployment.cloud.calls("DescribeInstances")]
    assert asked == [FAR, "eu-west-1", settings.REGION]


@pytest.mark.parametrize(
    ("typed", "beside", "expected"),
    [
        ({}, {}, []),
        ({}, {"gpu_next_regions": None}, []),
        ({"gpu_next_regions": "us-east-2, us-west-2"}, {"gpu_next_regions": ["eu-west-1"]}, ["us-east-2", "us-west-2"]),
        ({"gpu_next_regions": ""}, {"gpu_next_regions": ["eu-west-1"]}, []),
        ({}, {"gpu_next_regions": ["eu-west-1"]}, ["eu-west-1"]),
    ],
)
def test_the_command_line_goes_before_the_file(
    typed: dict[str, Any], beside: dict[str, Any], expected: list[str]
) -> None:
    assert ec2_hosts.further_regions(typed, beside) == expected


def module_answer(deployment: Deployment, capsys: pytest.CaptureFixture[str], **changes: Any) -> dict[str, Any]:
    """What ec2_gpu_launch answers about the host anna, which needs no key pair or group for it."""
    wanted = {
        "deployment": deployment.name,
        "account": settings.ACCOUNT,
        "hosts": ["anna"],
        "image_id": "ami-0123456789abcdef0",
        "instance_types": ["g4dn.xlarge"],
        "key_name": "none",
        "security_group_ids": [],
        "root_device": "/dev/sda1",
        "volume_gb": 100,
        "endpoint_url": deployment.cloud.url,
        "region": settings.REGION,
        "access_key": "test-access-key-id",
        "secret_key": "test-secret-access-key-of-nobody",
    }
    return run_module(ec2_gpu_launch, capsys, wanted | changes)

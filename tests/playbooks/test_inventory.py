"""The inventory of a deployment's running hosts."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from ansible_collections.gpulab.core.plugins.inventory import ec2_hosts

from rehearsal import settings
from tests.support.launching import launch
from tests.support.playbook import Deployment

VARIABLES = ("ansible_host", "ansible_user", "gpulab_instance_id")


def listed(deployment: Deployment, *arguments: str, **changes: str | None) -> tuple[dict[str, Any], str]:
    """What ansible-inventory lists, and what it says besides."""
    done = subprocess.run(
        [str(settings.ROOT / ".venv/bin/ansible-inventory"), "--list", *arguments],
        cwd=settings.ROOT,
        env=deployment.environment(**changes),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout), done.stderr


def test_hosts_of_one_call_have_their_own_names_and_addresses(deployment: Deployment) -> None:
    launched, _, _ = launch(deployment, "anna", "ben", "cleo")
    deployment.cloud.ec2.stop_instances(InstanceIds=[launched["ben"]["InstanceId"]])
    found, said = listed(deployment, "-e", f"deployment={deployment.name}", GPULAB_DEPLOYMENT="another")
    assert found["gpu_hosts"]["hosts"] == found["ec2_gpu_hosts"]["hosts"] == ["anna", "cleo"]
    assert found["gpu_hosts_off"]["hosts"] == ["ben"]
    assert said == ""
    running = {i["InstanceId"]: i for i in deployment.cloud.instances(deployment.name, ["running"])}
    for name in ("anna", "cleo"):
        # What came from outside is marked as text that is no template.
        host = {k: v["__ansible_unsafe"] for k, v in found["_meta"]["hostvars"][name].items() if k in VARIABLES}
        assert host["ansible_host"] == running[launched[name]["InstanceId"]]["PublicIpAddress"]
        assert host["ansible_user"] == "ubuntu"
        assert host["gpulab_instance_id"] == launched[name]["InstanceId"]


def test_without_credentials_it_says_so_once_and_other_hosts_are_listed(deployment: Deployment) -> None:
    found, said = listed(deployment, AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None)
    assert found["control"]["hosts"] == ["localhost"]
    assert said.count("[WARNING]") == 1
    assert f"No host of deployment {deployment.name} is listed: No AWS credentials were found" in " ".join(said.split())


def test_the_command_line_goes_before_the_environment_and_that_before_the_file() -> None:
    options = {"deployment": "file", "region": "us-east-1"}
    environ = {"GPULAB_DEPLOYMENT": "shell", "AWS_REGION": "", "AWS_DEFAULT_REGION": "eu-west-1"}
    given = {"deployment": "typed", "aws_region": "ap-northeast-1"}
    assert ec2_hosts.chosen({}, {}, options) == ("file", "us-east-1")
    assert ec2_hosts.chosen({}, environ, options) == ("shell", "eu-west-1")
    assert ec2_hosts.chosen(given, environ, options) == ("typed", "ap-northeast-1")


def test_a_host_without_a_public_address_is_reached_by_its_private_one() -> None:
    instance = {"InstanceId": "i-1", "PrivateIpAddress": "172.31.0.9", "Tags": []}
    assert ec2_hosts.variables(instance) == {"ansible_host": "172.31.0.9", "gpulab_instance_id": "i-1"}

"""Launches as the module ec2_gpu_launch makes them, without a playbook around them."""

from __future__ import annotations

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.retries import RetryingBotoClientWrapper
from ansible_collections.gpulab.core.plugins.module_utils import ec2_calls, ec2_launch

from rehearsal import catalogue, settings
from tests.support.aws import Cloud
from tests.support.playbook import Deployment


def launch(deployment: Deployment, *hosts: str, **params: Any) -> ec2_launch.Climbed:
    """Launch these hosts of a deployment, which needs no key pair or group for it; raises ec2_calls.Stop."""
    wanted = {
        "deployment": deployment.name,
        "hosts": list(hosts),
        "image_id": next(one.id for one in catalogue.images(settings.REGION) if "noble" in one.name),
        "instance_types": ["g4dn.xlarge", "g5.xlarge", "p4d.24xlarge"],
        "market": "on-demand",
        "spot_fallback": False,
        "key_name": _key_pair(deployment.cloud),
        "security_group_ids": [],
        "subnet_id": "",
        "root_device": "/dev/sda1",
        "volume_gb": 100,
        "user_data": "#cloud-config\n",
        "tags": {"gpulab:login": "ubuntu"},
    }
    ec2 = RetryingBotoClientWrapper(deployment.cloud.ec2, ec2_calls.RETRY)
    return ec2_launch.climb(deployment.cloud.ec2.run_instances, ec2, settings.ACCOUNT, settings.REGION, wanted | params)


def names(cloud: Cloud, deployment: Deployment) -> dict[str, dict[str, Any]]:
    """Name -> instance of the deployment's live hosts; no name has two."""
    found: dict[str, dict[str, Any]] = {}
    for instance in cloud.instances(deployment.name):
        name = ec2_calls.host_name(instance)
        assert name not in found, f"two hosts are called {name}"
        found[name] = instance
    return found


def asked(cloud: Cloud) -> list[tuple[str, str]]:
    """Type and zone of each launch that was asked for."""
    launches = [call["params"] for call in cloud.calls("RunInstances")]
    return [(p["InstanceType"], p.get("Placement.AvailabilityZone", "")) for p in launches]


def no_room(cloud: Cloud, times: int, zone: str, *others: str, match: str = "") -> None:
    """Refuse launches in AWS's words and with its status, after which botocore alone would ask four times more."""
    text = f"We currently do not have sufficient capacity in the Availability Zone you requested ({zone})."
    if others:
        text += (
            f" You can get it by not specifying an Availability Zone in your request or choosing {', '.join(others)}."
        )
    code = "InsufficientInstanceCapacity"
    cloud.fault("RunInstances", code=code, message=text, status=500, times=times, match=match)


def _key_pair(cloud: Cloud) -> str:
    if "launching" not in cloud.key_pairs():
        cloud.ec2.create_key_pair(KeyName="launching", KeyType="ed25519")
    return "launching"

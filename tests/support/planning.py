"""Plans and preflights as the module ec2_plan_info makes them, without a playbook around them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.gpulab.core.plugins.module_utils.quota_plan import known_vcpus
from ansible_collections.gpulab.core.plugins.modules import ec2_plan_info

from rehearsal import catalogue, session, settings
from tests.support.aws import Cloud
from tests.support.playbook import Deployment

G, G_SPOT = "L-DB2E81BA", "L-3819A6DF"


def plan(deployment: Deployment, **changes: Any) -> dict[str, Any]:
    """What ec2_plan_info answers about one host of a deployment; raises ec2_calls.Stop."""
    module = _module(deployment, **changes)
    made: dict[str, Any] = ec2_plan_info.make_plan(module, module.params)
    return made


def preflight(deployment: Deployment, **changes: Any) -> dict[str, dict[str, str]]:
    """The preflight's rows by the name of their check."""
    module = _module(deployment, **changes)
    return {row["check"]: row for row in ec2_plan_info.look(module, module.params)["rows"]}


def stopping(rows: dict[str, dict[str, str]]) -> list[str]:
    """The checks that stop a launch."""
    return [name for name, row in rows.items() if row["state"] == "stops"]


def _module(deployment: Deployment, **changes: Any) -> AnsibleAWSModule:
    url, name = deployment.cloud.url, f"gpulab-{deployment.name}"
    wanted = {
        "deployment": deployment.name,
        "hosts": [deployment.name],
        "gpu_profile": "modern",
        "gpu_profiles": ["modern"],
        "instance_types": ["g4dn.xlarge", "g5.xlarge", "g6.xlarge"],
        "image_parameters": [next(iter(catalogue.parameters(settings.REGION)))],
        "volume_gb": 100,
        "key_name": name,
        "key_file": str(deployment.local / "id_ed25519"),
        "security_group": name,
        "cidrs": ["auto"],
        "checkip_url": f"{url}/_rehearsal/checkip",
        "region": settings.REGION,
        "endpoint_url": url,
        "access_key": "test-access-key-id",
        "secret_key": "test-secret-access-key-of-nobody",
    }
    with patch_module_args(wanted | changes):
        return AnsibleAWSModule(argument_spec=ec2_plan_info.ARGUMENTS, supports_check_mode=True)


def leave_room_for(cloud: Cloud, vcpus: int, code: str = G) -> None:
    """Set a quota to what runs of its class, and so many vCPUs more."""
    live = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]
    found = [i for r in cloud.ec2.describe_instances(Filters=live)["Reservations"] for i in r["Instances"]]
    market = "spot" if code == G_SPOT else "on-demand"
    types = [i["InstanceType"] for i in found if i.get("InstanceLifecycle", "on-demand") == market]
    sizes = known_vcpus(types)
    used = sum(sizes[kind] for kind in types if kind.startswith("g"))
    session.request(cloud.url, "quotas", "POST", {"code": code, "value": used + vcpus})


@pytest.fixture
def deployment_without_quota(deployment: Deployment) -> Iterator[Deployment]:
    """A deployment in an account that may run no more GPU hosts; account and clock are reset afterwards."""
    leave_room_for(deployment.cloud, 0)
    deployment.cloud.forget()
    yield deployment
    session.request(deployment.cloud.url, "quotas", "DELETE")
    set_right(deployment.cloud)


def set_right(cloud: Cloud) -> None:
    """Set the cloud's clock to this machine's."""
    session.request(cloud.url, "clock", "POST", {"now": datetime.now(UTC).isoformat()})

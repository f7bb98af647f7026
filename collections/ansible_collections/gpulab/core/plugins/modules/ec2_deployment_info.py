#!/usr/bin/python
# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Tell which hosts a deployment has, as AWS's tags say it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ec2_deployment_info
short_description: Tell which hosts a deployment has
description:
  - Read-only. Finds them by the tag gpulab:deployment, so that no file on the control machine has to be right.
options:
  deployment: {type: str, required: true, description: Name of the deployment.}
  ids:
    type: list
    elements: str
    default: []
    description: Instances to tell of even if they have been terminated, as long as AWS remembers them.
extends_documentation_fragment: [amazon.aws.common.modules, amazon.aws.region.modules, amazon.aws.boto3]
author: [the gpulab authors (@gpulab)]
"""

EXAMPLES = r"""
- name: Look at the deployment
  gpulab.core.ec2_deployment_info:
    deployment: gpulab
  register: found
"""

RETURN = r"""
hosts:
  description: The live hosts, oldest first, and those of C(ids); status_checks is like "2/2".
  returned: success
  type: list
  elements: dict
  sample: [{name: gpulab, id: i-1, state: running, address: 203.0.113.9, status_checks: 2/2}]
unready:
  description:
    - Those of C(ids), or of all where none are given, that are on their way to running with 2/2 checks passed, or that
      AWS does not list yet.
  returned: success
  type: list
  elements: str
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.gpulab.core.plugins.module_utils import ec2_calls, side_by_side
from ansible_collections.gpulab.core.plugins.module_utils.ec2_calls import RETRY, Stop, pages
from ansible_collections.gpulab.core.plugins.module_utils.gpu_catalogue import price
from ansible_collections.gpulab.core.plugins.module_utils.launch_plan import LIVE_STATES, TAG

ARGUMENTS = {
    "deployment": {"type": "str", "required": True},
    "ids": {"type": "list", "elements": "str", "default": []},
}
STATES = (*LIVE_STATES, "shutting-down")


def describe(instance, checks, volumes, region):
    """Return the plain picture of one instance; `checks` is its InstanceStatus or None, `volumes` its disks."""
    tags = ec2_calls.tags(instance)
    passed = sum(checks[k]["Status"] == "ok" for k in ("SystemStatus", "InstanceStatus")) if checks else 0
    size = sum(v["Size"] for v in volumes)
    return {
        "name": ec2_calls.host_name(instance),
        "id": instance["InstanceId"],
        "state": instance["State"]["Name"],
        "reason": instance.get("StateReason", {}).get("Message", ""),
        "launch_time": instance["LaunchTime"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        "type": instance["InstanceType"],
        "zone": instance["Placement"]["AvailabilityZone"],
        "address": instance.get("PublicIpAddress") or "",
        "image_id": instance["ImageId"],
        "status_checks": f"{passed}/2",
        "metadata_tokens": instance.get("MetadataOptions", {}).get("HttpTokens", "unknown"),
        "encrypted": bool(volumes) and all(v["Encrypted"] for v in volumes),
        "volume_gb": size,
        "price": price(instance["InstanceType"], region, size),
        "market": instance.get("InstanceLifecycle", "on-demand"),
        "tags": tags,
    }


def unready(hosts, ids):
    """Return which of these ids have still to be waited for; a stopped host has not."""
    ready = [h["id"] for h in hosts if h["state"] not in ("pending", "running") or h["status_checks"] == "2/2"]
    return [one for one in ids or [h["id"] for h in hosts] if one not in ready]


def look(module):
    """Return what the module answers."""
    ec2 = module.client("ec2", retry_decorator=RETRY)
    mine = [{"Name": f"tag:{TAG}", "Values": [module.params["deployment"]]}]
    ids = module.params["ids"]
    states = (*STATES, "terminated") if ids else STATES
    found = side_by_side.ask_all(
        {
            "instances": lambda: ec2_calls.instances(ec2, module.params["deployment"], states=states),
            "volumes": lambda: pages("listing the volumes", ec2.describe_volumes, "Volumes", Filters=mine),
        }
    )
    all_states = found["instances"]
    shown = [i for i in all_states if i["State"]["Name"] in STATES or i["InstanceId"] in ids]
    instances = [i for i in shown if i["State"]["Name"] in STATES]
    running = [i["InstanceId"] for i in instances if i["State"]["Name"] == "running"]
    checks = {}
    if running:
        statuses = pages(
            "reading the status checks", ec2.describe_instance_status, "InstanceStatuses", InstanceIds=running
        )
        checks = {s["InstanceId"]: s for s in statuses}
    attached: dict[str, list[object]] = {}
    for volume in found["volumes"]:
        for attachment in volume["Attachments"]:
            attached.setdefault(attachment["InstanceId"], []).append(volume)
    hosts = [describe(i, checks.get(i["InstanceId"]), attached.get(i["InstanceId"], []), module.region) for i in shown]
    return {"hosts": hosts, "unready": unready(hosts, ids)}


def main():
    """Run the module."""
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        found = look(module)
    except Stop as stop:
        module.fail_json(msg=str(stop))
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()

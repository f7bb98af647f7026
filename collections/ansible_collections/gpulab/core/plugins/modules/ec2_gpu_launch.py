#!/usr/bin/python
# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Find the GPU hosts of these names, or launch those that are missing where AWS has room: never a second host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ec2_gpu_launch
short_description: Find GPU hosts by their tags or launch them once
description:
  - Finds the live instances that carry the deployment's and the hosts' tags; launches those that are missing, with one
    call for all of a kind, every tag in that call, and a ClientToken that is the same for the same launch, so that a
    lost answer or a killed run never makes a second host.
  - Where AWS has no capacity, the zones that its refusal names are asked, then the others that offer the type, then the
    next type, then (where spot was asked for and may be left) on-demand; each once, so that a full zone costs two
    calls. Where there is room for some, these are launched and the rest goes on. A quota that is used up is no lack of
    capacity.
  - When not one host could be launched, fails; when some were, C(refusal) says why the others were not. Where nothing
    but capacity was missing and the deployment has no host here, C(next_region) is told instead of failing.
  - IMDSv2 is required, the root volume is encrypted gp3 that goes with the instance, and a shutdown from inside stops
    and never terminates. A spot host has a persistent request, so that it can be stopped and started as well.
  - amazon.aws.ec2_instance is not used for this, because it sends a random token and retries a missing capacity for
    minutes.
options:
  deployment: {type: str, required: true, description: Name of the deployment.}
  account: {type: str, required: true, description: 'The account''s number, part of what names a launch.'}
  hosts: {type: list, elements: str, required: true, description: Names of the hosts.}
  other_regions: {type: list, elements: str, default: [], description: Where hosts of the deployment forbid it.}
  next_region: {type: str, default: "", description: Where it goes on if no host is free here.}
  refused_before: {type: list, elements: dict, default: [], description: The C(attempts) of the regions before.}
  image_id: {type: str, required: true, description: The AMI.}
  instance_types: {type: list, elements: str, required: true, description: 'Instance types, the preferred one first.'}
  market: {type: str, default: on-demand, choices: [on-demand, spot], description: How to buy the hosts.}
  spot_fallback: {type: bool, default: false, description: Buy on demand what is not to be had as spot.}
  key_name: {type: str, required: true, description: The EC2 key pair.}
  security_group_ids: {type: list, elements: str, required: true, description: The security groups.}
  subnet_id: {type: str, default: "", description: Subnet to launch in; empty is one of the default VPC that AWS picks.}
  root_device: {type: str, required: true, description: The AMI's root device name.}
  volume_gb: {type: int, required: true, description: Size of the root volume in GB.}
  user_data: {type: str, default: "", description: cloud-init user data; never logged, it may hold a secret.}
  tags: {type: dict, default: {}, description: More tags for the instances and their volumes.}
  prices: {type: list, elements: dict, default: [], description: What ec2_plan_info found; for others the dated table.}
extends_documentation_fragment: [amazon.aws.common.modules, amazon.aws.region.modules, amazon.aws.boto3]
author: [the gpulab authors (@gpulab)]
"""

EXAMPLES = r"""
- name: Launch two hosts
  gpulab.core.ec2_gpu_launch:
    deployment: gpulab
    account: "123456789012"
    hosts: [anna, ben]
    image_id: ami-0123456789abcdef0
    instance_types: [g4dn.xlarge, g5.xlarge]
    key_name: gpulab
    security_group_ids: [sg-0123456789abcdef0]
    root_device: /dev/sda1
    volume_gb: 100
"""

RETURN = r"""
instances:
  description:
    - The hosts found or launched, in the order of C(hosts); without those that check mode would launch. C(price) is
      what an hour costs with disk and address, null where nobody knows. C(launched) tells whether this run launched it,
      C(replaces) are the ids of terminated instances of its name that AWS still lists.
  returned: success
  type: list
  elements: dict
  sample: [{name: anna, id: i-1, type: g4dn.xlarge, zone: us-east-1a, region: us-east-1, market: on-demand}]
missing: {description: Names of the hosts that there are not, returned: success, type: list, elements: str}
refusal: {description: Why some hosts are missing; empty when none is., returned: success, type: str}
next_region: {description: Where to go on; empty if this region has done., returned: success, type: str}
attempts:
  description: The calls that AWS refused here before, oldest first.
  returned: success
  type: list
  elements: dict
  sample: [{instance_type: g4dn.xlarge, region: us-east-1, zone: "", market: on-demand, code: Unsupported}]
"""

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.gpulab.core.plugins.module_utils import ec2_calls, launch_ladder
from ansible_collections.gpulab.core.plugins.module_utils.ec2_calls import RETRY, Stop, host_name
from ansible_collections.gpulab.core.plugins.module_utils.ec2_launch import GONE, NO_RETRIES, Climbed, Full, climb
from ansible_collections.gpulab.core.plugins.module_utils.gpu_catalogue import price
from ansible_collections.gpulab.core.plugins.module_utils.launch_offer import price_of
from ansible_collections.gpulab.core.plugins.module_utils.launch_plan import LIVE_STATES, far_hosts

ARGUMENTS = {
    "deployment": {"type": "str", "required": True},
    "account": {"type": "str", "required": True},
    "hosts": {"type": "list", "elements": "str", "required": True},
    "other_regions": {"type": "list", "elements": "str", "default": []},
    "next_region": {"type": "str", "default": ""},
    "refused_before": {"type": "list", "elements": "dict", "default": []},
    "image_id": {"type": "str", "required": True},
    "instance_types": {"type": "list", "elements": "str", "required": True},
    "market": {"type": "str", "default": "on-demand", "choices": ["on-demand", "spot"]},
    "spot_fallback": {"type": "bool", "default": False},
    "key_name": {"type": "str", "required": True, "no_log": False},
    "security_group_ids": {"type": "list", "elements": "str", "required": True},
    "subnet_id": {"type": "str", "default": ""},
    "root_device": {"type": "str", "required": True},
    "volume_gb": {"type": "int", "required": True},
    "user_data": {"type": "str", "default": "", "no_log": True},
    "tags": {"type": "dict", "default": {}},
    "prices": {"type": "list", "elements": "dict", "default": []},
}


def find_or_launch(module):
    """Return what the module answers; raise Stop where a name has two hosts, or not one host could be launched."""
    params = module.params
    ec2 = module.client("ec2", retry_decorator=RETRY)
    listed = ec2_calls.instances(ec2, params["deployment"], states=(*LIVE_STATES, *GONE))
    live = [i for i in listed if i["State"]["Name"] in LIVE_STATES]
    found = _by_name([i for i in live if host_name(i) in params["hosts"]])
    gone = [i for i in listed if i["State"]["Name"] in GONE]
    missing = [name for name in params["hosts"] if name not in found]
    climbed, onward = Climbed({}, [], ""), ""
    if missing and not module.check_mode:
        climbed, onward = _climb(module, ec2, missing, "" if live else params["next_region"])
    there, new = dict(found, **climbed.launched), climbed.launched
    return {
        "changed": bool(missing if module.check_mode else new),
        "instances": [
            _described(module, n, there[n], gone if n in new else None) for n in params["hosts"] if n in there
        ],
        "missing": [name for name in params["hosts"] if name not in there],
        "refusal": climbed.refusal,
        "next_region": onward,
        "attempts": launch_ladder.told(climbed.attempts),
    }


def _climb(module, ec2, missing, onward):
    """Launch the missing hosts; return Climbed and, where no host is free here, `onward`; fail then if it is ""."""
    params, deployment = module.params, module.params["deployment"]
    others = {one: module.client("ec2", retry_decorator=RETRY, region=one) for one in params["other_regions"]}
    if far := far_hosts(deployment, ec2_calls.elsewhere(others, deployment)):
        raise Stop("\n".join(far))
    run_instances = module.client("ec2", config=NO_RETRIES).run_instances
    try:
        return climb(run_instances, ec2, params["account"], module.region, dict(params, hosts=missing)), ""
    except Full as full:
        if onward and launch_ladder.leads_on(full.attempts):
            return Climbed({}, full.attempts, str(full)), onward
        raise Stop(launch_ladder.refusal([*params["refused_before"], *full.attempts])) from full


def _by_name(instances):
    """Return name -> instance; raise Stop with the ids where a name has more than one."""
    found: dict[str, list[dict[str, Any]]] = {}
    for instance in instances:
        found.setdefault(host_name(instance), []).append(instance)
    for name, mine in found.items():
        if len(mine) > 1:
            ids = ", ".join(i["InstanceId"] for i in mine)
            raise Stop(
                f"{len(mine)} live instances are called '{name}' ({ids}), and there may be only one: terminate those "
                "you do not need."
            )
    return {name: mine[0] for name, mine in found.items()}


def _described(module, name, instance, gone):
    """Return what the module answers of a host. gone: terminated instances; None for a host that was there before."""
    kind, market = instance["InstanceType"], instance.get("InstanceLifecycle", "on-demand")
    return {
        "name": name,
        "id": instance["InstanceId"],
        "type": kind,
        "zone": instance["Placement"]["AvailabilityZone"],
        "region": module.region,
        "market": market,
        "price": price_of(module.params["prices"], kind, market)
        or price(kind, module.region, module.params["volume_gb"]),
        "launched": gone is not None,
        "replaces": [i["InstanceId"] for i in gone or [] if host_name(i) == name],
    }


def main():
    """Run the module."""
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        answer = find_or_launch(module)
    except Stop as stop:
        module.fail_json(msg=str(stop))
    module.exit_json(**answer)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Find the GPU host of this name, or launch it where AWS has room: never a second host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ec2_gpu_launch
short_description: Find a GPU host by its tags or launch it once
description:
  - Finds the live instance that carries the deployment's and the host's tags; only when there is none, launches one
    with every tag in the same call and a ClientToken that is the same for the same launch, so that a lost answer or a
    killed run never makes a second host.
  - Where AWS has no capacity, the zones that its refusal names are asked, then the others that offer the type, then the
    next type; each once, so that a full zone costs two calls. A quota that is used up is no lack of capacity.
  - IMDSv2 is required, the root volume is encrypted gp3 that goes with the instance, and a shutdown from inside stops
    and never terminates.
  - amazon.aws.ec2_instance is not used for this, because it sends a random token and retries a missing capacity for
    minutes.
options:
  deployment: {type: str, required: true, description: Name of the deployment.}
  host: {type: str, required: true, description: Name of the host.}
  image_id: {type: str, required: true, description: The AMI.}
  instance_types: {type: list, elements: str, required: true, description: 'Instance types, the preferred one first.'}
  key_name: {type: str, required: true, description: The EC2 key pair.}
  security_group_ids: {type: list, elements: str, required: true, description: The security groups.}
  root_device: {type: str, required: true, description: The AMI's root device name.}
  volume_gb: {type: int, required: true, description: Size of the root volume in GB.}
  user_data: {type: str, default: "", description: cloud-init user data.}
  tags: {type: dict, default: {}, description: More tags for the instance and its volume.}
extends_documentation_fragment: [amazon.aws.common.modules, amazon.aws.region.modules, amazon.aws.boto3]
author: [the gpulab authors (@gpulab)]
"""

EXAMPLES = r"""
- name: Launch the host
  gpulab.core.ec2_gpu_launch:
    deployment: gpulab
    host: gpulab
    image_id: ami-0123456789abcdef0
    instance_types: [g4dn.xlarge, g5.xlarge]
    key_name: gpulab
    security_group_ids: [sg-0123456789abcdef0]
    root_device: /dev/sda1
    volume_gb: 100
"""

RETURN = r"""
instance_id:
  description: The instance found or launched; empty in check mode when one would be launched.
  returned: success
  type: str
  sample: i-0123456789abcdef0
launched: {description: Whether this run launched it., returned: success, type: bool}
instance_type: {description: Its type; the preferred one in check mode., returned: success, type: str}
price:
  description: What an hour of it costs by the dated table, with disk and address; null for a type that the table lacks.
  returned: success
  type: dict
attempts:
  description: The calls that AWS refused before, oldest first.
  returned: success
  type: list
  elements: dict
  sample: [{instance_type: g4dn.xlarge, zone: "", code: InsufficientInstanceCapacity}]
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.gpulab.core.plugins.module_utils import ec2_calls
from ansible_collections.gpulab.core.plugins.module_utils.ec2_calls import RETRY, Stop
from ansible_collections.gpulab.core.plugins.module_utils.ec2_launch import NO_RETRIES, climb, specification
from ansible_collections.gpulab.core.plugins.module_utils.gpu_catalogue import price

ARGUMENTS = {
    "deployment": {"type": "str", "required": True},
    "host": {"type": "str", "required": True},
    "image_id": {"type": "str", "required": True},
    "instance_types": {"type": "list", "elements": "str", "required": True},
    "key_name": {"type": "str", "required": True, "no_log": False},
    "security_group_ids": {"type": "list", "elements": "str", "required": True},
    "root_device": {"type": "str", "required": True},
    "volume_gb": {"type": "int", "required": True},
    "user_data": {"type": "str", "default": ""},
    "tags": {"type": "dict", "default": {}},
}


def find_or_launch(module):
    """Return what the module answers; raise Stop with the ids when more than one live host carries the name."""
    params = module.params
    ec2 = module.client("ec2", retry_decorator=RETRY)
    found = ec2_calls.instances(ec2, params["deployment"], params["host"])
    if len(found) > 1:
        ids = ", ".join(i["InstanceId"] for i in found)
        raise Stop(
            f"{len(found)} live instances are called '{params['host']}' ({ids}), and there may be only one: "
            "terminate those you do not need."
        )
    if found:
        return _answer(module, found[0], [], launched=False)
    if module.check_mode:
        return _answer(module, {"InstanceId": "", "InstanceType": params["instance_types"][0]}, [], launched=True)
    account = ec2_calls.account_id(module.client("sts", retry_decorator=RETRY))
    run_instances = module.client("ec2", config=NO_RETRIES).run_instances
    types = params["instance_types"]
    instance, attempts = climb(run_instances, ec2, account, module.region, specification(params), types)
    return _answer(module, instance, attempts, launched=True)


def _answer(module, instance, attempts, launched):
    kind = instance["InstanceType"]
    return {
        "changed": launched,
        "launched": launched,
        "instance_id": instance["InstanceId"],
        "instance_type": kind,
        "price": price(kind, module.region, module.params["volume_gb"]),
        "attempts": [{k: a[k] for k in ("instance_type", "zone", "code")} for a in attempts],
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

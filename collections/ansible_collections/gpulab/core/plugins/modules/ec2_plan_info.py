#!/usr/bin/python
# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Ask AWS everything a launch depends on and say at once what stands in its way."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ec2_plan_info
short_description: Gather what a GPU host's launch depends on, and everything that stands in its way
description:
  - Read-only. Looks at the credentials, the region, the types it offers, the AMI, the key pair, the security group, the
    default VPC and the instances that exist, in one process, and fails with one sentence for each problem before
    anything has been written.
options:
  deployment:
    type: str
    required: true
    description: Name of the deployment; the value of every resource's gpulab:deployment tag.
  host: {type: str, required: true, description: Name of the host.}
  gpu_profile: {type: str, required: true, description: Name of the chosen profile.}
  gpu_profiles: {type: list, elements: str, required: true, description: Names of the known profiles.}
  instance_types: {type: list, elements: str, required: true, description: Instance types in order of preference.}
  image_id: {type: str, description: An AMI to use as it is.}
  image_parameters:
    type: list
    elements: str
    default: []
    description: Public SSM parameters that hold the AMI's id, in order.
  image_names:
    type: list
    elements: str
    default: []
    description: AMI name patterns to try when no parameter answers; the newest match wins.
  image_owners: {type: list, elements: str, default: [], description: Accounts whose AMIs count when looking by name.}
  volume_gb: {type: int, required: true, description: Size of the root volume in GB, for the price.}
  key_name: {type: str, required: true, description: Name of the EC2 key pair.}
  key_file: {type: path, required: true, description: The private key on the control machine.}
  security_group: {type: str, required: true, description: Name of the security group.}
  cidrs:
    type: list
    elements: str
    required: true
    description: Networks that may use SSH; C(auto) is the caller's own address.
  notebook_access: {type: str, default: tunnel, description: How notebooks are reached; C(public) opens their port.}
  notebook_cidr: {type: str, default: '', description: Network that may reach a public notebook.}
  notebook_port: {type: int, default: 8888, description: Port of a public notebook.}
  allow_world: {type: bool, default: false, description: Permit a network of prefix length 0.}
  checkip_url: {type: str, required: true, description: A page that answers with the caller's address.}
extends_documentation_fragment: [amazon.aws.common.modules, amazon.aws.region.modules, amazon.aws.boto3]
author: [the gpulab authors (@gpulab)]
"""

EXAMPLES = r"""
- name: Plan the launch
  gpulab.core.ec2_plan_info:
    deployment: gpulab
    host: gpulab
    gpu_profile: modern
    gpu_profiles: [modern]
    instance_types: [g4dn.xlarge]
    image_parameters: [/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id]
    volume_gb: 100
    key_name: gpulab
    key_file: ~/.ssh/gpulab
    security_group: gpulab
    cidrs: [auto]
    checkip_url: https://checkip.amazonaws.com
  register: plan
"""

RETURN = r"""
plan:
  description:
    - The account, endpoint, chosen type, AMI, price, key, security group rules, and the instance that exists already,
      if any.
  returned: success
  type: dict
  sample: {account: "123456789012", instance_type: g4dn.xlarge, image: {id: ami-1, name: DLAMI, source: ssm}}
"""

import ipaddress

from ansible.module_utils.urls import open_url
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.gpulab.core.plugins.module_utils import ec2_calls, launch_plan
from ansible_collections.gpulab.core.plugins.module_utils.aws_errors import is_aws
from ansible_collections.gpulab.core.plugins.module_utils.ec2_calls import RETRY, Stop
from ansible_collections.gpulab.core.plugins.module_utils.ec2_evidence import gather
from ansible_collections.gpulab.core.plugins.module_utils.gpu_catalogue import price

ARGUMENTS = {
    "deployment": {"type": "str", "required": True},
    "host": {"type": "str", "required": True},
    "gpu_profile": {"type": "str", "required": True},
    "gpu_profiles": {"type": "list", "elements": "str", "required": True},
    "instance_types": {"type": "list", "elements": "str", "required": True},
    "image_id": {"type": "str"},
    "image_parameters": {"type": "list", "elements": "str", "default": []},
    "image_names": {"type": "list", "elements": "str", "default": []},
    "image_owners": {"type": "list", "elements": "str", "default": []},
    "volume_gb": {"type": "int", "required": True},
    "key_name": {"type": "str", "required": True, "no_log": False},
    "key_file": {"type": "path", "required": True, "no_log": False},
    "security_group": {"type": "str", "required": True},
    "cidrs": {"type": "list", "elements": "str", "required": True},
    "notebook_access": {"type": "str", "default": "tunnel"},
    "notebook_cidr": {"type": "str", "default": ""},
    "notebook_port": {"type": "int", "default": 8888},
    "allow_world": {"type": "bool", "default": False},
    "checkip_url": {"type": "str", "required": True},
}


def caller_cidr(url):
    """Return the caller's own address as a /32 (or /128), asked of `url`."""
    try:
        address = open_url(url, timeout=10).read().decode().strip()
    except Exception as error:
        raise Stop(
            f"Your own address could not be learnt from {url} ({error}): give it with -e allowed_cidr=ADDRESS/32."
        ) from error
    try:
        return str(ipaddress.ip_network(address))
    except ValueError:
        raise Stop(
            f"{url} answered '{address[:40]}', which is no address: give yours with -e allowed_cidr=ADDRESS/32."
        ) from None


def make_plan(module):
    """Return the plan, or raise Stop with every problem, one to a line."""
    request = dict(module.params)
    problems = launch_plan.request_problems(request)
    if problems:
        raise Stop("\n".join(problems))
    ec2_calls.check_region(module.region)
    account = ec2_calls.account_id(module.client("sts", retry_decorator=RETRY))
    ec2 = module.client("ec2", retry_decorator=RETRY)
    evidence = gather(module, ec2, request)
    problems = launch_plan.evidence_problems(request, evidence)
    if problems:
        raise Stop("\n".join(problems))
    cidrs = [caller_cidr(request["checkip_url"]) if c == "auto" else c for c in request["cidrs"]]
    notebook_cidrs = [request["notebook_cidr"]] if request["notebook_access"] == "public" else []
    rules, rules_changed = launch_plan.security_group_rules(
        evidence["permissions"], cidrs, notebook_cidrs, request["notebook_port"]
    )
    host = evidence["hosts"][0] if evidence["hosts"] else None
    offered = [kind for kind in request["instance_types"] if kind in evidence["offered"]]
    types = [host["instance_type"]] if host else offered
    endpoint = ec2.meta.endpoint_url
    return {
        "account": account,
        "region": module.region,
        "endpoint": endpoint,
        "is_aws": is_aws(endpoint),
        "instance_type": types[0],
        "instance_types": types,
        "price": price(types[0], module.region, request["volume_gb"]),
        "image": evidence["image"],
        "vpc_id": evidence["vpc_id"],
        "key": evidence["key"],
        "security_group": {
            "id": evidence["group_id"],
            "rules": rules,
            "right": bool(evidence["group_id"]) and not rules_changed,
        },
        "cidrs": cidrs,
        "notebook_cidrs": notebook_cidrs,
        "host": host,
    }


def main():
    """Run the module."""
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        plan = make_plan(module)
    except Stop as stop:
        module.fail_json(msg=str(stop))
    module.exit_json(changed=False, plan=plan)


if __name__ == "__main__":
    main()

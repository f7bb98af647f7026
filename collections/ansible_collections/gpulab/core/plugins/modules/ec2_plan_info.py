#!/usr/bin/python
# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Ask AWS everything a launch depends on and say at once what stands in its way."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ec2_plan_info
short_description: Gather what a GPU host's launch depends on, and everything that stands in its way
description:
  - Read-only. Looks at the credentials, the region, the types it offers, the AMI, the vCPU quota, the price, the key
    pair, the security group, the network and the instances that exist, in one process and side by side, and fails with
    one sentence for each problem before anything has been written.
options:
  deployment:
    type: str
    required: true
    description: Name of the deployment; the value of every resource's gpulab:deployment tag.
  hosts: {type: list, elements: str, required: true, description: Names of the hosts.}
  other_regions: {type: list, elements: str, default: [], description: Where else hosts of the deployment may be.}
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
  market: {type: str, default: on-demand, description: 'How hosts are bought, on-demand or spot.'}
  spot_fallback: {type: bool, default: false, description: Whether on-demand will do where there is no spot host.}
  max_hourly_usd: {type: float, description: 'What an hour of a host may cost, disk and address included.'}
  budget_usd: {type: float, default: 5, description: What each host may cost until it is stopped.}
  budgets: {type: dict, default: {}, description: Name of a host to a budget of its own.}
  subnet_id: {type: str, default: '', description: Subnet to launch in; empty is one of the default VPC.}
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
  purge_rules: {type: bool, default: false, description: Remove the security group's rules that are not ours.}
  preflight:
    type: bool
    default: false
    description: Look at everything at once, ask AWS for permissions by dry runs, and answer a table instead of a plan.
  guard_mail: {type: str, default: '', description: 'Address that the billing alarm writes to, if any; for preflight.'}
  checkip_url: {type: str, required: true, description: A page that answers with the caller's address.}
extends_documentation_fragment: [amazon.aws.common.modules, amazon.aws.region.modules, amazon.aws.boto3]
author: [the gpulab authors (@gpulab)]
"""

EXAMPLES = r"""
- name: Plan the launch
  gpulab.core.ec2_plan_info:
    deployment: gpulab
    hosts: [gpulab]
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
    - The account, endpoint, AMI, key, network and security group rules; C(instance_types) to launch, the preferred one
      first (C(instance_type)), C(price) of its hour, C(prices) of all, C(money) of all hosts together; C(guard_prices),
      type to price on demand, by which budgets are reckoned, and C(run_seconds) that I(budget_usd) gives a new host;
      C(notes) on what was left out or is unknown; C(hosts) that exist and the names that are C(missing).
  returned: success, without preflight
  type: dict
  sample: {account: "123456789012", instance_type: g4dn.xlarge, hosts: [], missing: [gpulab], run_seconds: 33210}
preflight:
  description: The checks as C(rows), as the C(lines) of a table, and the names of those C(stopping) a launch.
  returned: success, with preflight
  type: dict
  sample: {rows: [{check: quota, state: stops, found: 0 vCPUs, needed: 4, fix: ansible-playbook request-quota.yml}]}
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.gpulab.core.plugins.module_utils import (
    ec2_evidence,
    launch_answer,
    launch_plan,
    preflight_evidence,
    preflight_plan,
)
from ansible_collections.gpulab.core.plugins.module_utils.ec2_calls import Stop

ARGUMENTS = {
    "deployment": {"type": "str", "required": True},
    "hosts": {"type": "list", "elements": "str", "required": True},
    "other_regions": {"type": "list", "elements": "str", "default": []},
    "gpu_profile": {"type": "str", "required": True},
    "gpu_profiles": {"type": "list", "elements": "str", "required": True},
    "instance_types": {"type": "list", "elements": "str", "required": True},
    "image_id": {"type": "str"},
    "image_parameters": {"type": "list", "elements": "str", "default": []},
    "image_names": {"type": "list", "elements": "str", "default": []},
    "image_owners": {"type": "list", "elements": "str", "default": []},
    "volume_gb": {"type": "int", "required": True},
    "market": {"type": "str", "default": "on-demand"},
    "spot_fallback": {"type": "bool", "default": False},
    "max_hourly_usd": {"type": "float"},
    "budget_usd": {"type": "float", "default": 5},
    "budgets": {"type": "dict", "default": {}},
    "subnet_id": {"type": "str", "default": ""},
    "key_name": {"type": "str", "required": True, "no_log": False},
    "key_file": {"type": "path", "required": True, "no_log": False},
    "security_group": {"type": "str", "required": True},
    "cidrs": {"type": "list", "elements": "str", "required": True},
    "notebook_access": {"type": "str", "default": "tunnel"},
    "notebook_cidr": {"type": "str", "default": ""},
    "notebook_port": {"type": "int", "default": 8888},
    "allow_world": {"type": "bool", "default": False},
    "purge_rules": {"type": "bool", "default": False},
    "preflight": {"type": "bool", "default": False},
    "guard_mail": {"type": "str", "default": ""},
    "checkip_url": {"type": "str", "required": True},
}


def make_plan(module, request):
    """Return the plan, or raise Stop with every problem, one to a line."""
    _stop(launch_plan.request_problems(request))
    evidence, refusals = ec2_evidence.gather(module, request)
    needed = {part: stop for part, stop in refusals.items() if part not in launch_answer.OPTIONAL}
    # AWS refuses many questions for one reason, which is told once.
    reasons = {stop.code or part: str(stop) for part, stop in reversed(needed.items())}
    if reasons:
        raise Stop("\n".join(reversed(reasons.values())))
    findings = launch_answer.judge(request, evidence)
    _stop(findings.problems)
    plan = launch_answer.plan(request, evidence, findings.offer)
    return dict(plan, notes=[*plan["notes"], *map(str, refusals.values())])


def _stop(problems):
    if problems:
        raise Stop("\n".join(problem.sentence for problem in problems))


def look(module, request):
    """Return the preflight: rows, lines and stopping."""
    evidence, refusals = preflight_evidence.gather(module, request)
    findings = launch_answer.judge(request, evidence)
    problems = launch_plan.request_problems(request) + findings.problems
    whole = evidence["caller"] and (findings.offer.types or not findings.missing)
    answer = launch_answer.plan(request, evidence, findings.offer) if whole else None
    rows = preflight_plan.rows(request, evidence, refusals, problems, answer)
    return {
        "rows": [row._asdict() for row in rows],
        "lines": preflight_plan.lines(rows),
        "stopping": preflight_plan.stopping(rows),
    }


def main():
    """Run the module."""
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    request = module.params
    try:
        answer = {"preflight": look(module, request)} if request["preflight"] else {"plan": make_plan(module, request)}
    except Stop as stop:
        module.fail_json(msg=str(stop))
    module.exit_json(changed=False, **answer)


if __name__ == "__main__":
    main()

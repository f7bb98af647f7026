#!/usr/bin/python
# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Start or stop instances by their ids, all of them by one call."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ec2_power
short_description: Start or stop instances by their ids
description:
  - Brings instances to the state by one call for all of them and waits until they are there. Where AWS refuses them
    together, because it starts and stops all or none, each is asked for alone, so that one keeps no other back.
  - amazon.aws.ec2_instance is not used for this, because it makes a call for each instance (11 for 10 hosts that are
    stopped, as measured), and launches a host to stop it where an AMI is named and no instance found.
options:
  ids: {type: list, elements: str, required: true, description: Ids of the instances.}
  state: {type: str, required: true, choices: [running, stopped], description: What they are to be.}
  poll_seconds: {type: float, default: 5, description: Seconds between two looks.}
  poll_retries: {type: int, default: 120, description: How many looks before giving up.}
extends_documentation_fragment: [amazon.aws.common.modules, amazon.aws.region.modules, amazon.aws.boto3]
author: [the gpulab authors (@gpulab)]
"""

EXAMPLES = r"""
- name: Stop two hosts
  gpulab.core.ec2_power:
    ids: [i-0123456789abcdef0, i-0123456789abcdef1]
    state: stopped
"""

RETURN = r"""
states: {description: The state of each instance by id., returned: success, type: dict, sample: {i-1: stopped}}
"""

import time

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.gpulab.core.plugins.module_utils.ec2_calls import RETRY, Stop, call, pages

ARGUMENTS = {
    "ids": {"type": "list", "elements": "str", "required": True},
    "state": {"type": "str", "required": True, "choices": ["running", "stopped"]},
    "poll_seconds": {"type": "float", "default": 5},
    "poll_retries": {"type": "int", "default": 120},
}


def states(ec2, ids):
    """Return the state of each instance by its id."""
    found = pages("looking at the instances", ec2.describe_instances, "Reservations", InstanceIds=ids)
    return {i["InstanceId"]: i["State"]["Name"] for r in found for i in r["Instances"]}


def order(method, doing, ids):
    """Ask for all by one call, else for each alone; return the sentences about those that AWS refuses."""
    try:
        call(doing, method, InstanceIds=ids, aws_retry=True)
    except Stop as stop:
        if len(ids) == 1 or stop.code is None:
            return [f"{', '.join(ids)}: {stop}"]
        return [text for one in ids for text in order(method, doing, [one])]
    return []


def bring(ec2, params, check_mode):
    """Return (states by id, whether anything was to be done); raise Stop with a sentence for each that is not there."""
    wanted = params["state"]
    now = states(ec2, params["ids"])
    moving = sorted(one for one, state in now.items() if state != wanted)
    if not moving or check_mode:
        return now, bool(moving)
    method = ec2.start_instances if wanted == "running" else ec2.stop_instances
    refused = order(method, f"bringing the hosts to {wanted}", moving)
    for again in range(params["poll_retries"]):
        now = states(ec2, params["ids"])
        if not any(state in ("pending", "stopping", "shutting-down") for state in now.values()):
            break
        if again + 1 < params["poll_retries"]:
            time.sleep(params["poll_seconds"])
    off = [f"{one} is {state}" for one, state in sorted(now.items()) if state != wanted]
    if off:
        raise Stop(
            f"{len(off)} of {len(now)} hosts are not {wanted} ({', '.join(off)}). {' '.join(refused)}".strip()
            + " Run the same command again."
        )
    return now, True


def main():
    """Run the module."""
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        now, changed = bring(module.client("ec2", retry_decorator=RETRY), module.params, module.check_mode)
    except Stop as stop:
        module.fail_json(msg=str(stop))
    module.exit_json(changed=changed, states=now)


if __name__ == "__main__":
    main()

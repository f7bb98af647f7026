#!/usr/bin/python
# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Delete what deployment_resources_info found of a deployment, and list again what is left."""

from __future__ import annotations

DOCUMENTATION = r"""
module: deployment_removal
short_description: Delete everything that a deployment has in AWS, and prove it
description:
  - Deletes the resources that M(gpulab.core.deployment_resources_info) found, in an order in which AWS lets them go and
    no host is ever without its guard, and then looks again in the same places until nothing is left or time is up.
  - What AWS refuses to delete is told in a sentence each and does not keep the rest from going; the module fails only
    where it cannot look.
  - The modules of amazon.aws are not used for this, because each takes a second for each resource, and one region at a
    time; a class of 50 has hundreds.
options:
  deployment: {type: str, required: true, description: Name of the deployment.}
  resources:
    type: list
    elements: dict
    required: true
    description: What is to go, as deployment_resources_info answers it.
  regions: {type: list, elements: str, required: true, description: Where to look again.}
  delay: {type: int, default: 5, description: Seconds between two looks at what is ending.}
  retries: {type: int, default: 120, description: How many looks are taken at most.}
extends_documentation_fragment: [amazon.aws.common.modules, amazon.aws.region.modules, amazon.aws.boto3]
author: [the gpulab authors (@gpulab)]
"""

EXAMPLES = r"""
- name: Delete it
  gpulab.core.deployment_removal:
    deployment: gpulab
    resources: "{{ found.resources }}"
    regions: "{{ found.regions }}"
  register: gone
"""

RETURN = r"""
remaining:
  description: What is left, in the form of deployment_resources_info's resources.
  returned: success
  type: list
  elements: dict
problems: {description: A sentence for each refusal., returned: success, type: list, elements: str}
time: {description: When the last look was taken (UTC)., returned: success, type: str, sample: "2026-11-22T09:00:00Z"}
"""

import time
from datetime import datetime, timezone

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.gpulab.core.plugins.module_utils import leftovers, teardown_calls, teardown_plan
from ansible_collections.gpulab.core.plugins.module_utils.ec2_calls import Stop
from ansible_collections.gpulab.core.plugins.module_utils.teardown_removal import Removal

ARGUMENTS = {
    "deployment": {"type": "str", "required": True},
    "resources": {"type": "list", "elements": "dict", "required": True},
    "regions": {"type": "list", "elements": "str", "required": True},
    "delay": {"type": "int", "default": 5},
    "retries": {"type": "int", "default": 120},
}
# What is still listed after its deletion is gone within seconds; hosts have been waited for before.
_LOOKS = 6


def remove(module):
    """Return what the module answers."""
    params, clients = module.params, teardown_calls.Clients(module)
    problems = Removal(clients, params["retries"], params["delay"]).remove(params["resources"])
    left = teardown_calls.look(clients, params["deployment"], params["regions"]).resources
    for _ in range(_LOOKS):
        if not left or problems:
            break
        time.sleep(params["delay"])
        places = sorted({clients.region, *(one["region"] for one in left)})
        left = teardown_calls.look(clients, params["deployment"], places).resources
    return {
        "remaining": teardown_plan.ordered(left),
        "problems": problems,
        "time": leftovers.moment(datetime.now(timezone.utc)),
    }


def main():
    """Run the module."""
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    answer = {"remaining": module.params["resources"], "problems": [], "time": ""}
    try:
        if not module.check_mode:
            answer = remove(module)
    except Stop as stop:
        module.fail_json(msg=str(stop))
    module.exit_json(changed=bool(module.params["resources"]), **answer)


if __name__ == "__main__":
    main()

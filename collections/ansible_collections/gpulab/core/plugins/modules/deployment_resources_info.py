#!/usr/bin/python
# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Tell everything that carries a deployment's tag, in every enabled region."""

from __future__ import annotations

DOCUMENTATION = r"""
module: deployment_resources_info
short_description: List everything that a deployment has in AWS, in every enabled region
description:
  - Read-only. Finds everything by the tag gpulab:deployment, with its age and what an hour of it costs; beside it what
    hangs on its hosts, outlives them, and is not its own (a user's volume, interface or address).
  - Regions are asked side by side, by one call each for all of EC2 and one for schedules. The account's own things (the
    billing alarm, its topic, the schedules' role) are found by their name, and count only if they carry the tag.
  - A region that these credentials may not look at is told as unseen; in the deployment's own region that is a failure.
options:
  deployment: {type: str, required: true, description: Name of the deployment.}
extends_documentation_fragment: [amazon.aws.common.modules, amazon.aws.region.modules, amazon.aws.boto3]
author: [the gpulab authors (@gpulab)]
"""

EXAMPLES = r"""
- name: List what there is
  gpulab.core.deployment_resources_info:
    deployment: gpulab
  register: found
"""

RETURN = r"""
deployment: {description: Name of the deployment., returned: success, type: str}
resources:
  description: What is the deployment's own, in the order in which it would go; usd_per_hour is null where unknown.
  returned: success
  type: list
  elements: dict
  sample: [{type: instance, id: i-1, region: us-east-1, name: gpulab, born: "", usd_per_hour: 0.531, goes_with: ""}]
kept:
  description: What hangs on its hosts, outlives them and is not its own, in the same form.
  returned: success
  type: list
  elements: dict
unseen:
  description: Where these credentials may not look.
  returned: success
  type: list
  elements: dict
  sample: [{what: EC2, region: eu-west-3, code: UnauthorizedOperation}]
regions: {description: The regions that were asked., returned: success, type: list, elements: str}
money:
  description: What each live host has cost so far; usd is null where its price is not known.
  returned: success
  type: list
  elements: dict
  sample: [{id: i-1, name: gpulab, type: g4dn.xlarge, region: us-east-1, seconds: 3600, usd: 0.54}]
lines: {description: All of it as the lines of a table., returned: success, type: list, elements: str}
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.gpulab.core.plugins.module_utils import teardown_calls, teardown_plan
from ansible_collections.gpulab.core.plugins.module_utils.ec2_calls import Stop

ARGUMENTS = {"deployment": {"type": "str", "required": True}}


def look(module):
    """Return what the module answers."""
    deployment, clients = module.params["deployment"], teardown_calls.Clients(module)
    regions, now = teardown_calls.enabled_regions(clients)
    found = teardown_calls.look(clients, deployment, regions)
    return {
        "deployment": deployment,
        "resources": teardown_plan.ordered(found.resources),
        "kept": found.kept,
        "unseen": found.unseen,
        "regions": regions,
        "money": teardown_calls.money(clients, deployment, found.resources),
        "lines": teardown_plan.lines(found.resources, found.kept, found.unseen, now),
    }


def main():
    """Run the module."""
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        answer = look(module)
    except Stop as stop:
        module.fail_json(msg=str(stop))
    module.exit_json(changed=False, **answer)


if __name__ == "__main__":
    main()

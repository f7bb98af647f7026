#!/usr/bin/python
# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Tell whether the account's vCPU quotas are enough for some hosts, and what has become of requests for more."""

from __future__ import annotations

DOCUMENTATION = r"""
module: service_quota_info
short_description: Tell whether EC2's vCPU quotas are enough for the hosts that are wanted
description:
  - Read-only. Reads the quota that the instance types count against (the applied value, else AWS's default), the vCPUs
    of that class that run, and the history of requests for more. A value that may not be read is unknown, never zero.
options:
  instance_types:
    type: list
    elements: str
    required: true
    description: Instance types in order of preference; each quota is judged by the first type that counts against it.
  market:
    type: str
    default: on-demand
    choices: [on-demand, spot]
    description: How the hosts are bought; spot has quotas of its own.
  count: {type: int, default: 1, description: How many hosts are to run at once.}
  deployment:
    type: str
    description: Name of a deployment; its hosts that run already are not needed once more.
  desired: {type: int, description: 'vCPUs that the quota should have; what is needed, if not given.'}
  again: {type: bool, default: false, description: Plan another request though AWS refused the last one.}
extends_documentation_fragment: [amazon.aws.common.modules, amazon.aws.region.modules, amazon.aws.boto3]
author: [the gpulab authors (@gpulab)]
"""

EXAMPLES = r"""
- name: See whether two hosts may run
  gpulab.core.service_quota_info:
    instance_types: [g4dn.xlarge, g5.xlarge]
    count: 2
  register: found
"""

RETURN = r"""
quotas:
  description:
    - One for each quota that the types count against. applied and enough are null where the quota could not be read;
      source is applied, default or unknown; plan says what to do (none, ask, wait, refused, unknown) in one sentence
      and names the open or else the last request; requests is the history, newest first.
  returned: success
  type: list
  elements: dict
  sample:
    - {code: L-DB2E81BA, applied: 0.0, source: applied, in_use: 0, needed: 8, enough: false,
       plan: {action: ask, desired: 8}, requests: []}
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.gpulab.core.plugins.module_utils.ec2_calls import Stop
from ansible_collections.gpulab.core.plugins.module_utils.quota_evidence import survey
from ansible_collections.gpulab.core.plugins.module_utils.quota_plan import MARKETS
from ansible_collections.gpulab.core.plugins.module_utils.quota_request import plan_request, use_case

ARGUMENTS = {
    "instance_types": {"type": "list", "elements": "str", "required": True},
    "market": {"type": "str", "default": "on-demand", "choices": list(MARKETS)},
    "count": {"type": "int", "default": 1},
    "deployment": {"type": "str"},
    "desired": {"type": "int"},
    "again": {"type": "bool", "default": False},
}


def look(module):
    """Return the judged quotas with their plans."""
    params = module.params
    return [
        dict(
            judgement,
            plan=plan_request(judgement, history, params["desired"], params["again"]),
            requests=history,
            use_case=use_case(judgement, module.region),
        )
        for judgement, history in survey(
            module, params["instance_types"], params["market"], params["count"], params["deployment"]
        )
    ]


def main():
    """Run the module."""
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        quotas = look(module)
    except Stop as stop:
        module.fail_json(msg=str(stop))
    module.exit_json(changed=False, quotas=quotas)


if __name__ == "__main__":
    main()

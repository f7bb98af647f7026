#!/usr/bin/python
# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Tell what each host of a deployment has spent and has left, and what it is guarded by."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cost_guard_info
short_description: Tell what the hosts of a deployment have spent, have left and are guarded by
description:
  - Read-only. Six calls to AWS whether there is 1 host or 50, one more with a mail.
options:
  deployment: {type: str, required: true, description: Name of the deployment.}
  budget_usd: {type: float, required: true, description: Budget in USD of a host that has none yet.}
  budgets: {type: dict, default: {}, description: 'Budgets in USD by host name, which go before budget_usd.'}
  usd_per_hour: {type: float, default: 0, description: 'Price of an hour where nobody knows it; 0 is the table''s.'}
  volume_gb: {type: int, default: 100, description: 'Size of the disk in GB, for the price by the table.'}
  mail: {type: str, default: '', description: Address that the billing alarm writes to.}
extends_documentation_fragment: [amazon.aws.common.modules, amazon.aws.region.modules, amazon.aws.boto3]
author: [the gpulab authors (@gpulab)]
"""

EXAMPLES = r"""
- name: Read the guards back
  gpulab.core.cost_guard_info:
    deployment: gpulab
    budget_usd: 5
  register: guarded
"""

RETURN = r"""
hosts:
  description: 'The live hosts by name: budget, price, time and money spent and left, deadline, and guards.'
  returned: success
  type: dict
missing:
  description: One sentence for each host that runs without a guard.
  returned: success
  type: list
  elements: str
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.gpulab.core.plugins.module_utils import guard_calls, guard_look
from ansible_collections.gpulab.core.plugins.module_utils.ec2_calls import Stop


def look(module):
    """Return what the module answers."""
    params, clients = module.params, guard_calls.Clients(module)
    now, account, hosts = guard_calls.hosts(clients.ec2, params["deployment"], module.region, params["volume_gb"])
    if not hosts:
        return {"hosts": {}, "missing": []}
    pictures = {host["name"]: guard_look.told(host, now, guard_look.asked(params, host)) for host in hosts}
    found = guard_calls.guards(clients, account, params["deployment"], params["mail"])
    pictures = guard_look.with_guards(pictures, found, account, params["deployment"], now)
    return {"hosts": pictures, "missing": guard_look.missing(pictures, params["mail"])}


def main():
    """Run the module."""
    module = AnsibleAWSModule(argument_spec=guard_look.ARGUMENTS, supports_check_mode=True)
    try:
        found = look(module)
    except Stop as stop:
        module.fail_json(msg=str(stop))
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()

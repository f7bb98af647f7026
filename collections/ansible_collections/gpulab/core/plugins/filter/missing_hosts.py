# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""The filter gpulab.core.missing_hosts: what has become of the hosts that a run should have provided."""

from __future__ import annotations

DOCUMENTATION = r"""
name: missing_hosts
short_description: What has become of hosts that a run should have provided
description:
  - A sentence for each host that was not launched, is gone, is stopped, is not healthy or not listed, or does not guard
    itself, with what to type next.
options:
  _input:
    description: Names of the hosts that were to be provided.
    type: list
    elements: str
    required: true
  found:
    description: The hosts as M(gpulab.core.ec2_deployment_info) finds them.
    type: list
    elements: dict
    required: true
  ids:
    description: Ids of the instances of this run.
    type: list
    elements: str
    required: true
  plan:
    description: The plan of M(gpulab.core.ec2_plan_info), with C(launched) and C(refusals).
    type: dict
    required: true
  refused:
    description: Hosts that may run no longer, name to reason, from M(gpulab.core.cost_guard).
    type: dict
    default: {}
  listed:
    description: Names of the hosts in the inventory.
    type: list
    elements: str
    default: []
  guards:
    description: What the role C(host_baseline) read back from each host, by name; without those that were not asked.
    type: dict
    default: {}
author: [the gpulab authors (@gpulab)]
"""

EXAMPLES = r"""
- name: Stop if a host is missing
  ansible.builtin.assert:
    that: missing | length == 0
  vars:
    missing: "{{ names | gpulab.core.missing_hosts(deployment.hosts, ids, plan) }}"
"""

RETURN = r"""
_value:
  description: The sentences.
  type: list
  elements: str
"""

from ansible_collections.gpulab.core.plugins.module_utils import fleet_missing


def missing_hosts(names, found, ids, plan, refused=None, listed=(), guards=None):
    """The sentences."""
    return fleet_missing.missing(names, found, ids, plan, refused or {}, listed, guards or {})


class FilterModule:
    """The filters of this file."""

    def filters(self):
        """Return them by name."""
        return {"missing_hosts": missing_hosts}

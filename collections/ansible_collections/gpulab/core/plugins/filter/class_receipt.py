# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""The filters gpulab.core.class_receipt and class_receipt_page: the one receipt of a class, as data and as a page."""

from __future__ import annotations

DOCUMENTATION = r"""
name: class_receipt
short_description: The one receipt of a deployment with several hosts
description:
  - Says of each host whose it is, how long it ran and what that cost, and the sum of both.
options:
  _input:
    description: What each host has cost, as P(gpulab.core.teardown_receipt#filter) keeps it in C(receipt.money).
    type: list
    elements: dict
    required: true
  deployment:
    description: Name of the deployment.
    type: str
    required: true
  hosts:
    description: The hosts as P(gpulab.core.fleet_hosts#filter) gives them, for the students' names.
    type: list
    elements: dict
    required: true
author: [the gpulab authors (@gpulab)]
"""

EXAMPLES = r"""
- name: Count
  ansible.builtin.debug:
    msg: "{{ told.receipt.money | gpulab.core.class_receipt('gpulab', hosts) | gpulab.core.class_receipt_page }}"
"""

RETURN = r"""
_value:
  description: C(deployment), C(hosts), C(seconds) and C(usd).
  type: dict
"""

from ansible_collections.gpulab.core.plugins.module_utils import fleet_receipt


def class_receipt(money, deployment, hosts):
    """The receipt as data."""
    return fleet_receipt.receipt(deployment, hosts, money)


class FilterModule:
    """The filters of this file."""

    def filters(self):
        """Return them by name."""
        return {"class_receipt": class_receipt, "class_receipt_page": fleet_receipt.page}

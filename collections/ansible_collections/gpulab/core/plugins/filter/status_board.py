# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""The filter gpulab.core.status_board: the board of a deployment."""

from __future__ import annotations

DOCUMENTATION = r"""
name: status_board
short_description: The board of a deployment
description:
  - One aligned line for each host, what it does, since when, at which address, what guards it, what it has spent, what
    is left and what its disk costs while it is stopped.
options:
  _input:
    description: The hosts that M(gpulab.core.ec2_deployment_info) found.
    type: list
    elements: dict
    required: true
  guarded:
    description: The hosts of M(gpulab.core.cost_guard_info).
    type: dict
    required: true
  fleet:
    description: The hosts as data, see P(gpulab.core.fleet_hosts#filter), for the students' names.
    type: list
    elements: dict
    default: []
author: [the gpulab authors (@gpulab)]
"""

EXAMPLES = r"""
- name: Show it
  ansible.builtin.debug:
    msg: "{{ found.hosts | gpulab.core.status_board(guarded.hosts) }}"
"""

RETURN = r"""
_value:
  description: The lines.
  type: list
  elements: str
"""

from ansible_collections.gpulab.core.plugins.module_utils import status_board as board


def status_board(hosts, guarded, fleet=()):
    """The board's lines."""
    return board.lines(hosts, guarded, {one["name"]: one["student"] for one in fleet if one.get("student")})


class FilterModule:
    """The filters of this file."""

    def filters(self):
        """Return them by name."""
        return {"status_board": status_board}

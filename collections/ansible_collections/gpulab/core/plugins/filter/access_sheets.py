# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""The filter gpulab.core.access_sheets: a page for each student of a class."""

from __future__ import annotations

DOCUMENTATION = r"""
name: access_sheets
short_description: A page for each student of a class
description:
  - Says how a student reaches the host, what the budget is and until when it lasts, and nothing of another student.
options:
  _input:
    description: The hosts as P(gpulab.core.fleet_hosts#filter) gives them.
    type: list
    elements: dict
    required: true
  found:
    description: The hosts as M(gpulab.core.ec2_deployment_info) finds them.
    type: list
    elements: dict
    required: true
  money:
    description: What the role C(cost_guard) found of each host, by name; {} where it did not run.
    type: dict
    required: true
  known_hosts:
    description: Text of the file with the pinned host keys.
    type: str
    required: true
  port:
    description: The notebook's port on the host.
    type: int
    default: 8888
author: [the gpulab authors (@gpulab)]
"""

EXAMPLES = r"""
- name: Write the sheets
  gpulab.core.text_folder:
    path: access
    files: "{{ hosts | gpulab.core.access_sheets(deployment.hosts, {}, '') }}"
    mode: "0600"
"""

RETURN = r"""
_value:
  description: Text by file name, Markdown.
  type: dict
"""

from ansible_collections.gpulab.core.plugins.module_utils import fleet_sheets


class FilterModule:
    """The filters of this file."""

    def filters(self):
        """Return them by name."""
        return {"access_sheets": fleet_sheets.sheets}

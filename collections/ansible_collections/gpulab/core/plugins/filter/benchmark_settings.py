# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""The filter gpulab.core.benchmark_settings: what a benchmark was asked to do, in one form."""

from __future__ import annotations

DOCUMENTATION = r"""
name: benchmark_settings
short_description: What a benchmark was asked to do, in one form
description:
  - Takes lists or comma text and gives lists, numbers and truth values.
  - What cannot be meant is told in C(problems), a sentence each.
options:
  _input:
    description:
      - What was given, by the names of the role's variables without C(gpu_benchmark_), that is C(nets), C(devices),
        C(style), C(seeds), C(epochs), C(gpus), C(rendezvous_port) and C(again).
    type: dict
    required: true
author: [the gpulab authors (@gpulab)]
"""

EXAMPLES = r"""
- name: Read what was given
  ansible.builtin.set_fact:
    settings: "{{ {'nets': 'lenet,mlp', 'devices': 'auto', 'style': 'auto', 'seeds': '0', 'epochs': 10, 'gpus': 1,
                   'rendezvous_port': 29500, 'again': false} | gpulab.core.benchmark_settings }}"
"""

RETURN = r"""
_value:
  description: The same by the same names, but C(port) for the port, and C(problems).
  type: dict
"""

from ansible_collections.gpulab.core.plugins.module_utils.benchmark_settings import settings


class FilterModule:
    """The filters of this file."""

    def filters(self):
        """Return them by name."""
        return {"benchmark_settings": settings}

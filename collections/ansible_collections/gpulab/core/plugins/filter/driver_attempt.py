# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""The filter gpulab.core.driver_attempt: what the next attempt at a driver repair does."""

from __future__ import annotations

DOCUMENTATION = r"""
name: driver_attempt
short_description: What the next attempt at a driver repair does
description:
  - Takes the result of M(gpulab.core.nvidia_driver_info).
  - Says whether the host needs a repair, which steps that has, or why there is none.
options:
  _input:
    description: The result of M(gpulab.core.nvidia_driver_info).
    type: dict
    required: true
  wanted:
    description: What was asked for, C(auto), a branch, or an exact version.
    type: str
    required: true
  history:
    description: The attempts of this run, oldest first, each with C(verdict) and C(rebooted).
    type: list
    elements: dict
    required: true
  allow_reboot:
    description: Whether the host may be restarted.
    type: bool
    default: false
  replace_healthy:
    description: Whether a driver that works may be replaced by another version.
    type: bool
    default: false
  own_installer:
    description: Whether a .run file with size and sha256 was given, which needs none in the catalogue.
    type: bool
    default: false
author: [the gpulab authors (@gpulab)]
"""

EXAMPLES = r"""
- name: Decide
  ansible.builtin.set_fact:
    attempt: "{{ info | gpulab.core.driver_attempt(wanted='auto', history=[]) }}"
"""

RETURN = r"""
_value:
  description:
    - C(action) (nothing, repair or refuse), C(sentence), and C(steps), the names of the steps in order.
    - C(record) and C(roll_back) say whether what is there is recorded first, and the last attempt taken back.
    - C(kernels) are the releases to build modules for, C(headers) packages that keep headers with the kernel.
    - C(apt) says whether the host's packages are apt's, C(libraries) which packages bring a missing userspace.
  type: dict
"""

from ansible_collections.gpulab.core.plugins.module_utils import driver_attempt


class FilterModule:
    """The filters of this file."""

    def filters(self):
        """Name to function."""
        return {"driver_attempt": driver_attempt.decide}

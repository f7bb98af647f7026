# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""The filter gpulab.core.environment_error: what conda's programs and pip print when they fail, as one sentence."""

from __future__ import annotations

DOCUMENTATION = r"""
name: environment_error
short_description: One sentence for the output of a conda program or pip that failed
description:
  - Says what was found, what was expected, and what to do.
options:
  _input:
    description: The last lines of the output.
    type: list
    elements: str
    required: true
  about:
    description:
      - C(channels), C(wheels), C(root), C(free) and C(needed) megabytes, C(extras), C(log), and whether an old
        environment is C(in_use).
    type: dict
    required: true
author: [the gpulab authors (@gpulab)]
"""

EXAMPLES = r"""
- name: Say why there is no environment
  ansible.builtin.fail:
    msg: "{{ result.stdout_lines | gpulab.core.environment_error(about) }}"
"""

RETURN = r"""
_value:
  description: The sentence.
  type: str
"""

from ansible_collections.gpulab.core.plugins.module_utils import environment_errors


class FilterModule:
    """The filters of this file."""

    def filters(self):
        """Name to function."""
        return {"environment_error": environment_errors.explain}

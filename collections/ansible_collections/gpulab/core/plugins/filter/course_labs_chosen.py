# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""The filter gpulab.core.course_labs_chosen: the labs that a host gets."""

from __future__ import annotations

DOCUMENTATION = r"""
name: course_labs_chosen
short_description: The labs that a host gets
description:
  - Checks the descriptions of labs and gives those of a profile, or those that are named, with all their defaults.
  - Fails with one sentence that names the lab, what it has, and what was expected.
options:
  _input:
    description: The labs, see the role's C(course_labs_labs).
    type: list
    elements: dict
    required: true
  profile:
    description: The profile of the host; a lab that names no profiles fits every one.
    type: str
    required: true
  only:
    description: Names of labs; when there are any, these are given and no others, whatever their profiles.
    type: list
    elements: str
    default: []
author: [the gpulab authors (@gpulab)]
"""

EXAMPLES = r"""
- name: Choose
  ansible.builtin.set_fact:
    labs: "{{ course_labs_labs | gpulab.core.course_labs_chosen('modern') }}"
"""

RETURN = r"""
_value:
  description: The labs.
  type: list
  elements: dict
"""

from ansible.errors import AnsibleFilterError
from ansible_collections.gpulab.core.plugins.module_utils import lab_plan


def course_labs_chosen(labs, profile, only=()):
    """The labs of a profile, or those named in `only`; raises AnsibleFilterError."""
    try:
        return lab_plan.chosen(labs, profile, only)
    except lab_plan.LabError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """The filters of this file."""

    def filters(self):
        """Return them by name."""
        return {"course_labs_chosen": course_labs_chosen}

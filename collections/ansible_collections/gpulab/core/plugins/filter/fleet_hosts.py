# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""The filter gpulab.core.fleet_hosts: the hosts of a deployment as data."""

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet_hosts
short_description: The hosts of a deployment as data
description:
  - Makes the list of hosts from a list of names, a number, or a class file; from the one name where none is given.
  - Fails with one sentence for each host that is not right, with the number of its line in a class file.
options:
  _input:
    description: The name of the first host.
    type: str
    required: true
  hosts:
    description:
      - Names of hosts, or dictionaries with C(name), C(budget_usd), C(student), C(mail), C(public_key).
      - Or names with commas between them, as they come from the command line.
    type: list
    elements: raw
    default: []
  count:
    description: How many hosts; the second is called NAME-2.
    type: int
    default: 1
  class_file:
    description: Path of a CSV file with the columns student, mail, budget and key.
    type: path
    default: ''
  budget_usd:
    description: The budget of a host that has none of its own, in US dollars.
    type: float
    default: 5
author: [the gpulab authors (@gpulab)]
"""

EXAMPLES = r"""
- name: Say which hosts there are to be
  ansible.builtin.debug:
    msg: "{{ 'gpulab' | gpulab.core.fleet_hosts(class_file='class.csv') | map(attribute='name') }}"
"""

RETURN = r"""
_value:
  description: Each host's C(name), C(budget_usd), C(student), C(mail) and C(public_key), the last three "" if unknown.
  type: list
  elements: dict
"""

from ansible.errors import AnsibleFilterError
from ansible_collections.gpulab.core.plugins.module_utils import fleet, fleet_class


def fleet_hosts(name, hosts=(), count=1, class_file="", budget_usd=5):
    """The hosts of a deployment; raises AnsibleFilterError."""
    try:
        number = int(count or 1)
    except ValueError:
        raise AnsibleFilterError(
            f"gpu_host_count is '{count}', expected a whole number: -e gpu_host_count=2."
        ) from None
    try:
        rows = fleet_class.read(class_file) if class_file else None
        return fleet.hosts(name, hosts, number, rows, budget_usd)
    except fleet.FleetError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """The filters of this file."""

    def filters(self):
        """Return them by name."""
        return {"fleet_hosts": fleet_hosts}

# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Tell what was given with -e, where variables do not exist yet: in the filters and regions of an inventory file."""

from __future__ import annotations

DOCUMENTATION = r"""
name: extra_var
short_description: The value of a variable that was given with -e
description:
  - An inventory plugin resolves its own options before there are variables, so C(-e deployment=NAME) does not reach the
    filters of C(amazon.aws.aws_ec2), whatever C(use_extra_vars) says. This lookup reads the command line itself.
options:
  _terms:
    description: Names of variables.
    required: true
author: [the gpulab authors (@gpulab)]
"""

EXAMPLES = r"""
# in an inventory file
regions: ["{{ lookup('gpulab.core.extra_var', 'aws_region') | default('us-east-1', true) }}"]
"""

RETURN = r"""
_raw:
  description: The values, in order; an empty string for what was not given.
  type: list
  elements: raw
"""

from ansible.plugins.lookup import LookupBase
from ansible.utils.vars import load_extra_vars


class LookupModule(LookupBase):
    """The lookup gpulab.core.extra_var."""

    def run(self, terms, variables=None, **kwargs):
        """Return the values of `terms` among the extra variables."""
        given = load_extra_vars(self._loader)
        return [given.get(term, "") for term in terms]

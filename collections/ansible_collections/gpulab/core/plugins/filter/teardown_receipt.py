# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""The filter gpulab.core.teardown_receipt: what a teardown removed, what is left, and what it all cost."""

from __future__ import annotations

DOCUMENTATION = r"""
name: teardown_receipt
short_description: The receipt of a teardown
description:
  - Takes what deployment_resources_info found, and what deployment_removal left of it, together to a receipt.
  - A receipt that was begun and never completed is gone on with, so that a teardown that was killed loses nothing.
options:
  _input:
    description: What deployment_resources_info answered.
    type: dict
    required: true
  gone:
    description: What deployment_removal answered; none before it has begun.
    type: dict
    default: {}
  earlier:
    description: The text of the receipt that lies there already.
    type: str
    default: ''
author: [the gpulab authors (@gpulab)]
"""

EXAMPLES = r"""
- name: Say whether nothing remains
  ansible.builtin.debug:
    msg: "{{ (found | gpulab.core.teardown_receipt(gone)).sentence }}"
"""

RETURN = r"""
_value:
  description:
    - C(receipt), what is to be written; C(proved), whether nothing costs from here on, and C(sentence), which says so.
    - C(begun) is whether an earlier teardown was never completed.
  type: dict
"""

import json

from ansible_collections.gpulab.core.plugins.module_utils.teardown_plan import receipt, verdict


def teardown_receipt(found, gone=None, earlier=""):
    """The receipt with its verdict. An earlier receipt that cannot be read counts as none."""
    try:
        before = json.loads(earlier or "{}")
    except ValueError:
        before = {}
    told = receipt(before, found, gone or {})
    proved, sentence = verdict(told)
    begun = bool(before) and not before.get("complete")
    return {"receipt": told, "proved": proved, "sentence": sentence, "begun": begun}


class FilterModule:
    """The filters of this file."""

    def filters(self):
        """Return them by name."""
        return {"teardown_receipt": teardown_receipt}

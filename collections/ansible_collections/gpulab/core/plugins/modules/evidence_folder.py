#!/usr/bin/python
# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Module gpulab.core.evidence_folder."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
---
module: evidence_folder
short_description: Write the evidence of a host's driver into a folder
description:
  - Writes what M(gpulab.core.nvidia_driver_info) collected, one file each, into a folder that only its owner may read.
  - C(bin/diagnose) reads such a folder. Meant for the control machine.
version_added: "0.2.0"
options:
  folder:
    description: The folder; it and those above it are made.
    type: path
    required: true
  evidence:
    description: Text by file name.
    type: dict
    required: true
author:
  - gpulab contributors
attributes:
  check_mode:
    description: Writes nothing.
    support: full
  diff_mode:
    description: There is nothing to compare with.
    support: none
"""

EXAMPLES = r"""
- name: Save the evidence
  gpulab.core.evidence_folder:
    folder: /tmp/evidence/gpu-box
    evidence: "{{ driver.evidence }}"
  delegate_to: localhost
"""

RETURN = r"""
files:
  description: Names of the files that were written.
  returned: success
  type: list
  elements: str
"""

import os

from ansible.module_utils.basic import AnsibleModule


def main():
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "folder": {"type": "path", "required": True},
            "evidence": {"type": "dict", "required": True},
        },
        supports_check_mode=True,
    )
    folder, evidence = module.params["folder"], module.params["evidence"]
    # A name is taken as a name, never as a path: the evidence comes from a host.
    files = {os.path.basename(name): text for name, text in evidence.items()}
    try:
        if not module.check_mode:
            os.makedirs(folder, mode=0o700, exist_ok=True)
        for name, text in {} if module.check_mode else sorted(files.items()):
            with open(os.path.join(folder, name), "w", errors="replace") as file:
                file.write(text)
    except (IOError, OSError) as error:
        module.fail_json(
            msg="The evidence could not be written to %s (%s), expected a folder to write to: "
            "set nvidia_driver_evidence_folder." % (folder, error.strerror)
        )
    module.exit_json(changed=True, files=sorted(files))


if __name__ == "__main__":
    main()

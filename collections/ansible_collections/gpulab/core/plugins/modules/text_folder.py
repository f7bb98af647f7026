#!/usr/bin/python
# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Module gpulab.core.text_folder."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
---
module: text_folder
short_description: Make a folder hold these text files
description:
  - Writes the files that differ and removes the files that are not named, all in one go. Folders inside are left alone.
  - M(ansible.builtin.copy) takes several round trips for each file of a folder, and removes none.
version_added: "0.4.0"
options:
  path:
    description: The folder; it and those above it are made.
    type: path
    required: true
  files:
    description: Text by file name.
    type: dict
    required: true
  mode:
    description: Mode of the files that are written, and so of the folder where it is made; octal digits in quotes.
    type: str
    default: "0644"
  exclusive:
    description: Remove the files that are not named.
    type: bool
    default: true
author: [the gpulab authors (@gpulab)]
attributes:
  check_mode:
    description: Says what would be written and removed.
    support: full
  diff_mode:
    description: Programs are long, so no difference is shown.
    support: none
"""

EXAMPLES = r"""
- name: Put a program there
  gpulab.core.text_folder:
    path: /opt/gpulab/program
    files:
      __init__.py: ""
      __main__.py: "print('works')\n"
"""

RETURN = r"""
written:
  description: Names of the files that were written.
  returned: success
  type: list
  elements: str
  sample: [__main__.py]
removed:
  description: Names of the files that were removed.
  returned: success
  type: list
  elements: str
  sample: [old.py]
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gpulab.core.plugins.module_utils import text_folder


def main():
    """Compare, write, remove, report."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "files": {"type": "dict", "required": True},
            "mode": {"type": "str", "default": "0644"},
            "exclusive": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    folder, mode = module.params["path"], int(module.params["mode"], 8)
    # A name is taken as a name, never as a path out of the folder.
    wanted = {os.path.basename(name): text.encode("utf-8") for name, text in module.params["files"].items()}
    try:
        written, removed = text_folder.plan(wanted, text_folder.read(folder))
        removed = removed if module.params["exclusive"] else []
        if not module.check_mode:
            if not os.path.isdir(folder):
                os.makedirs(folder, text_folder.folder_mode(mode))
            for name in written:
                text_folder.write(os.path.join(folder, name), wanted[name], mode)
            for name in removed:
                os.unlink(os.path.join(folder, name))
    except (IOError, OSError) as error:
        module.fail_json(
            msg="%s cannot be made to hold the %d files (%s), expected a folder that this login may write: "
            "correct its path or its owner." % (folder, len(wanted), error.strerror or error)
        )
    module.exit_json(changed=bool(written or removed), written=written, removed=removed)


if __name__ == "__main__":
    main()

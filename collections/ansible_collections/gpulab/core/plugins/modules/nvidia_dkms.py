#!/usr/bin/python
# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Module gpulab.core.nvidia_dkms."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
---
module: nvidia_dkms
short_description: Build the NVIDIA kernel modules through DKMS
description:
  - Leaves the driver's DKMS tree built and installed for the given kernels.
  - Needs dkms, a compiler, and the headers of those kernels.
version_added: "0.2.0"
options:
  kernels:
    description: Kernel releases to build for, as C(uname -r) writes them.
    type: list
    elements: str
    required: true
  version:
    description: Version of the driver to build; the newest one that DKMS knows when empty.
    type: str
    default: ""
  force:
    description: Build again also for kernels that DKMS counts as done.
    type: bool
    default: false
  compiler:
    description: Compiler to use; the one that built the running kernel, if it is installed, when empty.
    type: str
    default: ""
author:
  - gpulab contributors
attributes:
  check_mode:
    description: Says whether there is something to build.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
"""

EXAMPLES = r"""
- name: Build for the running kernel
  gpulab.core.nvidia_dkms:
    kernels: ["6.1.0-40-cloud-amd64"]
    force: true
"""

RETURN = r"""
tree:
  description: The DKMS tree that was built from.
  returned: success
  type: str
  sample: nvidia-current/535.261.03
commands:
  description: The commands that were run, or would be.
  returned: success
  type: list
  elements: list
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gpulab.core.plugins.module_utils import (
    driver_evidence,
    driver_kernels,
    driver_programs,
    driver_runfile,
)


def compiler(module):
    """The compiler to name in CC: the one asked for, else the kernel's own if installed, else "" (the default)."""
    if module.params["compiler"]:
        return module.params["compiler"]
    with open("/proc/version") as file:
        name = driver_kernels.compiler_of(file.read())
    return name if name and module.get_bin_path(name) else ""


def make_log(tree, kernel):
    """What the build of a tree wrote, wherever this version of DKMS keeps it; "" if nowhere."""
    folder = os.path.join("/var/lib/dkms", tree)
    for place in (
        os.path.join(folder, "build", "make.log"),
        os.path.join(folder, kernel, os.uname().machine, "log", "make.log"),
    ):
        if os.path.exists(place):
            return driver_programs.lines_of_file(place)
    return ""


def main():
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "kernels": {"type": "list", "elements": "str", "required": True},
            "version": {"type": "str", "default": ""},
            "force": {"type": "bool", "default": False},
            "compiler": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    kernels, version = module.params["kernels"], module.params["version"]
    rc, out = driver_programs.run(["dkms", "status"])
    if rc != 0:
        module.fail_json(
            msg="`dkms status` ended with %d (%s), expected the list of trees: install dkms, and run this again."
            % (rc, out.strip())
        )
    entries = driver_evidence.read({"dkms-status.txt": out}).dkms
    source = driver_kernels.dkms_source(entries, version)
    if source is None:
        module.fail_json(
            msg="DKMS has no NVIDIA driver%s to build from, expected one in `dkms status`: reinstall the driver."
            % (" " + version if version else "")
        )
    tree = "%s/%s" % source
    commands = driver_kernels.dkms_commands(entries, source, kernels, module.params["force"])
    chosen = compiler(module) if commands else ""
    for argv in [] if module.check_mode else commands:
        rc, out = driver_programs.run(argv, more={"CC": chosen} if chosen else {})
        if rc != 0:
            log = make_log(tree, argv[-1])
            module.fail_json(
                msg="`%s` ended with %d: %s" % (" ".join(argv), rc, driver_runfile.first_error(log or out)),
                log=(log or out)[-8000:],
                rc=rc,
            )
    module.exit_json(changed=bool(commands), tree=tree, commands=commands)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Module gpulab.core.nvidia_runfile."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
---
module: nvidia_runfile
short_description: Try, install or remove a driver from NVIDIA's .run file
description:
  - With O(state=built) it unpacks the file into a scratch folder and builds the kernel modules there, as a user without
    rights where there is one. Nothing outside that folder is touched, and the folder is removed.
  - With O(state=installed) it runs the installer silently through DKMS, with those flags only that the version knows.
  - With O(state=absent) it removes the driver that was installed by a .run file.
  - While an installer is at work, C(/run/gpulab-nvidia-runfile.lock) is locked.
  - A failure is told in words, from the installer's own log.
version_added: "0.2.0"
options:
  path:
    description: The .run file on the host, verified by the caller; not needed to remove.
    type: path
  version:
    description: Version of the driver in the file; not needed to remove.
    type: str
  state:
    description: What to do.
    type: str
    choices: [built, installed, absent]
    required: true
  flavour:
    description: The kernel modules to take.
    type: str
    choices: [open, proprietary]
    default: proprietary
  kernel:
    description: Kernel release to try the build for; not needed otherwise.
    type: str
  flags:
    description: Further flags for the installer; one that this version does not know is refused before anything is run.
    type: list
    elements: str
    default: []
author:
  - gpulab contributors
attributes:
  check_mode:
    description: Checks the flags and does nothing else.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
"""

EXAMPLES = r"""
- name: See whether the driver can be built for the running kernel
  gpulab.core.nvidia_runfile:
    path: /var/cache/gpulab/nvidia/NVIDIA-Linux-x86_64-367.57.run
    version: "367.57"
    state: built
    kernel: 4.4.0-59-generic
"""

RETURN = r"""
command:
  description: The installer's, uninstaller's or build's command line.
  returned: success
  type: list
  elements: str
"""

import fcntl
import os
import shutil
import tempfile

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gpulab.core.plugins.module_utils import driver_commands, driver_programs, driver_runfile

LOCK = "/run/gpulab-nvidia-runfile.lock"
LOGS = {"installed": "/var/log/nvidia-installer.log", "absent": "/var/log/nvidia-uninstall.log"}
ROOM = 6
"""Bytes that unpacking and building need, per byte of the file: it unpacks to 3.5 times its size."""


def scratch_folder(module):
    """A new folder beside the .run file; ends the module when the disk is too small for what will be in it."""
    path = module.params["path"]
    parent = os.path.dirname(path)
    disk = os.statvfs(parent)
    free, needed = disk.f_bavail * disk.f_frsize >> 20, os.path.getsize(path) * ROOM >> 20
    if free < needed:
        module.fail_json(
            msg="%d MB are free in %s, expected %d: free some, or set nvidia_driver_cache to a larger disk."
            % (free, parent, needed)
        )
    return tempfile.mkdtemp(prefix="trial-", dir=parent)


def build(module):
    """Try the build in a scratch folder; returns the command, ends the module when it fails."""
    kernel, path = module.params["kernel"], module.params["path"]
    folder, nobody = scratch_folder(module), driver_programs.user("nobody")
    command = driver_runfile.build_command(kernel, os.cpu_count() or 1)
    try:
        if nobody:
            os.chown(folder, *nobody)
        unpacked = os.path.join(folder, "driver")
        # The system's own folder for temporary files may be small or noexec.
        rc, out = driver_programs.run(["sh", path, "-x", "--target", unpacked], folder, nobody, {"TMPDIR": folder})
        if rc != 0:
            module.fail_json(
                msg="%s could not be unpacked, and nothing was changed: %s" % (path, driver_runfile.first_error(out))
            )
        sources = os.path.join(unpacked, driver_runfile.module_folder(module.params["flavour"]))
        rc, out = driver_programs.run(command, sources, nobody, {"TMPDIR": folder})
        if rc != 0:
            module.fail_json(
                msg="%s does not build for kernel %s, and nothing was removed or installed: %s"
                % (module.params["version"], kernel, driver_runfile.first_error(out)),
                log=out[-8000:],
                rc=rc,
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return command


def change(module, command):
    """Run the installer or uninstaller; ends the module when it fails, with its log in words."""
    state = module.params["state"]
    folder = os.path.dirname(module.params["path"] or "/var/tmp/x")
    log_file = LOGS[state]
    if os.path.exists(log_file):
        os.remove(log_file)
    with open(LOCK, "w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        rc, out = driver_programs.run(command, folder, None, {"TMPDIR": folder})
    log = driver_programs.lines_of_file(log_file) + out
    if rc != 0:
        what = "install" if state == "installed" else "uninstall"
        module.fail_json(
            msg="The driver %s did not %s: %s."
            % (module.params["version"] or "", what, driver_runfile.log_sentence(log).rstrip(".")),
            log=log[-8000:],
            rc=rc,
        )


def check(module):
    """End the module with a sentence when this version has no such flag or module."""
    version, flavour = module.params["version"], module.params["flavour"]
    unknown = driver_runfile.unknown_flags(version, module.params["flags"])
    if unknown:
        module.fail_json(
            msg="The installer of %s does not know %s, expected flags that it has: change nvidia_driver_runfile_flags."
            % (version, ", ".join(unknown))
        )
    problem = driver_runfile.flavour_problem(version, flavour)
    if problem:
        module.fail_json(msg=problem)


def main():
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path"},
            "version": {"type": "str"},
            "state": {"type": "str", "choices": ["built", "installed", "absent"], "required": True},
            "flavour": {"type": "str", "choices": ["open", "proprietary"], "default": "proprietary"},
            "kernel": {"type": "str"},
            "flags": {"type": "list", "elements": "str", "default": []},
        },
        required_if=[("state", "built", ["path", "version", "kernel"]), ("state", "installed", ["path", "version"])],
        supports_check_mode=True,
    )
    state = module.params["state"]
    if state == "absent":
        command = ["nvidia-uninstall", "--silent"]
        there = driver_commands.find(command[0]) is not None
        if there and not module.check_mode:
            change(module, command)
        module.exit_json(changed=there, command=command if there else [])
    check(module)
    if state == "built":
        module.exit_json(changed=False, command=[] if module.check_mode else build(module))
    flags = driver_runfile.install_flags(module.params["version"], module.params["flavour"], module.params["flags"])
    command = ["sh", module.params["path"], *flags]
    if not module.check_mode:
        change(module, command)
    module.exit_json(changed=True, command=command)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Wait until no apt or dpkg works on this host."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: wait_for_package_locks
short_description: Wait until no other apt or dpkg is at work
description:
  - Asks who holds the locks of dpkg and apt, which are fcntl record locks that the flock command cannot see.
  - A first boot or an unattended upgrade may hold them for minutes. Changes nothing; hosts without apt have nothing to
    wait for.
options:
  timeout: {type: int, default: 600, description: Seconds to wait.}
  files:
    type: list
    elements: path
    default: [/var/lib/dpkg/lock-frontend, /var/lib/dpkg/lock, /var/lib/apt/lists/lock]
    description: The lock files; those that do not exist are free.
author: [the gpulab authors (@gpulab)]
"""

EXAMPLES = r"""
- name: Wait for apt
  gpulab.core.wait_for_package_locks:
    timeout: 600
  become: true
"""

RETURN = r"""
waited: {description: Seconds it took., returned: success, type: float, sample: 0.0}
"""

import errno
import fcntl
import os
import struct
import time

from ansible.module_utils.basic import AnsibleModule

FLOCK = "hhqqi"  # struct flock on 64-bit Linux: type, whence, start, length, pid


def holder(path):
    """Return the pid that holds `path`'s write lock, 0 when nobody does."""
    try:
        handle = os.open(path, os.O_RDWR)
    except OSError as error:
        if error.errno == errno.ENOENT:
            return 0
        raise
    try:
        answer = fcntl.fcntl(handle, fcntl.F_GETLK, struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
    finally:
        os.close(handle)
    kind, _whence, _start, _length, pid = struct.unpack(FLOCK, answer)
    return 0 if kind == fcntl.F_UNLCK else pid


def name_of(pid):
    """Return the command line of a process, or what is known of it."""
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as handle:
            return handle.read().replace(b"\0", b" ").decode("utf-8", "replace").strip()[:120] or "unnamed"
    except OSError:
        return "gone by now"


def main():
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "timeout": {"type": "int", "default": 600},
            "files": {
                "type": "list",
                "elements": "path",
                "default": ["/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock", "/var/lib/apt/lists/lock"],
            },
        },
        supports_check_mode=True,
    )
    began = time.time()
    while True:
        try:
            held = [(path, pid) for path in module.params["files"] for pid in [holder(path)] if pid]
        except OSError as error:
            module.fail_json(
                msg="The package locks cannot be read (%s): run this task as root, with become: true." % error
            )
        if not held:
            module.exit_json(changed=False, waited=round(time.time() - began, 1))
        if time.time() - began > module.params["timeout"]:
            path, pid = held[0]
            module.fail_json(
                msg="%s is still held by process %d (%s) after %d seconds: "
                "look what it does on the host, and run this again when it is done."
                % (path, pid, name_of(pid), module.params["timeout"])
            )
        time.sleep(1)


if __name__ == "__main__":
    main()

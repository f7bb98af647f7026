#!/usr/bin/python
# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Module gpulab.core.host_guard."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
---
module: host_guard
short_description: Make a host stop itself when it is paid or used no longer
description:
  - Keeps the programs and units of both guards on the host as they are given, their timers running, and the deadline.
  - The deadline guard is left out on a host that has none and is given none, as one that is not rented.
  - One module, because each file and unit by itself is a round trip to each host.
version_added: "0.5.0"
options:
  deadline_files:
    description: Text of the deadline guard's program and units, by path on the host.
    type: dict
    required: true
  idle_files:
    description: Text of the idle guard's programs, settings and units, by path on the host.
    type: dict
    required: true
  run_seconds:
    description:
      - Seconds that the host may run from now on; V(0) leaves the deadline that it has.
      - A deadline that differs by two minutes or less is left as well.
    type: int
    default: 0
  idle:
    description: Whether the host stops when nobody uses it.
    type: bool
    required: true
author: [the gpulab authors (@gpulab)]
attributes:
  check_mode:
    description: Says whether something would be changed, and reads the guards as they are.
    support: full
  diff_mode:
    description: Programs are long, so no difference is shown.
    support: none
"""

EXAMPLES = r"""
- name: Give the host an hour
  gpulab.core.host_guard:
    deadline_files: {/usr/local/sbin/gpulab-deadline: "{{ lookup('file', 'gpulab-deadline') }}"}
    idle_files: {}
    run_seconds: 3600
    idle: false
  become: true
"""

RETURN = r"""
guard:
  description:
    - What the host says after that. C(timer_active) is whether a deadline is set and its timer runs, C(seconds_left)
      how long the host may run (null without a deadline), C(idle_stop_active) whether it stops when nobody uses it.
  returned: success
  type: dict
  sample: {timer_active: true, seconds_left: 34200, idle_stop_active: true}
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gpulab.core.plugins.module_utils import host_guard, text_folder

PROGRAM = "/usr/local/sbin/gpulab-deadline"
DEADLINE = "gpulab-deadline.timer"
IDLE = "gpulab-idle.timer"


def put(module, files):
    """Write the files that differ, each in one step; whether any did. Raises OSError."""
    changed = False
    for path, text in sorted(files.items()):
        raw = text.encode("utf-8")
        if os.path.isfile(path):
            with open(path, "rb") as file:
                if file.read() == raw:
                    continue
        changed = True
        if not module.check_mode:
            if not os.path.isdir(os.path.dirname(path)):
                os.makedirs(os.path.dirname(path), 0o755)
            # What lies in sbin is a command that people type.
            text_folder.write(path, raw, 0o755 if os.path.basename(os.path.dirname(path)) == "sbin" else 0o644)
    return changed


def left(module):
    """Seconds that the host may run; None without a deadline."""
    if not os.path.isfile(PROGRAM):
        return None
    _code, out, _err = module.run_command(["sh", PROGRAM, "left"], check_rc=True)
    return host_guard.seconds_of(out)


def show(module, unit):
    """The properties of a unit, {} where systemd does not answer."""
    _code, out, _err = module.run_command(["systemctl", "show", unit, "--property=" + ",".join(host_guard.PROPERTIES)])
    return host_guard.shown(out)


def arm(module, timer, wanted):
    """Make a timer run, or not; whether that was a change."""
    unit = show(module, timer)
    stale = unit.get("NeedDaemonReload") == "yes" or (wanted and unit.get("LoadState") == "not-found")
    if stale and not module.check_mode:
        module.run_command(["systemctl", "daemon-reload"], check_rc=True)
        unit = show(module, timer)
    due = host_guard.commands(timer, unit, wanted)
    if not module.check_mode:
        for command in due:
            module.run_command(["systemctl", *command], check_rc=True)
    return bool(due)


def main():
    """Compare, write, arm, read back."""
    module = AnsibleModule(
        argument_spec={
            "deadline_files": {"type": "dict", "required": True},
            "idle_files": {"type": "dict", "required": True},
            "run_seconds": {"type": "int", "default": 0},
            "idle": {"type": "bool", "required": True},
        },
        supports_check_mode=True,
    )
    params, seconds = module.params, module.params["run_seconds"]
    limited = seconds > 0 or os.path.isfile(PROGRAM)
    try:
        changed = put(module, params["deadline_files"]) if limited else False
        # The files stay where the idle guard is switched off: what decides is whether its timer runs.
        changed = (put(module, params["idle_files"]) if params["idle"] else False) or changed
    except OSError as error:
        module.fail_json(
            msg="The guards cannot be written (%s), expected root on a host with space left on its disk: look at df, "
            "then run this again." % error
        )
    if host_guard.is_other(left(module), seconds):
        changed = True
        if not module.check_mode:
            module.run_command(["sh", PROGRAM, "allow", str(seconds)], check_rc=True)
    changed = (arm(module, DEADLINE, True) if limited else False) or changed
    changed = arm(module, IDLE, params["idle"]) or changed
    module.exit_json(changed=changed, guard=host_guard.guard(left(module), show(module, DEADLINE), show(module, IDLE)))


if __name__ == "__main__":
    main()

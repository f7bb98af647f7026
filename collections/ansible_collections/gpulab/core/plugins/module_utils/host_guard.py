# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""What keeps a host from running longer than it is paid or used: what differs from the wish. Pure. Python 3.6+."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

TOLERANCE = 120
"""Seconds by which a host's own deadline may differ from the one that is asked for: AWS counts from the launch, the
host from its boot, and each run of a playbook looks at another moment."""

PROPERTIES = ("LoadState", "ActiveState", "UnitFileState", "NeedDaemonReload")


def seconds_of(answer):
    """Return the seconds that `gpulab-deadline left` printed; None where it printed none."""
    text = answer.strip()
    return int(text) if text.isdigit() else None


def is_other(left, wanted):
    """Whether a host that has `left` seconds (None: no deadline) is to be given `wanted` (0: whatever it has)."""
    return wanted > 0 and (left is None or abs(left - wanted) > TOLERANCE)


def shown(text):
    """Return {property: value} from what `systemctl show` prints."""
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def commands(timer, unit, wanted):
    """Return the systemctl commands, as lists, that make a timer as it is wanted; [] when it is.

    unit: its properties as `shown` gives them, after a daemon-reload. wanted: whether it runs, now and after boots.
    """
    enabled, active = unit.get("UnitFileState") == "enabled", unit.get("ActiveState") == "active"
    if wanted:
        steps = [(unit.get("LoadState") == "masked", "unmask"), (not enabled, "enable"), (not active, "start")]
    else:
        steps = [(active, "stop"), (enabled, "disable")]
    return [[verb, timer] for due, verb in steps if due]


def guard(left, deadline, idle):
    """Return the facts that playbooks read. left: seconds or None; deadline, idle: the timers' properties."""
    return {
        # A timer without an allowance stops nothing.
        "timer_active": deadline.get("ActiveState") == "active" and left is not None,
        "seconds_left": left,
        "idle_stop_active": idle.get("ActiveState") == "active",
    }

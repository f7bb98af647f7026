"""Which one-time stops a deployment has and which it should have. Pure.

EventBridge Scheduler keeps time in whole minutes, so a stop is set for the minute before the money ends, and hosts
whose deadlines lie close together share one: a class of fifty that was launched by one call has one schedule.
StopInstances stops none of its instances when one of them is gone, so a schedule names only hosts that run.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from ansible_collections.gpulab.core.plugins.module_utils.guard_money import moment

TARGET = "arn:aws:scheduler:::aws-sdk:ec2:stopInstances"
EARLY = timedelta(minutes=3)
"""How much earlier than its money ends a host may be stopped: what the whole minute and a shared schedule cost."""
SLACK = timedelta(seconds=5)
"""How much later: two looks at the same host may differ by the seconds that they round."""
SOONEST = timedelta(minutes=2)
"""A schedule for a moment that has passed by the time it is written would never fire."""


def name_of(at):
    """Return the name of the schedule for one minute."""
    return f"stop-{at:%Y%m%dT%H%MZ}"


def request(at, ids, group, role):
    """Return CreateSchedule's (and UpdateSchedule's) arguments for one stop."""
    return {
        "Name": name_of(at),
        "GroupName": group,
        "ScheduleExpression": f"at({at:%Y-%m-%dT%H:%M:%S})",
        "ScheduleExpressionTimezone": "UTC",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "ActionAfterCompletion": "DELETE",
        "State": "ENABLED",
        "Target": {"Arn": TARGET, "RoleArn": role, "Input": json.dumps({"InstanceIds": sorted(ids)})},
    }


def read(described, role):
    """Return {"name", "at", "ids"} of a schedule as GetSchedule describes it.

    at is None where it would not stop anything as it should: another role or target, disabled, or edited by somebody.
    """
    expression, target = described["ScheduleExpression"], described["Target"]
    try:
        ids = json.loads(target.get("Input") or "{}").get("InstanceIds", [])
        at = moment(expression[3:-1]) if expression.startswith("at(") else None
    except ValueError:
        ids, at = [], None
    right = (
        described["State"] == "ENABLED"
        and described.get("ScheduleExpressionTimezone", "UTC") == "UTC"
        and described["FlexibleTimeWindow"].get("Mode") == "OFF"
        and (target["Arn"], target["RoleArn"]) == (TARGET, role)
    )
    return {"name": described["Name"], "at": at if right else None, "ids": sorted(ids)}


def fits(at, deadline, now):
    """Tell whether a stop at `at` is right for a host whose money ends at `deadline`."""
    return at is not None and now < at and deadline - EARLY <= at <= deadline + SLACK


def covered(schedules, deadlines, now):
    """Return {instance id: the schedule that stops it in time}; each instance is in one at most."""
    found: dict[str, Any] = {}
    for schedule in sorted((s for s in schedules if s["at"]), key=lambda s: (s["at"], s["name"])):
        for instance in schedule["ids"]:
            if instance in deadlines and fits(schedule["at"], deadlines[instance], now):
                found.setdefault(instance, schedule)
    return found


def changes(schedules, deadlines, now):
    """Return (puts, gone): puts is [(at, ids, exists)] to be written first, gone the names to be deleted after that.

    schedules: what read() says of those that exist. deadlines: {instance id: moment} of the hosts that run or are about
    to. A host whose money has ended gets the soonest stop there is.
    """
    due = {i: max(d, now + SOONEST + timedelta(minutes=1)) for i, d in deadlines.items()}
    right = covered(schedules, due, now)
    wanted: dict[Any, Any] = {}
    for instance, schedule in right.items():
        wanted.setdefault(schedule["at"], set()).add(instance)
    left = sorted((d, i) for i, d in due.items() if i not in right)
    while left:
        at = left[0][0].replace(second=0, microsecond=0)
        wanted.setdefault(at, set()).update(i for d, i in left if at >= d - EARLY)
        left = [(d, i) for d, i in left if at < d - EARLY]
    exist = {s["name"]: s for s in schedules}
    names = {name_of(at) for at in wanted}
    puts = [
        (at, sorted(ids), name_of(at) in exist)
        for at, ids in sorted(wanted.items())
        if (exist.get(name_of(at)) or {}).get("ids") != sorted(ids) or exist[name_of(at)]["at"] != at
    ]
    return puts, sorted(set(exist) - names)

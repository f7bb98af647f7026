"""What the guards' modules share: every host with its money, and what it is guarded by. Pure."""

from __future__ import annotations

from ansible_collections.gpulab.core.plugins.module_utils import guard_money, guard_role, guard_schedule
from ansible_collections.gpulab.core.plugins.module_utils.guard_money import ON, moment, stamp

ARGUMENTS = {
    "deployment": {"type": "str", "required": True},
    "budget_usd": {"type": "float", "required": True},
    "budgets": {"type": "dict", "default": {}},
    "usd_per_hour": {"type": "float", "default": 0},
    "volume_gb": {"type": "int", "default": 100},
    "mail": {"type": "str", "default": ""},
}
"""Arguments of both modules."""


def asked(params, host):
    """Return what the user says of a host whose tags do not say it yet, as guard_money.money takes it."""
    prices = params.get("prices") or {}
    price = prices.get(host["name"]) or prices.get(host["type"])
    if params["usd_per_hour"]:
        price = {"usd_per_hour": params["usd_per_hour"], "source": "figure of -e gpu_usd_per_hour", "date": ""}
    limit = (params["budgets"] or {}).get(host["name"])
    return {"budget_usd": float(params["budget_usd"] if limit is None else limit), "price": price}


def told(host, now, said):
    """Return a host's picture: who it is, and guard_money.money's answer. said: what asked() returns."""
    who = {key: host[key] for key in ("name", "id", "state", "type", "address")}
    return {**who, "since": _since(host), **guard_money.money(host, now, said)}


def _since(host):
    """Return since when a host is in its state; "" where AWS does not say."""
    return stamp(host["launched"] if host["state"] in ON else guard_money.stopped_at(host["reason"]))


def with_guards(pictures, found, account, deployment, now):
    """Return the pictures {name: told()'s answer}, each with `guards` as they were read back from AWS."""
    role = guard_role.role_arn(account, deployment)
    schedules = [guard_schedule.read(one, role) for one in found["schedules"]]
    ends = {one["id"]: moment(one["deadline"]) for one in pictures.values() if one["deadline"]}
    right = guard_schedule.covered(schedules, ends, now)
    may = found["trust"] == guard_role.trust(account) and found["permission"] == guard_role.permission(
        account, deployment
    )
    alarm = found["alarm"]
    shared = {
        "role": role if may else "",
        "alarm": alarm["AlarmName"] if alarm and alarm["ActionsEnabled"] else "",
        "alarm_usd": alarm["Threshold"] if alarm else None,
        "mail": found["subscription"],
    }
    return {
        name: {**one, "guards": {**shared, **_stop(right.get(one["id"]))}} for name, one in sorted(pictures.items())
    }


def _stop(schedule):
    return (
        {"schedule": schedule["name"], "stops_at": stamp(schedule["at"])}
        if schedule
        else {"schedule": "", "stops_at": ""}
    )


def missing(pictures, mail):
    """Return the sentences about guards that hosts which run, or are about to, should have and have not."""
    found = []
    for name, one in pictures.items():
        if not one["deadline"]:
            continue
        gone = [
            text
            for text, there in (
                ("the schedule that stops it", one["guards"]["schedule"]),
                ("the role that the schedule stops it with", one["guards"]["role"]),
                ("the billing alarm", one["guards"]["alarm"]),
                ("the alarm's mail", one["guards"]["mail"] or not mail),
            )
            if not there
        ]
        if gone:
            found.append(
                f"{name} runs without {' and '.join(gone)}: run the same command again, and stop the host with "
                "`ansible-playbook stop.yml` if that does not help."
            )
    return found

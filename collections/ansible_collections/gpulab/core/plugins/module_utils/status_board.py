"""The board of a deployment: a line for each host, what it does, what guards it, what it has spent and has left."""

from __future__ import annotations

import re

from ansible_collections.gpulab.core.plugins.module_utils import text_table
from ansible_collections.gpulab.core.plugins.module_utils.budget import HOUR

HEADING = ("host", "state", "since", "address", "checks", "stops", "alarm", "spent", "left", "hours", "stopped/day")
# No cell but a name has a blank in it: Ansible's output folds long lines at single blanks, and nowhere else.


def lines(hosts, guarded, students):
    """Return the board's lines, without a heading where there is no host.

    hosts: ec2_deployment_info's. guarded: cost_guard_info's hosts. students: {host name: student}, as far as known.
    """
    if not hosts:
        return []
    heading = (HEADING[0], "student", *HEADING[1:]) if students else HEADING
    rows = [heading, *(_row(host, guarded.get(host["name"]), students) for host in sorted(hosts, key=_order))]
    sources = sorted({one["price_source"] for one in guarded.values()})
    told = [f"Prices by the {' and the '.join(sources)}; a stopped host pays for its disk alone."] if sources else []
    return text_table.lines(rows) + told


def _order(host):
    """Return what puts student-2 before student-10."""
    return [(not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in re.split(r"(\d+)", host["name"])]


def _row(host, one, students):
    name = (host["name"], students.get(host["name"], "")) if students else (host["name"],)
    shown = (*name, host["state"])
    if one is None:
        return (*shown, "-", host["address"] or "-", *["-"] * (len(HEADING) - 4))
    stops = _minute(one["guards"]["stops_at"])
    return (
        *shown,
        _minute(one["since"]),
        host["address"] or "-",
        host["status_checks"] if host["state"] == "running" else "-",
        "NEVER" if stops == "-" and one["deadline"] else stops,
        f"${one['guards']['alarm_usd']:.2f}" if one["guards"]["alarm"] else "none",
        f"{'' if one['exact'] else '<='}${one['spent_usd']:.2f}",
        f"${one['left_usd']:.2f}",
        f"{one['left_seconds'] / HOUR:.1f}",
        f"${host['price']['stopped_usd_per_hour'] * 24:.2f}" if host["price"] else "unknown",
    )


def _minute(stamp):
    """Return 2026-11-22T10:00Z of 2026-11-22T10:00:30Z, "-" of ""."""
    return f"{stamp[:16]}Z" if stamp else "-"

"""The one receipt of a deployment with several hosts: which host, whose, how long, how much. Pure."""

from __future__ import annotations

COLUMNS = ("host", "student", "instance_id", "instance_type", "seconds", "usd")
"""A line of the receipt; seconds are those that the host ran, usd what they cost, disk and address included."""


def receipt(deployment, hosts, money):
    """Return {"deployment", "hosts": [line], "seconds", "usd"}; a line has COLUMNS, usd is None for an unknown price.

    hosts: the fleet's, for the students' names. money: the list of teardown_plan's receipt, id, name, student, type,
    seconds and usd of each host.
    """
    students = {host["name"]: host["student"] for host in hosts}
    lines = [
        {
            "host": one["name"],
            "student": students.get(one["name"]) or one.get("student", ""),
            "instance_id": one["id"],
            "instance_type": one["type"],
            "seconds": one["seconds"],
            "usd": one["usd"],
        }
        for one in sorted(money, key=lambda one: (one["name"], one["id"]))
    ]
    costs = [line["usd"] for line in lines]
    return {
        "deployment": deployment,
        "hosts": lines,
        "seconds": sum(line["seconds"] for line in lines),
        "usd": None if None in costs else round(sum(costs), 2),
    }


def page(told):
    """Return a receipt as a page of Markdown, one line of a table for each host."""
    rows = [
        f"| {line['host']} | {line['student'] or '-'} | {line['instance_type']} | {_hours(line['seconds'])} "
        f"| {_usd(line['usd'])} |"
        for line in told["hosts"]
    ]
    lines = [
        f"# Receipt of deployment {told['deployment']}",
        "",
        "| host | student | type | ran (h:mm:ss) | cost |",
        "|---|---|---|---:|---:|",
        *rows,
        f"| {len(rows)} hosts | | | {_hours(told['seconds'])} | {_usd(told['usd'])} |",
        "",
        "The time that each host ran, at the price of its hour with disk and address. AWS's bill comes hours later and",
        "counts what disks cost while their hosts were stopped, traffic and taxes besides.",
    ]
    return "\n".join(lines) + "\n"


def _hours(seconds):
    return f"{seconds // 3600}:{seconds % 3600 // 60:02d}:{seconds % 60:02d}"


def _usd(amount):
    return "unknown" if amount is None else f"${amount:.2f}"

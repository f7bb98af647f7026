"""The hosts of a deployment as data: from names, a number, or the rows of a class. Pure.

A host is {"name", "budget_usd" (float), "student", "mail", "public_key"}; the last three are "" where there is none.
"""

from __future__ import annotations

import re
import unicodedata

from ansible_collections.gpulab.core.plugins.module_utils import fleet_keys

NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")
"""A host's name: what DNS allows in a label, so that it can be a host name and a file name."""
RESERVED = ("all", "control", "localhost", "ungrouped")
"""What Ansible's inventory calls something else."""
FIELDS = ("name", "budget_usd", "student", "mail", "public_key")
MOST_USD = 10000
"""A budget beyond this is a slip of the keyboard."""


class FleetError(Exception):
    """Hosts that are not right; each line of the text is a sentence."""


def slug(student):
    """Return a student's name as a host's: lower-case ASCII letters, digits and hyphens; "" if none is left."""
    plain = unicodedata.normalize("NFKD", student.replace("ß", "ss")).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:63].strip("-")


def numbered(name, count):
    """Return `count` names of which the first is `name` itself: one host that exists stays the first of several."""
    return [name] + [f"{name}-{number}" for number in range(2, count + 1)]


def budget(given, default):
    """Return a budget in US dollars, `default` where none is given; raises ValueError ("has ..., expected ...")."""
    # A decimal comma is what a spreadsheet in half of Europe writes.
    text = str(default if given in (None, "") else given).strip().lstrip("$").replace(",", ".")
    try:
        amount = float(text)
    except ValueError:
        amount = -1.0
    if not 0 < amount <= MOST_USD:
        raise ValueError(f"has the budget '{text}', expected US dollars between 0 and {MOST_USD}, such as 5 or 7.50")
    return amount


def one(given, default_usd):
    """Return ({host}, None) for a host as it was given, or (None, what is wrong with it).

    given: {"name"} and any of the other fields. default_usd: the budget of a host that has none of its own.
    """
    host = {field: str(given.get(field) or "").strip() for field in FIELDS}
    unknown = sorted(set(given) - set(FIELDS))
    if unknown:
        return None, f"has {', '.join(unknown)}, expected some of {', '.join(FIELDS)}: correct the spelling"
    if not NAME.match(host["name"]) or host["name"] in RESERVED:
        return None, f"has the name '{host['name']}', expected lower-case letters, digits and hyphens, 63 at most"
    if host["mail"] and not re.match(r"[^@\s]+@[^@\s]+\Z", host["mail"]):
        return None, f"has the mail address '{host['mail']}', expected one like anna@example.org"
    try:
        host["budget_usd"] = budget(given.get("budget_usd"), default_usd)
    except ValueError as error:
        return None, str(error)
    if host["public_key"]:
        wrong = fleet_keys.problem(host["public_key"])
        if wrong:
            return None, wrong
        host["public_key"] = fleet_keys.normal(host["public_key"])
    return host, None


def checked(rows, default_usd):
    """Return the hosts of [(where, {host as given})]; raises FleetError with a sentence for each that is wrong.

    where: how a sentence begins, "Line 3 of class.csv" or "Host 2 of gpu_hosts".
    """
    hosts, problems = [], []
    first: dict[str, str] = {}
    for where, given in rows:
        host, wrong = one(given, default_usd)
        if wrong:
            problems.append(f"{where} {wrong}.")
        elif host["name"] in first:
            problems.append(
                f"{where} has the name '{host['name']}', which {first[host['name']]} has too: give each another one."
            )
        else:
            first[host["name"]] = where[0].lower() + where[1:]
            hosts.append(host)
    if problems:
        raise FleetError("\n".join(problems))
    return hosts


def hosts(name, listed, count, class_rows, default_usd):
    """Return the hosts of a deployment; raises FleetError.

    name: gpu_host_name. listed: gpu_hosts, names or dicts, or names in one string (from -e). count: gpu_host_count; 0
    and 1 mean one host. class_rows: fleet_class.rows' answer, or None without a class. default_usd: budget_usd.
    """
    listed = re.split(r"[,\s]+", listed.strip()) if isinstance(listed, str) and listed.strip() else listed or []
    asked = [
        word
        for word, given in (
            ("gpu_hosts", listed),
            ("gpu_host_count", count > 1),
            ("class_file", class_rows is not None),
        )
        if given
    ]
    if len(asked) > 1:
        raise FleetError(
            f"{' and '.join(asked)} each say which hosts there are, expected one of them: leave the others out."
        )
    if class_rows is not None:
        rows = class_rows
    elif listed:
        rows = [
            (f"Host {n} of gpu_hosts", one_host if isinstance(one_host, dict) else {"name": str(one_host)})
            for n, one_host in enumerate(listed, 1)
        ]
    else:
        rows = [("gpu_host_name", {"name": host}) for host in numbered(name, max(count, 1))]
    return checked(rows, default_usd)

"""Where to ask for a host next, when AWS has none free: the types and zones still worth a call. Pure.

The order is the one that needs the fewest calls. First without a zone, so that AWS picks one that has room; then the
zones that its refusal names; then the others that offer the type; then the next type. A quota is no lack of capacity:
another zone would be refused too, and so would another type of the same quota.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ansible_collections.gpulab.core.plugins.module_utils.aws_errors import sentence
from ansible_collections.gpulab.core.plugins.module_utils.quota_plan import quota_for

CAPACITY = ("InsufficientInstanceCapacity", "InsufficientHostCapacity", "InsufficientFreeAddressesInSubnet")
"""This zone has no room now, or no address; another may."""
NOT_HERE = ("Unsupported",)
"""This zone does not have the type; AWS's table of offerings said otherwise, or was not asked yet."""
QUOTA = ("VcpuLimitExceeded", "InstanceLimitExceeded")

_ZONE = r"[a-z]{2}(?:-[a-z]+)+-\d[a-z]"
_ASKED = re.compile(rf"Availability Zone you requested \(({_ZONE})\)|requested Availability Zone \(({_ZONE})\)")
_NAMED = re.compile(rf"choosing ((?:{_ZONE})(?:(?:, (?:and |or )?| or | and )(?:{_ZONE}))*)")


class Rung(NamedTuple):
    """One call to RunInstances: a type, and a zone or "" for AWS's choice."""

    instance_type: str
    zone: str


def climbs(code):
    """Tell whether a refusal with this code leaves something else worth trying."""
    return code in CAPACITY + NOT_HERE + QUOTA


def next_rung(types, offered, attempts):
    """Return the next Rung, or None when nothing is left.

    types: instance types in the user's order. offered: type -> zones of the region that have it; asked of AWS once the
    first call was refused, {} before. attempts: the refused calls so far, [{"instance_type", "zone", "code",
    "message"}], oldest first.
    """
    full = {quota_for(a["instance_type"]) for a in attempts if a["code"] in QUOTA}
    for kind in types:
        mine = [a for a in attempts if a["instance_type"] == kind]
        if quota_for(kind) in full:
            continue
        if not mine:
            return Rung(kind, "")
        tried = {zone for a in mine for zone in (a["zone"], asked_zone(a["message"])) if zone}
        named = [zone for a in reversed(mine) for zone in named_zones(a["message"])]
        here = offered.get(kind, [])
        for zone in [*(zone for zone in named if zone in here), *here]:
            if zone not in tried:
                return Rung(kind, zone)
    return None


def asked_zone(message):
    """Return the zone that a refusal says it is about, "" when it names none."""
    found = _ASKED.search(message)
    return next(filter(None, found.groups()), "") if found else ""


def named_zones(message):
    """Return the zones that a refusal names as worth asking, in its order."""
    found = _NAMED.search(message)
    return re.findall(_ZONE, found[1]) if found else []


def refusal(attempts, region):
    """Return what to tell when nothing is left: the one reason, or a table of all that was tried."""
    last = attempts[-1]
    if len(attempts) == 1:
        return sentence(last["code"], last["message"], "launching the host")
    rows = [f"  {a['instance_type']:<14} {a['zone'] or 'any zone':<16} {a['code']}" for a in attempts]
    return "\n".join(
        [
            f"AWS has no host free in {region}: {len(attempts)} launches were refused, and nothing was launched or is "
            "paid for; run the same command again later, name other types with "
            """-e '{"gpu_instance_types": ["g5.xlarge"]}', or another region with -e aws_region=us-east-2.""",
            *rows,
        ]
    )

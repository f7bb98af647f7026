"""Where to ask for a host next, when AWS has none free: the types and zones still worth a call. Pure.

The order is the one that needs the fewest calls. First without a zone, so that AWS picks one that has room; then the
zones that its refusal names; then the others that offer the type; then the next type; then, where spot was asked for
and may be left, all of it again on demand. A quota is no lack of capacity: another zone would be refused too, and so
would another type of the same quota; but spot and on-demand have quotas of their own. Where a whole region is full, the
launch may go on in another, if the user allows that.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ansible_collections.gpulab.core.plugins.module_utils.aws_errors import sentence
from ansible_collections.gpulab.core.plugins.module_utils.quota_plan import quota_for

CAPACITY = (
    "InsufficientInstanceCapacity",
    "InsufficientHostCapacity",
    "InsufficientFreeAddressesInSubnet",
    "SpotMaxPriceTooLow",
)
"""This zone has no room now, or no address, or not at this price; another may."""
NOT_HERE = ("Unsupported",)
"""This zone does not have the type; AWS's table of offerings said otherwise, or was not asked yet."""
QUOTA = ("VcpuLimitExceeded", "InstanceLimitExceeded", "MaxSpotInstanceCountExceeded")

_ZONE = r"[a-z]{2}(?:-[a-z]+)+-\d[a-z]"
_ASKED = re.compile(rf"Availability Zone you requested \(({_ZONE})\)|requested Availability Zone \(({_ZONE})\)")
_NAMED = re.compile(rf"choosing ((?:{_ZONE})(?:(?:, (?:and |or )?| or | and )(?:{_ZONE}))*)")


class Rung(NamedTuple):
    """One call to RunInstances: a type, a zone or "" for AWS's choice, and how it is bought."""

    instance_type: str
    zone: str
    market: str


def climbs(code):
    """Tell whether a refusal with this code leaves something else worth trying."""
    return code in CAPACITY + NOT_HERE + QUOTA


def markets(market, spot_fallback):
    """Return the markets to ask, in order. market: on-demand or spot; spot_fallback: spot may become on-demand."""
    return ["spot", "on-demand"] if market == "spot" and spot_fallback else [market]


def next_rung(types, offered, attempts, markets=("on-demand",)):
    """Return the next Rung, or None when nothing is left.

    types: instance types in the user's order. offered: type -> zones of the region that have it; asked of AWS once the
    first call was refused, {} before. attempts: the refused calls so far, [{"instance_type", "zone", "market", "code",
    "message"}], oldest first.
    """
    full = {_quota(a["instance_type"], a["market"]) for a in attempts if a["code"] in QUOTA}
    for market in markets:
        for kind in types:
            if _quota(kind, market) in full:
                continue
            mine = [a for a in attempts if (a["instance_type"], a["market"]) == (kind, market)]
            zone = _next_zone(offered.get(kind, []), mine)
            if zone is not None:
                return Rung(kind, zone, market)
    return None


def _quota(kind, market):
    # A type that the table lacks shares its quota with nothing that is known.
    return quota_for(kind, market) or (kind, market)


def _next_zone(offered, mine):
    """Return the zone to ask next for one type in one market, "" for AWS's choice, None when all were asked."""
    if not mine:
        return ""
    tried = {zone for a in mine for zone in (a["zone"], asked_zone(a["message"])) if zone}
    named = [zone for a in reversed(mine) for zone in named_zones(a["message"])]
    return next((zone for zone in [*(z for z in named if z in offered), *offered] if zone not in tried), None)


def asked_zone(message):
    """Return the zone that a refusal says it is about, "" when it names none."""
    found = _ASKED.search(message)
    return next(filter(None, found.groups()), "") if found else ""


def named_zones(message):
    """Return the zones that a refusal names as worth asking, in its order."""
    found = _NAMED.search(message)
    return re.findall(_ZONE, found[1]) if found else []


def leads_on(attempts):
    """Tell whether another region is worth asking: nothing but capacity was missing in this one.

    A quota that is used up is another matter, which the user may mend here.
    """
    codes = {a["code"] for a in attempts}
    return bool(codes & set(CAPACITY)) and codes <= {*CAPACITY, *NOT_HERE}


def told(attempts):
    """Return the attempts as the report has them: without AWS's words."""
    return [{k: a[k] for k in ("instance_type", "region", "zone", "market", "code")} for a in attempts]


def refusal(attempts, left=()):
    """Return what to tell when nothing is left: the one reason, or a table of all that was tried.

    attempts: as for next_rung, each with its region. left: the names of the hosts that were not launched, where others
    of the same run were.
    """
    last = attempts[-1]
    if len(attempts) == 1 and not left:
        return sentence(last["code"], last["message"], "launching the host")
    regions = list(dict.fromkeys(a["region"] for a in attempts))
    several = len(regions) > 1
    rows = [
        (f"  {a['region']:<15}" if several else "  ")
        + f"{a['instance_type']:<14} {a['zone'] or 'any zone':<16} {a['market']:<10} {a['code']}"
        + (f" ({a['launched']})" if a.get("launched") else "")
        for a in attempts
    ]
    missing = f"{', '.join(left)} could not be launched" if left else "nothing was launched or is paid for"
    return "\n".join(
        [
            f"AWS has no host free in {', '.join(regions)}: {len(attempts)} launches were refused, and {missing}; "
            "run the same command again later, name other types with "
            """-e '{"gpu_instance_types": ["g5.xlarge"]}', or allow another region with """
            "-e gpu_next_regions=REGION.",
            *rows,
        ]
    )

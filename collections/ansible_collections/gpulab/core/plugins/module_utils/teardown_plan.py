"""How a deployment is taken down: in which order, what is said before and after, and the receipt. Pure.

Items are those of leftovers.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.gpulab.core.plugins.module_utils import gpu_catalogue, guard_money
from ansible_collections.gpulab.core.plugins.module_utils.leftovers import total

# A spot request goes before its instance, because a persistent one would launch another; the schedule that would stop
# an instance goes after it, so that a run that is killed between leaves no host without its guard.
ORDER = (
    *("spot-instances-request", "instance", "schedule-group", "elastic-ip", "network-interface", "volume", "snapshot"),
    *("security-group", "launch-template", "key-pair", "alarm", "topic", "role"),
)
LAST = ("alarm", "topic", "role")
"""What guards the account and is one for all regions: it goes when every region is done."""


def ordered(items):
    """Return the items in the order in which they go; types that gpulab never makes come last."""
    return sorted(items, key=lambda one: (_rank(one["type"]), one["region"], one["id"]))


def steps(items):
    """Return [(type, items)] in order: what has to be deleted, without what goes with its instance or is unknown."""
    present = {one["id"] for one in items}
    wanted = [one for one in items if one["goes_with"] not in present and one["type"] in ORDER]
    found = {kind: [one for one in ordered(wanted) if one["type"] == kind] for kind in ORDER}
    return [(kind, chosen) for kind, chosen in found.items() if chosen]


def by_region(items):
    """Return ({region: items}, items that go last), of the items that have to be deleted."""
    regions: dict[str, list[Any]] = {}
    for one in items:
        if one["type"] not in LAST:
            regions.setdefault(one["region"], []).append(one)
    return regions, [one for one in items if one["type"] in LAST]


def _rank(kind):
    return ORDER.index(kind) if kind in ORDER else len(ORDER)


def lines(items, kept, unseen, now):
    """Return what will go as the lines of a table with ages and prices, what will stay, and what could not be seen.

    now: AWS's present moment, time-zone aware.
    """
    rows = [("type", "id", "name", "region", "age", "$/hour")]
    for one in [*ordered(items), *kept]:
        rows.append((one["type"], one["id"], one["name"], one["region"], _age(one["born"], now), _price(one)))
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    table = ["  ".join(cell.ljust(widths[n]) for n, cell in enumerate(row)).rstrip() for row in rows]
    if not items and not kept:
        table = ["Nothing carries the tag."]
    else:
        table.append(f"Together ${total([*items, *kept]):.3f} an hour, by the table of {gpu_catalogue.PRICE_DATE}.")
    if kept:
        table.append(f"Without our tag, so left alone: {names(kept)}.")
    return table + [unseen_sentence(one) for one in unseen]


def names(items):
    """Return items as a phrase: ids with region and price."""
    return ", ".join(f"{one['id']} ({one['type']} in {one['region']}, ${_price(one)} an hour)" for one in items)


def unseen_sentence(one):
    """Return the sentence about a place that these credentials may not look at."""
    return f"Not looked at: {one['what']} in {one['region']}, where AWS answered {one['code']}."


def _price(one):
    return "unknown" if one["usd_per_hour"] is None else f"{one['usd_per_hour']:.3f}"


def _age(born, now):
    if not born:
        return ""
    seconds = (now - guard_money.moment(born)).total_seconds()
    return f"{seconds / 86400:.1f} d" if seconds >= 2 * 86400 else f"{seconds / 3600:.1f} h"


def receipt(earlier, found, end):
    """Return the receipt of a teardown; `end` is what was left after it, {} before it begins.

    earlier: the receipt that lies there, or {}; where it was never completed this one goes on with it, so that a run
    that was killed loses neither what it had removed nor what the hosts had cost. found: deployment, resources, kept,
    unseen, regions, money. end: remaining, kept, problems, time.
    """
    unfinished = earlier if earlier and not earlier.get("complete") else {}
    before = {_key(one): one for one in [*unfinished.get("removed", []), *found["resources"]]}
    left = {_key(one) for one in end.get("remaining", [])}
    money = {one["id"]: one for one in unfinished.get("money", [])}
    money.update({one["id"]: one for one in found["money"]})
    known = {one["id"] for one in found["kept"]}
    kept = found["kept"] + [one for one in unfinished.get("kept", []) if one["id"] not in known]
    remaining = end.get("remaining", [])
    costs = [one["usd"] for one in money.values()]
    return {
        "deployment": found["deployment"],
        "complete": bool(end) and not remaining,
        "time": end.get("time", ""),
        "regions": found["regions"],
        "unseen": found["unseen"],
        "removed": ordered(one for key, one in before.items() if key not in left),
        "remaining": remaining,
        "kept": kept,
        "problems": end.get("problems", []),
        "usd_per_hour": total([*remaining, *kept]),
        "money": list(money.values()),
        "usd": None if None in costs else round(sum(costs), 2),
    }


def _key(one):
    # Alarm, schedule group and key pair have the same name.
    return one["type"], one["region"], one["id"]


def verdict(told):
    """Return (whether nothing costs from here on, the sentence that says so or lists what does) for a receipt."""
    name, count = told["deployment"], len(told["regions"])
    spent = f" It cost ${told['usd']:.2f} by the price list." if told["money"] and told["usd"] is not None else ""
    text = []
    if told["remaining"]:
        text.append(
            f"{len(told['remaining'])} resources of {name} are still there and may cost money: "
            f"{names(told['remaining'])}; run this again, or remove them in the EC2 console."
        )
    if told["kept"]:
        text.append(
            f"Left alone, because they do not carry the tag of {name}, and may cost money: {names(told['kept'])}; "
            "remove them yourself if you need them no more."
        )
    if text:
        return False, " ".join([*text, *told["problems"]]) + spent
    seen = f"in {count} region{'' if count == 1 else 's'}"
    blind = "".join(f" {unseen_sentence(one)}" for one in told["unseen"])
    return True, f"Nothing of deployment {name} remains {seen}: $0.00 per hour from here.{spent}{blind}"

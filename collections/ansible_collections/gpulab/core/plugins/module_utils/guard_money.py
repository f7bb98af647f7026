"""What a host has spent and has left, by what AWS says of the instance: its tags, LaunchTime and when it stopped. Pure.

Three tags hold what AWS itself forgets, on the instance, so that no file on the control machine has to be right:
gpulab:budget-usd, gpulab:usd-per-hour (with gpulab:price-source) and gpulab:spent-seconds with gpulab:spent-until: so
many seconds ran before that moment. Those two are written once a run has ended, whoever ended it, and before the next
start at the latest, because a start overwrites LaunchTime; the run that goes on is counted from LaunchTime.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from ansible_collections.gpulab.core.plugins.module_utils import budget

BUDGET_TAG = "gpulab:budget-usd"
RATE_TAG = "gpulab:usd-per-hour"
SOURCE_TAG = "gpulab:price-source"
SPENT_TAG = "gpulab:spent-seconds"
UNTIL_TAG = "gpulab:spent-until"
ON = ("pending", "running")

# "User initiated (2026-11-22 10:00:00 GMT)": the only place where AWS tells when a host was stopped.
_STOPPED = re.compile(r"\((\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (?:GMT|UTC)\)")


def moment(text):
    """Return a tag's or an expression's moment (2026-11-22T10:00:00, Z or not) in UTC, None for "" or None."""
    return datetime.fromisoformat(text.rstrip("Z")).replace(tzinfo=UTC) if text else None


def stamp(when):
    """Return a moment as it is written in tags and facts, 2026-11-22T10:00:00Z; "" for None."""
    return when.strftime("%Y-%m-%dT%H:%M:%SZ") if when else ""


def stopped_at(reason):
    """Return when a host stopped, out of its StateTransitionReason; None where AWS does not say."""
    found = _STOPPED.search(reason or "")
    return moment(found.group(1).replace(" ", "T")) if found else None


def source(price):
    """Return in words where a price (ec2_price_info's or gpu_catalogue's dict) comes from."""
    if not price["date"]:
        return price["source"]
    return f"{'price list' if 'api' in price['source'].lower() else 'table'} of {price['date']}"


def money(host, now, asked):
    """Return what is known of one host's money, as the modules answer it under its name.

    host: id, state, launched (datetime), reason (StateTransitionReason), tags (dict), price (dict by the table, or
    None). now: AWS's time. asked: {"budget_usd", "price"} for a host whose tags do not say yet, and extend_usd, which
    is added to its budget; each may be missing. usd_per_hour is None where nobody knows the price; what follows from it
    is 0 then. exact is False where AWS does not say when the host stopped: spent_seconds is then the most it can be.
    """
    tags = host["tags"]
    price = asked.get("price") or host["price"]
    rate, told = price and price["usd_per_hour"], source(price) if price else "unknown"
    if RATE_TAG in tags:
        rate, told = float(tags[RATE_TAG]), tags.get(SOURCE_TAG, "tag")
    limit = float(tags[BUDGET_TAG]) if BUDGET_TAG in tags else asked.get("budget_usd")
    if limit is not None:
        limit += asked.get("extend_usd", 0)
    allowed = budget.run_seconds(limit, rate) if rate and limit is not None else 0
    spent, ended = _spent(host, now, allowed)
    left_usd, left = budget.left(limit, rate, spent) if rate and limit is not None else (0.0, 0)
    return {
        "budget_usd": limit,
        "usd_per_hour": rate,
        "price_source": told,
        "spent_seconds": spent,
        "spent_usd": round(budget.usd(spent, rate), 4) if rate else 0.0,
        "left_seconds": left,
        "left_usd": round(left_usd, 4),
        "exact": ended is not None,
        "counted_until": stamp(now if ended is None else ended),
        "deadline": stamp(budget.deadline(now, left)) if host["state"] in ON else "",
    }


def _spent(host, now, allowed):
    """Return (seconds, when the last run ended): now for a host that runs, None where AWS does not say."""
    tags = host["tags"]
    account = budget.Account(int(tags.get(SPENT_TAG, 0)), moment(tags.get(UNTIL_TAG)))
    ended = now if host["state"] in ON else stopped_at(host["reason"])
    if ended is None and _counted(host, account.until):
        return account.seconds, account.until
    spent = budget.spent(account, host["launched"], ended or now)
    # It cannot have run past its deadline: the schedule and the host's own timer see to that.
    return (spent if ended else max(account.seconds, min(spent, allowed))), ended


def _counted(host, until):
    """Tell whether a run whose end AWS does not tell is in the account: it was then written long after the start."""
    return until is not None and (until - host["launched"]).total_seconds() > budget.SHORTEST


def tags_wanted(host, told):
    """Return the tags that are to be written on a host: {} once all is written. `told` is money()'s answer for it."""
    wanted = {
        BUDGET_TAG: f"{told['budget_usd']:g}",
        RATE_TAG: f"{told['usd_per_hour']:g}",
        SOURCE_TAG: told["price_source"],
    }
    if host["state"] not in ON:
        wanted.update({SPENT_TAG: str(told["spent_seconds"]), UNTIL_TAG: told["counted_until"]})
    return {key: value for key, value in wanted.items() if host["tags"].get(key) != value}


def grouped(tags_by_id):
    """Return [(tags, [instance ids])]: one CreateTags call for all hosts that get the same values."""
    groups: dict[Any, list[str]] = {}
    for instance, tags in sorted(tags_by_id.items()):
        if tags:
            groups.setdefault(tuple(sorted(tags.items())), []).append(instance)
    return [(dict(tags), ids) for tags, ids in groups.items()]


def refusal(name, told):
    """Return the sentence why a host (money()'s answer, with its type) may not run on, "" where it may."""
    if not told["usd_per_hour"]:
        return (
            f"What an hour of {name} ({told['type']}) costs is unknown, so that its budget gives no time to stop at: "
            "look it up and say it with -e gpu_usd_per_hour=1.23."
        )
    if told["left_seconds"] >= budget.SHORTEST:
        return ""
    return (
        f"{name} has spent ${told['spent_usd']:.2f} of its budget of ${told['budget_usd']:.2f}, and nothing is left to "
        f"run on: give it more with `ansible-playbook extend.yml -e extend_usd=2 --limit {name}`, then start it."
    )

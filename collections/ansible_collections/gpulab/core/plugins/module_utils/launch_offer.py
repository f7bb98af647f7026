"""Which types are launched, and what that costs: quotas, the price cap and the budgets against what AWS said. Pure.

Money is USD, list prices without tax.
"""

from __future__ import annotations

from typing import NamedTuple

from ansible_collections.gpulab.core.plugins.module_utils import launch_ladder
from ansible_collections.gpulab.core.plugins.module_utils.launch_plan import Problem
from ansible_collections.gpulab.core.plugins.module_utils.price_plan import cost, over_budget


class Offer(NamedTuple):
    """types: those to launch, the preferred one first. notes: sentences on what was left out or is unknown."""

    types: list[str]
    notes: list[str]
    problems: list[Problem]


def offer(request, evidence):
    """Return the Offer for hosts that have to be launched.

    A type is left out where its quota is too small or its price above the cap; when none is left, that is a Problem for
    each reason. A quota that could not be read stops nobody: AWS will say at the launch.
    evidence: offered, quotas ([judgement of quota_plan with market and request]) and prices ([item of price_evidence]).
    """
    offered = [kind for kind in request["instance_types"] if kind in evidence["offered"]]
    # Where spot may become on-demand, a type is worth a launch if either can be had.
    markets = launch_ladder.markets(request["market"], request["spot_fallback"])
    refused = {kind: _cheapest([_refusals(request, evidence, kind, market) for market in markets]) for kind in offered}
    types = [kind for kind in offered if not refused[kind]]
    notes = [one["sentence"] for one in evidence["quotas"] if one["enough"] is None]
    left_out = [problem for kind in offered for problem in refused[kind]]
    if types or not offered:
        notes += [f"Left out: {problem.sentence}" for problem in left_out]
        return Offer(types, list(dict.fromkeys(notes)), [])
    first: dict[str, Problem] = {}
    for problem in left_out:
        first.setdefault(problem.check, problem)
    return Offer([], list(dict.fromkeys(notes)), list(first.values()))


def _cheapest(refusals):
    """Return the refusals of one type in its markets: none as soon as one market has none, else the first one's."""
    return min(refusals, key=len) if not all(refusals) else refusals[0]


def _refusals(request, evidence, kind, market):
    found = []
    judgement = next((q for q in evidence["quotas"] if (q["instance_type"], q["market"]) == (kind, market)), None)
    if judgement and judgement["enough"] is False:
        found.append(Problem("quota", f"{judgement['sentence']} {judgement['request']}".strip()))
    dear = over_budget(request["max_hourly_usd"], kind, price_of(evidence["prices"], kind, market))
    if dear:
        found.append(Problem("price", dear))
    return found


def stopped_problems(quotas):
    """Return the Problems of starting stopped hosts where none is to be launched: their vCPUs count again."""
    small = [one for one in quotas if one["enough"] is False]
    return [Problem("quota", f"{one['sentence']} {one['request']}".strip()) for one in small[:1]]


def price_of(prices, kind, market):
    """Return the price (as of gpu_catalogue.price) of a type in a market, None where nobody knows it."""
    return next((p["price"] for p in prices if (p["instance_type"], p["market"]) == (kind, market)), None)


def money(hosts, budgets):
    """Return what hosts cost together: usd_per_hour, usd_per_day, usd_per_day_stopped, and budget_usd until they stop.

    hosts: [(name, price or None)], those that exist and those to be launched; one without a price makes its sums None.
    budgets: name -> USD.
    """
    prices = [price for _, price in hosts]
    known = all(prices)
    return {
        "hosts": len(hosts),
        "usd_per_hour": round(sum(price["usd_per_hour"] for price in prices), 4) if known else None,
        "usd_per_day": round(sum(cost(price, 24) for price in prices), 2) if known else None,
        "usd_per_day_stopped": round(sum(cost(price, 24, stopped=True) for price in prices), 2) if known else None,
        "budget_usd": round(sum(budgets[name] for name, _ in hosts), 2),
    }

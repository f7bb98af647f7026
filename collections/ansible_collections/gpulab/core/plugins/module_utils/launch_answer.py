"""The plan of a launch, or all that stands in its way: the request and the evidence put together. Pure."""

from __future__ import annotations

from typing import NamedTuple

from ansible_collections.gpulab.core.plugins.module_utils import access_rules, budget, launch_offer, launch_plan
from ansible_collections.gpulab.core.plugins.module_utils.aws_errors import is_aws

OPTIONAL = ("quotas", "prices")
"""What a launch can do without: AWS itself refuses more vCPUs than the quota has, and prices have a table."""


class Findings(NamedTuple):
    """missing: names of the hosts to launch; problems: launch_plan's; offer: launch_offer's."""

    missing: list[str]
    problems: list[launch_plan.Problem]
    offer: launch_offer.Offer


def judge(request, evidence):
    """Return the Findings of complete evidence, or of what there is of it."""
    missing = launch_plan.missing(request["hosts"], evidence["hosts"])
    if missing:
        offer = launch_offer.offer(request, evidence)
    else:
        offer = launch_offer.Offer([], [], launch_offer.stopped_problems(evidence["quotas"]))
    return Findings(missing, launch_plan.evidence_problems(request, evidence) + offer.problems, offer)


def group(request, evidence):
    """Return what the security group needs: {id, authorize, revoke, right, foreign (others' rules, in words)}."""
    public = [request["notebook_cidr"]] if request["notebook_access"] == "public" else []
    authorize, revoke = access_rules.changes(
        evidence["permissions"], evidence["cidrs"], public, request["notebook_port"], request["purge_rules"]
    )
    return {
        "id": evidence["group_id"],
        "authorize": authorize,
        "revoke": revoke,
        "right": bool(evidence["group_id"]) and not authorize and not revoke,
        "foreign": access_rules.foreign_rules(evidence["permissions"]),
    }


def plan(request, evidence, offer):
    """Return the plan that ec2_plan_info answers with; see its RETURN."""
    missing = launch_plan.missing(request["hosts"], evidence["hosts"])
    hosts = evidence["hosts"]
    first = (offer.types[0], request["market"]) if missing else (hosts[0]["instance_type"], hosts[0]["market"])
    price = launch_offer.price_of(evidence["prices"], *first)
    priced = [(h["name"], launch_offer.price_of(evidence["prices"], h["instance_type"], h["market"])) for h in hosts]
    priced += [(name, price) for name in missing]
    budgets = {name: float(request["budgets"].get(name, request["budget_usd"])) for name, _ in priced}
    guard_prices = {
        p["instance_type"]: p["price"] for p in evidence["prices"] if p["market"] == "on-demand" and p["price"]
    }
    most = guard_prices.get(first[0])
    shown = [p for p in evidence["prices"] if (p["instance_type"], p["market"]) == first]
    return {
        "account": evidence["caller"]["Account"],
        "region": evidence["region"],
        "endpoint": evidence["endpoint"],
        "is_aws": is_aws(evidence["endpoint"]),
        "instance_type": first[0],
        "instance_types": offer.types if missing else [first[0]],
        "market": first[1],
        "price": price,
        "prices": [{key: p[key] for key in ("instance_type", "market", "price")} for p in evidence["prices"]],
        "money": launch_offer.money(priced, budgets),
        # A spot price of now may rise, and the budget still has to hold.
        "guard_prices": guard_prices,
        "run_seconds": budget.run_seconds(request["budget_usd"], most["usd_per_hour"]) if most else None,
        "notes": list(dict.fromkeys([*offer.notes, *(p["note"] for p in shown if p["note"])])),
        "image": evidence["image"],
        "vpc_id": evidence["vpc_id"],
        "subnet_id": (evidence["subnet"] or {}).get("id", ""),
        "zones": evidence["zones"],
        "key": evidence["key"],
        "security_group": group(request, evidence),
        "cidrs": evidence["cidrs"],
        "notebook_cidrs": [request["notebook_cidr"]] if request["notebook_access"] == "public" else [],
        "quotas": evidence["quotas"],
        "hosts": hosts,
        "missing": missing,
    }

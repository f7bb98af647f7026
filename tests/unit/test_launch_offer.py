"""launch_offer and launch_answer: which types remain under quota and cap, what is refused, and what hosts cost."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import gpu_catalogue, launch_answer, launch_offer
from ansible_collections.gpulab.core.plugins.module_utils.quota_plan import judge, quota_for

TYPES = ["g4dn.xlarge", "g5.xlarge"]


def request(**changes: Any) -> dict[str, Any]:
    usual = {
        "deployment": "gpulab",
        "hosts": ["a"],
        "instance_types": TYPES,
        "market": "on-demand",
        "spot_fallback": False,
        "max_hourly_usd": None,
        "budget_usd": 5.0,
        "budgets": {},
        "notebook_access": "tunnel",
        "notebook_cidr": "",
        "notebook_port": 8888,
        "purge_rules": False,
        "subnet_id": "",
        "image_id": None,
        "other_regions": [],
    }
    return {**usual, **changes}


def quota(value: float | None, kind: str = "g4dn.xlarge", market: str = "on-demand", said: str = "") -> dict[str, Any]:
    source = {"value": value, "source": "unknown" if value is None else "applied", "why": "AccessDeniedException"}
    judged = judge(quota_for(kind, market), source, 0, {"type": kind, "vcpus": 4, "count": 1}, "us-east-1")
    return dict(judged, market=market, request=said)


def priced(kind: str, market: str = "on-demand") -> dict[str, Any]:
    price = gpu_catalogue.price(kind, "us-east-1", 100)
    return {"instance_type": kind, "market": market, "price": price, "note": ""}


def evidence(**changes: Any) -> dict[str, Any]:
    usual = {"offered": TYPES, "quotas": [quota(8), quota(8, "g5.xlarge")], "prices": [priced(kind) for kind in TYPES]}
    return {**usual, **changes}


def test_all_types_are_offered_where_nothing_speaks_against_them() -> None:
    assert launch_offer.offer(request(), evidence()) == (TYPES, [], [])


def test_what_the_region_lacks_is_no_part_of_it() -> None:
    assert launch_offer.offer(request(), evidence(offered=["g5.xlarge"])).types == ["g5.xlarge"]


def test_a_type_above_the_cap_is_left_out_and_said() -> None:
    offer = launch_offer.offer(request(max_hourly_usd=0.6), evidence())
    assert (offer.types, offer.problems) == (["g4dn.xlarge"], [])
    (note,) = offer.notes
    assert note.startswith("Left out: g5.xlarge costs $1.022 an hour")


def test_when_every_type_is_above_the_cap_the_first_ones_price_refuses() -> None:
    offer = launch_offer.offer(request(max_hourly_usd=0.1), evidence())
    ((check, sentence),) = offer.problems
    assert (offer.types, check) == ([], "price")
    for word in ("g4dn.xlarge costs $0.542 an hour", "max_hourly_usd is $0.1", "-e max_hourly_usd=0.55"):
        assert word in sentence


def test_a_quota_that_is_too_small_refuses_with_what_is_pending() -> None:
    small = [quota(0, said="Request r1 is PENDING."), quota(0, "g5.xlarge", said="Request r1 is PENDING.")]
    ((check, sentence),) = launch_offer.offer(request(), evidence(quotas=small)).problems
    assert check == "quota"
    for word in ("0 vCPUs", "L-DB2E81BA", "ansible-playbook request-quota.yml", "Request r1 is PENDING."):
        assert word in sentence
    assert launch_offer.stopped_problems(small)[0].sentence == sentence


def test_a_quota_too_small_for_one_type_leaves_the_other() -> None:
    offer = launch_offer.offer(request(), evidence(quotas=[quota(0), quota(8, "g5.xlarge")]))
    assert (offer.types, offer.problems) == (["g5.xlarge"], [])
    assert offer.notes[0].startswith('Left out: Quota "Running On-Demand G and VT instances"')


def test_an_unknown_quota_is_said_and_stops_nobody() -> None:
    offer = launch_offer.offer(request(), evidence(quotas=[quota(None), quota(None, "g5.xlarge")]))
    assert (offer.types, offer.problems) == (TYPES, [])
    assert all("so it is unknown" in note for note in offer.notes)
    assert launch_offer.stopped_problems([quota(None)]) == []


def test_quota_and_price_are_refused_together() -> None:
    found = evidence(quotas=[quota(0), quota(0, "g5.xlarge")])
    assert [p.check for p in launch_offer.offer(request(max_hourly_usd=0.1), found).problems] == ["quota", "price"]


@pytest.mark.parametrize(("fallback", "types"), [(False, []), (True, ["g4dn.xlarge"])])
def test_where_spot_may_become_on_demand_either_quota_will_do(fallback: bool, types: list[str]) -> None:
    found = evidence(
        offered=["g4dn.xlarge"],
        quotas=[quota(0, market="spot"), quota(8)],
        prices=[priced("g4dn.xlarge", "spot"), priced("g4dn.xlarge")],
    )
    assert launch_offer.offer(request(market="spot", spot_fallback=fallback), found).types == types


def test_money_is_the_sum_of_the_hosts_and_unknown_with_one_unknown() -> None:
    price = gpu_catalogue.price("g4dn.xlarge", "us-east-1", 100)
    made = launch_offer.money([("a", price), ("b", price)], {"a": 5.0, "b": 2.5})
    assert (made["hosts"], made["usd_per_hour"], made["budget_usd"]) == (2, 1.084, 7.5)
    assert (made["usd_per_day"], made["usd_per_day_stopped"]) == (26.02, 0.52)
    unknown = launch_offer.money([("a", price), ("b", None)], {"a": 5.0, "b": 2.5})
    assert (unknown["usd_per_hour"], unknown["usd_per_day"], unknown["budget_usd"]) == (None, None, 7.5)


def host(name: str, state: str = "running", kind: str = "g5.xlarge") -> dict[str, Any]:
    return {"name": name, "id": f"i-{name}", "state": state, "instance_type": kind, "market": "on-demand"}


def whole(**changes: Any) -> dict[str, Any]:
    usual = {
        "caller": {"Account": "123456789012"},
        "region": "us-east-1",
        "endpoint": "https://ec2.us-east-1.amazonaws.com",
        "hosts": [],
        "key": {"name": "k", "file": "k", "local": None, "local_error": None, "remote": None},
        "image": {"id": "ami-1"},
        "images_tried": [],
        "vpc_id": "vpc-1",
        "subnet": None,
        "elsewhere": {},
        "group_id": None,
        "permissions": [],
        "cidrs": ["203.0.113.7/32"],
        "zones": {"g4dn.xlarge": ["us-east-1a"]},
    }
    return {**usual, **evidence(), **changes}


def test_the_plan_of_one_new_host_beside_one_that_exists() -> None:
    asked = request(hosts=["a", "b"], budgets={"b": 2})
    found = launch_answer.judge(asked, whole(hosts=[host("b")]))
    assert found.problems == []
    plan = launch_answer.plan(asked, whole(hosts=[host("b")]), found.offer)
    assert ([h["name"] for h in plan["hosts"]], plan["missing"]) == (["b"], ["a"])
    assert (plan["instance_type"], plan["instance_types"], plan["is_aws"]) == ("g4dn.xlarge", TYPES, True)
    # 5 dollars at 0.542 an hour; the other host's own budget counts in the sum alone.
    assert plan["run_seconds"] == pytest.approx(5 / 0.542 * 3600, abs=5)
    assert plan["money"]["budget_usd"] == 7.0
    assert plan["money"]["usd_per_hour"] == pytest.approx(0.542 + 1.022, abs=1e-3)
    assert set(plan["guard_prices"]) == set(TYPES)
    assert not plan["security_group"]["right"]


def test_a_spot_hosts_budget_is_reckoned_by_the_price_on_demand() -> None:
    low = dict(priced("g4dn.xlarge", "spot"), price=dict(priced("g4dn.xlarge")["price"], usd_per_hour=0.2))
    found = whole(prices=[low, priced("g4dn.xlarge")], quotas=[])
    plan = launch_answer.plan(request(market="spot"), found, launch_offer.offer(request(market="spot"), found))
    assert (plan["price"]["usd_per_hour"], plan["market"]) == (0.2, "spot")
    assert plan["run_seconds"] == pytest.approx(5 / 0.542 * 3600, abs=5)


def test_the_plan_of_hosts_that_exist_is_theirs() -> None:
    found = whole(hosts=[host("a")], offered=[], quotas=[], zones={}, prices=[priced("g5.xlarge")])
    judged = launch_answer.judge(request(max_hourly_usd=0.1), found)
    assert (judged.missing, judged.problems) == ([], [])
    plan = launch_answer.plan(request(), found, judged.offer)
    assert (plan["instance_type"], plan["instance_types"], plan["missing"]) == ("g5.xlarge", ["g5.xlarge"], [])


def test_a_stopped_host_needs_its_quota_again() -> None:
    found = whole(hosts=[host("a", "stopped")], quotas=[quota(0, "g5.xlarge")], offered=[], zones={})
    (problem,) = launch_answer.judge(request(), found).problems
    assert problem.check == "quota"


def test_an_unknown_price_gives_no_time() -> None:
    found = whole(prices=[])
    plan = launch_answer.plan(request(), found, launch_answer.judge(request(), found).offer)
    assert (plan["price"], plan["run_seconds"], plan["money"]["usd_per_hour"]) == (None, None, None)

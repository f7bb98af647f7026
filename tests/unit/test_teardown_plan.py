"""The order of a teardown, its table, its receipt and its verdict."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from ansible_collections.gpulab.core.plugins.module_utils import teardown_plan

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOST = {"id": "i-1", "name": "a", "type": "g4dn.xlarge", "region": "r", "seconds": 7200, "usd": 1.06}


def item(kind: str, identifier: str, **more: Any) -> dict[str, Any]:
    usual = {"type": kind, "id": identifier, "region": "r", "name": "", "born": ""}
    return {**usual, "usd_per_hour": 0.0, "goes_with": "", **more}


def found(resources: Sequence[dict[str, Any]] = (), **more: Any) -> dict[str, Any]:
    usual = {"deployment": "a", "resources": list(resources), "kept": [], "unseen": [], "regions": ["r"], "money": []}
    return {**usual, **more}


END = {"remaining": [], "problems": [], "time": "2026-11-22T12:00:00Z"}


def test_no_host_is_without_its_guard_and_no_request_makes_another() -> None:
    kinds = ["role", "schedule-group", "security-group", "instance", "spot-instances-request", "volume", "topic"]
    items = [item(kind, f"{n}") for n, kind in enumerate(kinds)]
    order = [kind for kind, _ in teardown_plan.steps(items)]
    assert order.index("spot-instances-request") < order.index("instance") < order.index("schedule-group")
    assert order.index("instance") < order.index("volume") < order.index("security-group") < order.index("topic")
    regions, last = teardown_plan.by_region(items)
    assert {one["type"] for one in last} == {"role", "topic"}
    assert len(regions["r"]) == 5


def test_what_goes_with_its_host_is_not_deleted_and_what_is_unknown_neither() -> None:
    host, disk = item("instance", "i-1"), item("volume", "vol-1", goes_with="i-1")
    assert teardown_plan.steps([host, disk, item("vpc", "vpc-1")]) == [("instance", [host])]
    # Left behind by a host that went before, it has to be.
    assert teardown_plan.steps([disk]) == [("volume", [disk])]


def test_the_table_has_ages_prices_and_the_sum() -> None:
    host = item("instance", "i-1", born="2026-11-22T09:30:00Z", usd_per_hour=0.531)
    old = item("volume", "vol-1", born="2026-11-17T12:00:00Z", usd_per_hour=0.011)
    mine = item("volume", "vol-2", usd_per_hour=None)
    unseen = {"what": "EC2", "region": "eu-west-3", "code": "UnauthorizedOperation"}
    lines = teardown_plan.lines([old, host], [mine], [unseen], NOON)
    assert lines[0].split() == ["type", "id", "name", "region", "age", "$/hour"]
    assert lines[1].split() == ["instance", "i-1", "r", "2.5", "h", "0.531"]
    assert lines[2].split() == ["volume", "vol-1", "r", "5.0", "d", "0.011"]
    assert lines[4].startswith("Together $0.542 an hour")
    assert lines[5] == "Without our tag, so left alone: vol-2 (volume in r, $unknown an hour)."
    assert lines[6] == "Not looked at: EC2 in eu-west-3, where AWS answered UnauthorizedOperation."
    assert teardown_plan.lines([], [], [], NOON) == ["Nothing carries the tag."]


def test_a_receipt_of_all_that_went() -> None:
    told = teardown_plan.receipt({}, found([item("instance", "i-1")], money=[HOST]), END)
    assert [one["id"] for one in told["removed"]] == ["i-1"]
    assert (told["complete"], told["remaining"], told["usd_per_hour"], told["usd"]) == (True, [], 0.0, 1.06)
    proved, sentence = teardown_plan.verdict(told)
    assert proved
    assert sentence == (
        "Nothing of deployment a remains in 1 region: $0.00 per hour from here. It cost $1.06 by the price list."
    )


def test_things_of_one_name_are_told_apart() -> None:
    kinds = ["key-pair", "schedule-group", "alarm"]
    told = teardown_plan.receipt({}, found([item(kind, "gpulab-a") for kind in kinds]), END)
    assert {one["type"] for one in told["removed"]} == set(kinds)


def test_a_killed_teardown_loses_nothing() -> None:
    begun = teardown_plan.receipt({}, found([item("instance", "i-1"), item("key-pair", "k")], money=[HOST]), {})
    assert not begun["complete"]
    mine = item("volume", "vol-9", usd_per_hour=0.011)
    begun["kept"] = [mine]
    told = teardown_plan.receipt(begun, found([item("key-pair", "k")]), END)
    assert {one["id"] for one in told["removed"]} == {"i-1", "k"}
    assert (told["money"], told["kept"], told["complete"]) == ([HOST], [mine], True)


def test_a_completed_receipt_is_history() -> None:
    earlier = {"complete": True, "removed": [item("instance", "i-0")], "money": [HOST], "kept": [], "deployment": "a"}
    told = teardown_plan.receipt(earlier, found([item("instance", "i-1")]), END)
    assert [one["id"] for one in told["removed"]] == ["i-1"]
    assert told["money"] == []


def test_what_remains_is_told_with_its_price_and_why() -> None:
    group = item("security-group", "sg-1")
    end = {**END, "remaining": [group], "problems": ["While removing it, AWS answered DependencyViolation."]}
    told = teardown_plan.receipt({}, found([group, item("key-pair", "k")]), end)
    assert [one["id"] for one in told["removed"]] == ["k"]
    assert not told["complete"]
    proved, sentence = teardown_plan.verdict(told)
    assert not proved
    assert sentence.startswith("1 resources of a are still there and may cost money: sg-1 (security-group in r, $0.000")
    assert "DependencyViolation" in sentence


def test_what_is_somebodys_is_no_proof_of_nothing() -> None:
    mine = item("volume", "vol-9", usd_per_hour=0.011)
    told = teardown_plan.receipt({}, found([item("instance", "i-1")], kept=[mine]), END)
    assert told["complete"]
    assert told["usd_per_hour"] == 0.011
    proved, sentence = teardown_plan.verdict(told)
    assert not proved
    assert "do not carry the tag of a, and may cost money: vol-9 (volume in r, $0.011 an hour)" in sentence


def test_a_host_without_a_price_makes_no_sum() -> None:
    told = teardown_plan.receipt({}, found([item("instance", "i-1")], money=[{**HOST, "usd": None}]), END)
    assert told["usd"] is None
    assert "It cost" not in teardown_plan.verdict(told)[1]

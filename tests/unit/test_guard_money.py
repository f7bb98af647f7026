"""What a host has spent and has left, by what AWS says of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import guard_money

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
PRICE = {"usd_per_hour": 0.5, "source": "table in gpulab.core", "date": "2026-07-20"}
ASKED = {"budget_usd": 2.0, "price": None}


def host(state: str = "running", reason: str = "", tags: dict[str, str] | None = None) -> dict[str, Any]:
    """A host that was started at noon, for $0.50 an hour by the table."""
    return {"id": "i-1", "state": state, "launched": NOON, "reason": reason, "tags": tags or {}, "price": PRICE}


def stopped(hour: int, tags: dict[str, str] | None = None) -> dict[str, Any]:
    return host("stopped", f"User initiated (2026-11-22 {hour}:00:00 GMT)", tags)


def after(hours: float) -> datetime:
    return NOON + timedelta(hours=hours)


def test_a_host_that_runs() -> None:
    told = guard_money.money(host(), after(1), ASKED)
    assert (told["spent_seconds"], told["spent_usd"]) == (3600, 0.5)
    assert (told["left_seconds"], told["left_usd"]) == (3 * 3600, 1.5)
    assert (told["deadline"], told["exact"]) == ("2026-11-22T16:00:00Z", True)
    assert told["price_source"] == "table of 2026-07-20"


def test_the_deadline_does_not_move_while_it_runs() -> None:
    ends = {guard_money.money(host(), after(hours), ASKED)["deadline"] for hours in (0, 0.5, 1, 3.9)}
    assert ends == {"2026-11-22T16:00:00Z"}


def test_a_host_that_was_stopped_counts_until_then() -> None:
    told = guard_money.money(stopped(13), after(5), ASKED)
    assert (told["spent_seconds"], told["deadline"], told["exact"]) == (3600, "", True)


def test_a_run_is_written_down_once() -> None:
    one = stopped(13)
    for hours in (2, 5, 50):
        told = guard_money.money(one, after(hours), ASKED)
        assert told["spent_seconds"] == 3600
        wanted = guard_money.tags_wanted(one, told)
        assert bool(wanted) is (hours == 2)
        one["tags"].update(wanted)
    assert one["tags"][guard_money.SPENT_TAG] == "3600"
    # The next run is counted beside it.
    again = {**host(tags=one["tags"]), "launched": after(10)}
    assert guard_money.money(again, after(11), ASKED)["spent_seconds"] == 7200
    assert guard_money.tags_wanted(again, guard_money.money(again, after(11), ASKED)) == {}


def test_where_aws_does_not_say_when_it_stopped_it_is_the_most_it_can_be() -> None:
    one = host("stopped", "")
    told = guard_money.money(one, after(1), ASKED)
    assert (told["spent_seconds"], told["exact"]) == (3600, False)
    assert guard_money.money(one, after(100), ASKED)["spent_usd"] == 2.0
    # Once it is written down, later looks add nothing.
    one["tags"].update(guard_money.tags_wanted(one, told))
    assert guard_money.money(one, after(100), ASKED)["spent_seconds"] == 3600
    assert guard_money.tags_wanted(one, guard_money.money(one, after(100), ASKED)) == {}


def test_tags_go_before_what_is_said_now_but_an_extension_counts() -> None:
    tags = {guard_money.BUDGET_TAG: "3", guard_money.RATE_TAG: "1", guard_money.SOURCE_TAG: "price list of 2026-11-20"}
    told = guard_money.money(host(tags=tags), after(1), ASKED)
    assert (told["budget_usd"], told["usd_per_hour"], told["left_usd"]) == (3, 1, 2)
    assert told["price_source"] == "price list of 2026-11-20"
    more = guard_money.money(host(tags=tags), after(1), {**ASKED, "extend_usd": 2})
    assert (more["budget_usd"], more["left_usd"]) == (5, 4)
    assert guard_money.tags_wanted(host(tags=tags), more) == {guard_money.BUDGET_TAG: "5"}


@pytest.mark.parametrize(
    ("reason", "when"),
    [
        ("User initiated (2026-11-22 13:00:00 GMT)", after(1)),
        ("User initiated (2026-11-22 13:00:00 UTC)", after(1)),
        ("", None),
        ("Server.SpotInstanceShutdown", None),
    ],
)
def test_when_a_host_stopped(reason: str, when: datetime | None) -> None:
    assert guard_money.stopped_at(reason) == when


def test_spent_is_refused_with_how_to_extend() -> None:
    told = {**guard_money.money(host(), after(4), ASKED), "type": "g4dn.xlarge"}
    sentence = guard_money.refusal("anna", told)
    assert "anna has spent $2.00 of its budget of $2.00" in sentence
    assert "extend.yml -e extend_usd=2 --limit anna" in sentence
    assert guard_money.refusal("anna", {**told, "left_seconds": 600}) == ""


def test_an_unknown_price_is_refused_with_what_to_type() -> None:
    told = guard_money.money({**host(), "price": None}, after(1), ASKED)
    assert (told["left_seconds"], told["spent_usd"]) == (0, 0)
    assert "-e gpu_usd_per_hour" in guard_money.refusal("anna", {**told, "type": "p9.huge"})


def test_equal_tags_are_written_together() -> None:
    groups = guard_money.grouped({"i-2": {"a": "1"}, "i-1": {"a": "1"}, "i-3": {"a": "2"}, "i-4": {}})
    assert groups == [({"a": "1"}, ["i-1", "i-2"]), ({"a": "2"}, ["i-3"])]

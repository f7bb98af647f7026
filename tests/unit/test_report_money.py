"""The guards and the money in the proof report."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpulab.core.plugins.module_utils.report import build, money_history

from tests.unit import benchmark_documents as fakes
from tests.unit.test_report import HOST, PLAN, SYSTEM, VALIDATOR

GUARDS = {
    "schedule": "stop-20261122T1800Z",
    "stops_at": "2026-11-22T18:00:00Z",
    "role": "arn:aws:iam::123456789012:role/gpulab-class-stop",
    "alarm": "gpulab-class",
    "alarm_usd": 5.0,
    "mail": "",
}
GUARD = {
    "guards": GUARDS,
    "budget_usd": 5.0,
    "usd_per_hour": 0.542,
    "price_source": "table of 2026-07-20",
    "spent_usd": 0.1,
    "counted_until": "2026-11-22T09:00:00Z",
    "left_seconds": 32400,
}


def test_the_guards_as_read_back_and_the_money_spent_are_in_it() -> None:
    report = build(PLAN, HOST, SYSTEM, fakes.both(), {}, guard=GUARD)
    VALIDATOR.validate(report)
    assert report["guards"] == GUARDS
    assert report["money"] == {key: GUARD[key] for key in GUARD if key not in ("guards", "left_seconds")}
    unguarded = {**GUARD, "guards": {**GUARDS, "schedule": "", "stops_at": ""}}
    assert list(VALIDATOR.iter_errors(build(PLAN, HOST, SYSTEM, fakes.both(), {}, guard=unguarded)))


@pytest.mark.parametrize(
    ("changed", "kept"),
    [
        ({"spent_usd": 0.2}, True),
        ({"budget_usd": 7.0}, False),
        ({"guards": {**GUARDS, "stops_at": "2026-11-23T18:00:00Z"}}, False),
    ],
)
def test_money_that_runs_is_no_change_of_the_report(changed: dict[str, Any], kept: bool) -> None:
    before = build(PLAN, HOST, SYSTEM, fakes.both(), {}, guard=GUARD)
    now = build(PLAN, HOST, SYSTEM, fakes.both(), {}, guard={**GUARD, **changed})
    assert money_history(now, before) == (before if kept else now)["money"]
    assert money_history(now, {}) == now["money"]

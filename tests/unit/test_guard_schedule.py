"""Which one-time stops there should be: in time for every host, few, and none for nobody."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import guard_schedule
from hypothesis import given
from hypothesis import strategies as st

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
ROLE = "arn:aws:iam::123456789012:role/gpulab-x-stop"


def minutes(count: float) -> datetime:
    return NOON + timedelta(minutes=count)


def described(at: datetime, ids: list[str], **other: Any) -> dict[str, Any]:
    """A schedule as GetSchedule tells of one that was made by request()."""
    return {**guard_schedule.request(at, ids, "gpulab-x", ROLE), **other}


def apply(
    schedules: list[dict[str, Any]], deadlines: dict[str, datetime], now: datetime = NOON
) -> list[dict[str, Any]]:
    """The schedules there are after the changes, as read() tells of them; AWS refuses what is made twice."""
    puts, gone = guard_schedule.changes(schedules, deadlines, now)
    there = {one["name"]: one for one in schedules}
    for at, ids, exists in puts:
        made = guard_schedule.read(described(at, ids), ROLE)
        assert exists is (made["name"] in there)
        there[made["name"]] = made
    for name in gone:
        del there[name]
    return list(there.values())


def test_one_schedule_for_all_that_end_together() -> None:
    (one,) = apply([], {"i-1": minutes(60.9), "i-2": minutes(61.5), "i-3": minutes(60.1)})
    assert one == {"name": "stop-20261122T1300Z", "at": minutes(60), "ids": ["i-1", "i-2", "i-3"]}


def test_one_for_each_deadline_otherwise() -> None:
    made = apply([], {"i-1": minutes(60), "i-2": minutes(90)})
    assert [(one["at"], one["ids"]) for one in made] == [(minutes(60), ["i-1"]), (minutes(90), ["i-2"])]


def test_a_host_whose_money_has_ended_gets_the_soonest() -> None:
    (one,) = apply([], {"i-1": minutes(-60)})
    assert guard_schedule.SOONEST <= one["at"] - NOON <= guard_schedule.SOONEST + timedelta(minutes=1)


def test_a_stopped_host_is_taken_off_and_an_empty_schedule_goes() -> None:
    made = apply([], {"i-1": minutes(60), "i-2": minutes(60)})
    (one,) = apply(made, {"i-2": minutes(60)})
    assert one["ids"] == ["i-2"]
    assert apply([one], {}) == []


def test_a_later_deadline_is_set_before_the_earlier_goes() -> None:
    made = apply([], {"i-1": minutes(60)})
    puts, gone = guard_schedule.changes(made, {"i-1": minutes(120)}, NOON)
    assert [put[0] for put in puts] == [minutes(120)]
    assert gone == [made[0]["name"]]


@pytest.mark.parametrize(
    "wrong",
    [
        {"State": "DISABLED"},
        {"ScheduleExpressionTimezone": "Europe/Berlin"},
        {"FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 900}},
        {"ScheduleExpression": "rate(1 days)"},
        {"ScheduleExpression": "at(2026-99-01T00:00:00)"},
        {
            "Target": {
                "Arn": guard_schedule.TARGET,
                "RoleArn": "arn:aws:iam::1:role/x",
                "Input": '{"InstanceIds": ["i-1"]}',
            }
        },
        {"Target": {"Arn": "arn:aws:lambda:x", "RoleArn": ROLE, "Input": '{"InstanceIds": ["i-1"]}'}},
        {"Target": {"Arn": guard_schedule.TARGET, "RoleArn": ROLE, "Input": "no json"}},
        {"Target": {"Arn": guard_schedule.TARGET, "RoleArn": ROLE, "Input": json.dumps({"InstanceIds": []})}},
    ],
)
def test_a_schedule_that_somebody_spoilt_is_written_again(wrong: dict[str, Any]) -> None:
    spoilt = guard_schedule.read(described(minutes(60), ["i-1"], **wrong), ROLE)
    deadlines = {"i-1": minutes(60)}
    assert guard_schedule.covered([spoilt], deadlines, NOON) == {}
    assert guard_schedule.changes([spoilt], deadlines, NOON) == ([(minutes(60), ["i-1"], True)], [])


IDS = st.sampled_from([f"i-{n}" for n in range(6)])
DEADLINES = st.dictionaries(IDS, st.floats(-100, 5000).map(minutes))


@given(DEADLINES, DEADLINES)
def test_every_host_is_in_one_schedule_in_time_and_a_second_run_changes_nothing(
    before: dict[str, datetime], after: dict[str, datetime]
) -> None:
    made = apply(apply([], before), after)
    assert sorted(i for one in made for i in one["ids"]) == sorted(after)
    for one in made:
        for host in one["ids"]:
            last = max(after[host], NOON + guard_schedule.SOONEST + timedelta(minutes=1))
            assert last - guard_schedule.EARLY <= one["at"] <= last + guard_schedule.SLACK
            assert one["at"] > NOON
    assert guard_schedule.changes(made, after, NOON) == ([], [])
    # Seconds later, and a second of rounding, it is still the same.
    later = {host: end + timedelta(seconds=1) for host, end in after.items() if end > minutes(10)}
    gone_off = [one for one in made if set(one["ids"]) <= set(later)]
    only = {i: later[i] for one in gone_off for i in one["ids"]}
    assert guard_schedule.changes(gone_off, only, NOON + timedelta(seconds=20)) == ([], [])

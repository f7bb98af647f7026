"""A budget as time: whole seconds, each counted once, never a moment more than the money."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import budget
from ansible_collections.gpulab.core.plugins.module_utils.budget import Account
from hypothesis import given
from hypothesis import strategies as st

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
NOTHING = Account(0, None)


@pytest.mark.parametrize(
    ("usd", "rate", "spent", "seconds"),
    [
        (1, 0.526, 0, 6844),
        (1, 0.526, 6000, 844),
        (1, 0.526, 6845, 0),
        (0, 0.526, 0, 0),
        # 1.1 / 0.1 is 10.999999999999998 in binary.
        (1.1, 0.1, 0, 39600),
    ],
)
def test_a_budget_gives_whole_seconds(usd: float, rate: float, spent: int, seconds: int) -> None:
    assert budget.run_seconds(usd, rate, spent) == seconds


@pytest.mark.parametrize("rate", [None, 0, -1])
def test_an_unknown_price_gives_no_time(rate: float | None) -> None:
    with pytest.raises(ValueError, match="price of an hour is unknown"):
        budget.run_seconds(5, rate, 0)


@given(st.floats(0, 1e4), st.floats(0.01, 200), st.integers(0, 10**7))
def test_what_is_left_and_what_is_spent_are_never_more_than_the_budget(usd: float, rate: float, spent: int) -> None:
    left_usd, seconds = budget.left(usd, rate, spent)
    assert left_usd >= 0
    assert seconds >= 0
    if seconds:
        assert budget.usd(spent + seconds, rate) <= usd + 0.01 / 3600 * rate


@pytest.mark.parametrize(
    ("account", "started", "ended", "seconds"),
    [
        (NOTHING, NOON, NOON + HOUR, 3600),
        # The run is in the account already: it was written down after it had ended.
        (Account(3600, NOON + HOUR), NOON, NOON + HOUR, 3600),
        # A new run since then.
        (Account(3600, NOON + HOUR), NOON + 2 * HOUR, NOON + 3 * HOUR, 7200),
        # Written down in the middle of the run.
        (Account(1800, NOON + HOUR / 2), NOON, NOON + HOUR, 3600),
        # A clock that went back takes nothing away.
        (Account(60, NOON), NOON + HOUR, NOON, 60),
    ],
)
def test_each_second_counts_once(account: Account, started: datetime, ended: datetime, seconds: int) -> None:
    assert budget.spent(account, started, ended) == seconds


def test_the_deadline_is_when_the_money_ends() -> None:
    assert budget.deadline(NOON, budget.run_seconds(1, 0.5, 3600)) == NOON + HOUR

"""A host's budget as time: what it may still run, what it has spent, when it has to stop. Pure arithmetic.

Money is USD, time is whole seconds, moments are time-zone aware datetimes in UTC. What is counted is the time that a
host runs, at the price of its hour with disk and address; what its disk costs while it is stopped is shown elsewhere.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

HOUR = 3600
SHORTEST = 180
"""Seconds below which nothing is started: schedules keep whole minutes, and need a moment to be made."""


class Account(NamedTuple):
    """What is written down of a host: `seconds` ran before the moment `until` (None: nothing was written yet)."""

    seconds: int
    until: datetime | None


def run_seconds(budget_usd, usd_per_hour, spent_seconds=0):
    """Return how many seconds a budget still lets a host run, never less than 0.

    Raise ValueError when the price is unknown (None) or not above zero: a budget is no limit then.
    """
    if not usd_per_hour or usd_per_hour <= 0:
        raise ValueError("The price of an hour is unknown, so that a budget gives no time to stop at.")
    # Rounded first: in binary 1.1 / 0.1 is 10.999999999999998, and a whole second would be lost.
    return max(0, int(round(budget_usd / usd_per_hour * HOUR, 2)) - int(spent_seconds))


def spent(account, started, ended):
    """Return the seconds a host has run: what `account` has, and of the run from `started` to `ended` what it has not.

    Each second counts once, however often this is asked: the run's part before `account.until` is in the account.
    """
    since = started if account.until is None else max(started, account.until)
    return account.seconds + max(0, int((ended - since).total_seconds()))


def usd(seconds, usd_per_hour):
    """Return what so many seconds cost."""
    return seconds / HOUR * usd_per_hour


def left(budget_usd, usd_per_hour, spent_seconds):
    """Return (USD, seconds) that are left, neither below zero."""
    return max(0.0, budget_usd - usd(spent_seconds, usd_per_hour)), run_seconds(budget_usd, usd_per_hour, spent_seconds)


def deadline(now, left_seconds):
    """Return the moment at which a host that runs and has so much left has to stop."""
    return now + timedelta(seconds=left_seconds)

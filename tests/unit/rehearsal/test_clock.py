"""The movable clock, alone and under moto."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rehearsal.clock import Clock, follow


def test_an_unmoved_clock_tells_the_time() -> None:
    before = datetime.now(UTC)
    assert before <= Clock().now() <= datetime.now(UTC)


def test_moves_add_up_and_may_go_back() -> None:
    clock, start = Clock(), datetime.now(UTC)
    clock.advance(3600)
    clock.advance(-60)
    passed = clock.now() - start
    assert timedelta(minutes=59) <= passed <= timedelta(minutes=59) + (datetime.now(UTC) - start)


@pytest.mark.parametrize(
    "iso", ["2030-01-01T12:00:00Z", "2030-01-01T12:00:00", "2030-01-01T14:00:00+02:00"], ids=["utc", "bare", "offset"]
)
def test_a_moment_is_set_in_utc(iso: str) -> None:
    now = Clock().set(iso)
    assert now.utcoffset() == timedelta()
    assert now.replace(minute=0, second=0, microsecond=0) == datetime(2030, 1, 1, 12, tzinfo=UTC)


def test_what_is_no_moment_is_refused() -> None:
    with pytest.raises(ValueError, match="tomorrow"):
        Clock().set("tomorrow")


def test_moto_follows_the_last_clock_that_asked() -> None:
    import moto.core.utils
    from moto.ec2.models import key_pairs

    for year in (2031, 2032):
        clock = Clock()
        clock.set(f"{year}-05-05T00:00:00Z")
        follow(clock)
        assert moto.core.utils.utcnow().year == year
        assert key_pairs.utcnow().year == year
    follow(Clock())

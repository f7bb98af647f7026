"""The known_hosts file of a deployment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import host_pins

BEFORE = "# by hand\ni-1 ssh-ed25519 AAAA1\n"


def test_a_pinned_host_is_never_pinned_again() -> None:
    assert host_pins.pinned(BEFORE) == {"i-1"}
    after = host_pins.added(BEFORE, {"i-1": ["ssh-ed25519 EVIL"], "i-2": ["ssh-ed25519 AAAA2", "ssh-rsa AAAA3"]})
    assert after == BEFORE + "i-2 ssh-ed25519 AAAA2\ni-2 ssh-rsa AAAA3\n"
    assert host_pins.added(after, {"i-2": ["ssh-ed25519 OTHER"]}) == after


def test_a_last_line_without_an_end_is_kept_whole() -> None:
    assert host_pins.added("i-1 k v", {"i-2": ["k w"]}) == "i-1 k v\ni-2 k w\n"
    assert host_pins.added("", {}) == ""


NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
LATER = NOW + timedelta(hours=4)
AUTHORITY = "ssh-ed25519 AAAACA gpulab-class"
VOUCHED = BEFORE + "@cert-authority i-2 ssh-ed25519 AAAACA until=2026-11-23T14:00:00+00:00\n"


def test_a_host_that_was_launched_among_many_is_known_by_its_authority_for_a_while() -> None:
    after = host_pins.vouched(BEFORE, ["i-1", "i-2"], AUTHORITY, LATER)
    assert after == VOUCHED, "a host that is pinned needs no authority"
    assert host_pins.pinned(after) == {"i-1"}
    assert host_pins.certified(after, NOW) == {"i-2"}
    assert host_pins.certified(after, LATER) == set()
    assert host_pins.vouched(after, ["i-2"], AUTHORITY, LATER) == after


def test_the_hosts_own_key_takes_the_place_of_the_authority() -> None:
    assert host_pins.added(VOUCHED, {"i-2": ["ssh-ed25519 AAAA2"]}) == BEFORE + "i-2 ssh-ed25519 AAAA2\n"
    assert host_pins.added(VOUCHED, {"i-3": ["ssh-ed25519 AAAA3"]}) == VOUCHED + "i-3 ssh-ed25519 AAAA3\n"


@pytest.mark.parametrize("comment", ["", " until=", " until=soon", " by-hand"])
def test_an_authority_of_somebody_else_is_no_certificate_of_ours(comment: str) -> None:
    assert host_pins.certified(f"@cert-authority i-2 ssh-ed25519 AAAACA{comment}\n", NOW) == set()


def test_few_consoles_are_read_and_of_many_those_that_nothing_else_tells() -> None:
    ids = ["i-1", "i-2", "i-3"]
    assert host_pins.unknown(VOUCHED, ids, NOW, consoles_at_most=2) == ["i-2", "i-3"]
    assert host_pins.unknown(VOUCHED, ids, NOW, consoles_at_most=1) == ["i-3"]
    assert host_pins.unknown(VOUCHED, ids, LATER, consoles_at_most=1) == ["i-2", "i-3"]
    assert host_pins.unknown(VOUCHED, ["i-1"], NOW, consoles_at_most=0) == []

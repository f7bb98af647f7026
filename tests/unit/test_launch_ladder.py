"""Which launch is tried next, when AWS refuses one."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import launch_ladder
from hypothesis import given
from hypothesis import strategies as st

ZONES = {
    "g4dn.xlarge": ["us-east-1a", "us-east-1b", "us-east-1c"],
    "g5.xlarge": ["us-east-1a", "us-east-1d"],
    "p5.4xlarge": ["us-east-1f"],
}
TYPES = list(ZONES)
CAPACITY = "InsufficientInstanceCapacity"


def full(zone: str, *others: str) -> str:
    """AWS's own words when a zone has no room."""
    choose = (
        f" by not specifying an Availability Zone in your request or choosing {', '.join(others)}" if others else ""
    )
    return (
        f"We currently do not have sufficient g4dn.xlarge capacity in the Availability Zone you requested ({zone}). "
        f"Our system will be working on provisioning additional capacity. You can get g4dn.xlarge capacity{choose}."
    )


def attempt(
    kind: str, zone: str = "", code: str = CAPACITY, message: str = "", market: str = "on-demand"
) -> dict[str, Any]:
    told = {"instance_type": kind, "zone": zone, "market": market, "code": code, "message": message}
    return told | {"region": "us-east-1"}


@pytest.mark.parametrize(
    ("attempts", "expected"),
    [
        ([], ("g4dn.xlarge", "")),
        # The zone that AWS tried is left out, those that it names come first.
        (
            [attempt("g4dn.xlarge", "", CAPACITY, full("us-east-1a", "us-east-1c", "us-east-1b"))],
            ("g4dn.xlarge", "us-east-1c"),
        ),
        ([attempt("g4dn.xlarge", "", CAPACITY, full("us-east-1a"))], ("g4dn.xlarge", "us-east-1b")),
        # A zone that AWS names and that does not offer the type is not believed.
        ([attempt("g4dn.xlarge", "", CAPACITY, full("us-east-1a", "us-east-1e"))], ("g4dn.xlarge", "us-east-1b")),
        ([attempt("g4dn.xlarge", z) for z in ("", "us-east-1a", "us-east-1b", "us-east-1c")], ("g5.xlarge", "")),
        ([attempt("g4dn.xlarge", "", "InsufficientFreeAddressesInSubnet")], ("g4dn.xlarge", "us-east-1a")),
        # G types share a quota, so that p5 is next; the second refusal leaves nothing.
        ([attempt("g4dn.xlarge", "", "VcpuLimitExceeded")], ("p5.4xlarge", "")),
        ([attempt("g4dn.xlarge", "", "VcpuLimitExceeded"), attempt("p5.4xlarge", "", "VcpuLimitExceeded")], None),
    ],
)
def test_next_rung(attempts: list[dict[str, Any]], expected: tuple[str, str] | None) -> None:
    rung = launch_ladder.next_rung(TYPES, ZONES, attempts)
    assert rung == (expected and (*expected, "on-demand"))


def test_without_the_zones_each_type_is_asked_once() -> None:
    assert launch_ladder.next_rung(TYPES, {}, [attempt("g4dn.xlarge")]) == ("g5.xlarge", "", "on-demand")


@pytest.mark.parametrize(
    ("fallback", "attempts", "expected"),
    [
        (True, [], ("g4dn.xlarge", "", "spot")),
        (
            False,
            [attempt("g4dn.xlarge", "", CAPACITY, full("us-east-1a"), "spot")],
            ("g4dn.xlarge", "us-east-1b", "spot"),
        ),
        # All types as spot before the first on demand; a spot quota says nothing of the other.
        (True, [attempt("g4dn.xlarge", "", "MaxSpotInstanceCountExceeded", "", "spot")], ("p5.4xlarge", "", "spot")),
        (
            True,
            [attempt(kind, "", "MaxSpotInstanceCountExceeded", "", "spot") for kind in ("g4dn.xlarge", "p5.4xlarge")],
            ("g4dn.xlarge", "", "on-demand"),
        ),
        (
            False,
            [attempt(kind, "", "MaxSpotInstanceCountExceeded", "", "spot") for kind in ("g4dn.xlarge", "p5.4xlarge")],
            None,
        ),
    ],
)
def test_spot_is_left_only_where_it_may_be(
    fallback: bool, attempts: list[dict[str, Any]], expected: tuple[str, str, str] | None
) -> None:
    markets = launch_ladder.markets("spot", fallback)
    assert launch_ladder.next_rung(TYPES, ZONES, attempts, markets) == expected


def test_on_demand_never_becomes_spot() -> None:
    assert launch_ladder.markets("on-demand", True) == ["on-demand"]


@given(st.data())
def test_no_call_is_made_twice_and_the_ladder_ends(data: st.DataObject) -> None:
    messages = st.sampled_from(["", full("us-east-1a"), full("us-east-1b", "us-east-1c"), "choosing nothing"])
    codes = st.sampled_from([CAPACITY, "Unsupported", "VcpuLimitExceeded", "InsufficientFreeAddressesInSubnet"])
    attempts: list[dict[str, Any]] = []
    while rung := launch_ladder.next_rung(TYPES, ZONES, attempts):
        assert rung not in [(a["instance_type"], a["zone"], a["market"]) for a in attempts]
        attempts.append(attempt(rung.instance_type, rung.zone, data.draw(codes), data.draw(messages)))
        assert len(attempts) <= len(TYPES) + sum(map(len, ZONES.values()))


@pytest.mark.parametrize(
    ("message", "asked", "named"),
    [
        (full("eu-west-1b", "eu-west-1a", "eu-west-1c"), "eu-west-1b", ["eu-west-1a", "eu-west-1c"]),
        (
            "Your requested instance type (g5.xlarge) is not supported in your requested Availability Zone "
            "(us-east-1e). Please retry by not specifying an Availability Zone or choosing us-east-1a, us-east-1b.",
            "us-east-1e",
            ["us-east-1a", "us-east-1b"],
        ),
        ("There is no room (us-gov-west-1).", "", []),
        (full("us-gov-west-1a", "us-gov-west-1b"), "us-gov-west-1a", ["us-gov-west-1b"]),
        ("", "", []),
    ],
)
def test_zones_in_a_refusal(message: str, asked: str, named: list[str]) -> None:
    assert launch_ladder.asked_zone(message) == asked
    assert launch_ladder.named_zones(message) == named


def test_one_refusal_is_a_sentence_and_several_are_a_table() -> None:
    one = launch_ladder.refusal([attempt("g4dn.xlarge", "", "VcpuLimitExceeded")])
    assert one.startswith("While launching the host, AWS answered VcpuLimitExceeded: the account's vCPU quota")
    attempts = [attempt("g4dn.xlarge"), attempt("g5.xlarge", "us-east-1d")]
    told = launch_ladder.refusal(attempts).splitlines()
    assert told[0].startswith("AWS has no host free in us-east-1: 2 launches were refused, and nothing was launched")
    assert [line.split() for line in told[1:]] == [
        ["g4dn.xlarge", "any", "zone", "on-demand", CAPACITY],
        ["g5.xlarge", "us-east-1d", "on-demand", CAPACITY],
    ]


def test_a_table_of_several_regions_tells_which() -> None:
    attempts = [attempt("g4dn.xlarge"), attempt("g4dn.xlarge", "eu-west-1a") | {"region": "eu-west-1"}]
    told = launch_ladder.refusal(attempts).splitlines()
    assert told[0].startswith("AWS has no host free in us-east-1, eu-west-1: 2 launches were refused")
    assert [line.split() for line in told[1:]] == [
        ["us-east-1", "g4dn.xlarge", "any", "zone", "on-demand", CAPACITY],
        ["eu-west-1", "g4dn.xlarge", "eu-west-1a", "on-demand", CAPACITY],
    ]
    assert len({line.index("on-demand") for line in told[1:]}) == 1


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ([CAPACITY], True),
        # A zone that has no such type is no reason to stay, nor to go.
        ([CAPACITY, "Unsupported"], True),
        (["Unsupported"], False),
        # With a larger quota this region may have had a host.
        ([CAPACITY, "VcpuLimitExceeded"], False),
        (["VcpuLimitExceeded"], False),
        ([], False),
    ],
)
def test_only_a_lack_of_capacity_leads_to_another_region(codes: list[str], expected: bool) -> None:
    assert launch_ladder.leads_on([attempt("g4dn.xlarge", "", code) for code in codes]) is expected


def test_what_was_not_launched_beside_others_is_named() -> None:
    some = attempt("g4dn.xlarge", "us-east-1a") | {"launched": "2 of 3 were launched"}
    first, row = launch_ladder.refusal([some], ["cleo"]).splitlines()
    assert "1 launches were refused, and cleo could not be launched; run the same command again later" in first
    assert row.endswith("(2 of 3 were launched)")


@pytest.mark.parametrize(
    ("code", "expected"), [(CAPACITY, True), ("VcpuLimitExceeded", True), ("UnauthorizedOperation", False)]
)
def test_what_is_worth_another_call(code: str, expected: bool) -> None:
    assert launch_ladder.climbs(code) is expected

"""The board of a deployment: a line for each host, readable for one and for fifty."""

from __future__ import annotations

from typing import Any

from ansible_collections.gpulab.core.plugins.filter.status_board import status_board


def host(name: str, state: str = "running", address: str = "203.0.113.9") -> dict[str, Any]:
    price = {"stopped_usd_per_hour": 0.011}
    return {"name": name, "state": state, "address": address, "status_checks": "2/2", "price": price}


def told(**other: Any) -> dict[str, Any]:
    return {
        "since": "2026-11-22T09:00:10Z",
        "deadline": "2026-11-22T10:50:00Z",
        "exact": True,
        "spent_usd": 0.5,
        "left_usd": 0.5,
        "left_seconds": 3420,
        "price_source": "price list of 2026-11-22",
        "guards": {"stops_at": "2026-11-22T10:49:00Z", "alarm": "gpulab-x", "alarm_usd": 5.0},
        **other,
    }


def test_a_line_says_everything_of_a_host() -> None:
    heading, line, prices = status_board([host("gpulab")], {"gpulab": told()})
    assert line.split() == [
        *("gpulab", "running", "2026-11-22T09:00Z", "203.0.113.9", "2/2", "2026-11-22T10:49Z"),
        *("$5.00", "$0.50", "$0.50", "0.9", "$0.26"),
    ]
    assert len(heading.split()) == len(line.split())
    assert prices == "Prices by the price list of 2026-11-22; a stopped host pays for its disk alone."


def test_a_host_that_nothing_stops_and_one_that_is_off() -> None:
    bare = {"stops_at": "", "alarm": "", "alarm_usd": None}
    guarded = {
        "anna": told(guards=bare),
        "bela": told(guards=bare, deadline="", exact=False, price_source="table of 2026-07-20"),
    }
    _, anna, bela, prices = status_board([host("anna"), host("bela", "stopped", "")], guarded)
    assert "NEVER" in anna
    assert bela.split()[3:8] == ["-", "-", "-", "none", "<=$0.50"]
    assert "the price list of 2026-11-22 and the table of 2026-07-20" in prices


def test_students_have_a_column_where_they_are_known() -> None:
    fleet = [{"name": "s1", "student": "Anna Meier"}, {"name": "s2", "student": ""}]
    hosts = [host("s1"), host("s2"), host("s3")]
    heading, *lines, _ = status_board(hosts, {one["name"]: told() for one in hosts}, fleet)
    assert heading.split()[1] == "student"
    assert "Anna Meier" in lines[0]
    assert len({line.index("running") for line in lines}) == 1, "the columns are aligned"


def test_fifty_hosts_are_fifty_lines_and_none_is_none() -> None:
    hosts = [host(f"s{n}") for n in range(50)]
    assert len(status_board(hosts, {one["name"]: told() for one in hosts})) == 52
    assert [line.split()[0] for line in status_board(hosts[::-1], {})[1:51]] == [f"s{n}" for n in range(50)]
    assert status_board([], {}) == []


def test_a_host_that_came_between_two_looks_is_there() -> None:
    heading, line = status_board([host("new")], {})
    assert line.split()[:2] == ["new", "running"]
    assert len(heading.split()) == len(line.split())

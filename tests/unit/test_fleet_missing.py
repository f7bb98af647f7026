"""What is told in the end of hosts that are not as they should be."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpulab.core.plugins.module_utils.fleet_missing import missing


def host(name: str, **changes: Any) -> dict[str, Any]:
    return {"name": name, "id": f"i-{name}", "state": "running", "status_checks": "2/2", "reason": ""} | changes


def told(*found: dict[str, Any], plan: dict[str, Any] | None = None, **known: Any) -> list[str]:
    """What is told of the one host anna, who was launched in this run."""
    launched = {"launched": [{"name": "anna"}], "hosts": [], "refusals": []} | (plan or {})
    known = {"refused": {}, "listed": ["anna"], "guards": {}} | known
    return missing(["anna"], found, ["i-anna"], launched, **known)


def test_a_host_that_is_as_it_should_be_is_not_told_of() -> None:
    assert told(host("anna")) == []
    assert told(host("anna"), guards={"anna": {"timer_active": True}}) == []
    assert told(host("anna"), host("ben", state="stopped")) == [], "of others of the deployment nothing was asked"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"state": "stopped", "reason": "User initiated"},
            "(i-anna) is stopped and should be running (User initiated): run",
        ),
        ({"state": "stopping"}, "(AWS gives no reason): run the same command again to start it."),
        ({"state": "terminated"}, "run the same command again to get another."),
        ({"status_checks": "1/2"}, "(i-anna) runs and costs money, but passed only 1/2 of its status checks"),
    ],
)
def test_what_aws_says_of_a_host_is_told_with_what_to_do(changes: dict[str, str], words: str) -> None:
    (sentence,) = told(host("anna", **changes))
    assert sentence.startswith("Host anna ")
    assert words in sentence


def test_a_host_that_is_gone_is_told_apart_from_one_that_never_was() -> None:
    assert told() == [
        "Host anna was launched, and AWS does not list it any more: run the same command again to get another."
    ]
    assert told(plan={"launched": [], "refusals": ["AWS has no host free."]}) == [
        "Host anna was not launched.",
        "AWS has no host free.",
    ]


def test_a_host_of_no_use_is_told_though_aws_finds_it_well() -> None:
    assert "but the inventory does not list it" in told(host("anna"), listed=[])[0]
    assert "its own timer does not run" in told(host("anna"), guards={"anna": {"timer_active": False}})[0]
    assert told(host("anna", state="stopped"), refused={"anna": "Its budget is spent."}) == ["Its budget is spent."]

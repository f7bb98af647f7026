"""Fault rules: which calls they meet, how often, and what cannot be a rule."""

from __future__ import annotations

from typing import Any

import pytest

from rehearsal.faults import Faults, Rule, parse


@pytest.mark.parametrize(
    ("rule", "action", "text", "expected"),
    [
        (Rule("RunInstances"), "RunInstances", "", True),
        (Rule("Run"), "RunInstances", "", False),
        (Rule("Run.*|Start.*"), "StartInstances", "", True),
        (Rule("RunInstances", match="InstanceType=g4dn"), "RunInstances", "a=b&InstanceType=g4dn.xlarge", True),
        (Rule("RunInstances", match="^InstanceType"), "RunInstances", "a=b&InstanceType=g4dn.xlarge", False),
        (Rule("RunInstances", times=0), "RunInstances", "", False),
    ],
)
def test_a_rule_matches_the_whole_action_and_any_part_of_the_request(
    rule: Rule, action: str, text: str, expected: bool
) -> None:
    assert rule.applies(action, text) is expected


def test_rules_are_used_up_oldest_first() -> None:
    faults = Faults()
    faults.add(parse({"action": "Run.*", "code": "First", "times": 2}))
    faults.add(parse({"action": "RunInstances", "code": "Second"}))
    taken = [faults.take("RunInstances", "") for _ in range(4)]
    assert [rule.code if rule else None for rule in taken] == ["First", "First", "Second", None]
    assert [rule["times"] for rule in faults.listed()] == [0, 0]


def test_an_unmatched_call_uses_nothing_up() -> None:
    faults = Faults()
    faults.add(parse({"action": "RunInstances"}))
    assert faults.take("DescribeInstances", "") is None
    assert faults.listed()[0]["times"] == 1
    faults.clear()
    assert faults.take("RunInstances", "") is None


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (None, "action"),
        ({"code": "x"}, "action"),
        ({"action": "("}, "regular expression"),
        ({"action": "x", "match": "["}, "regular expression"),
        ({"action": "x", "tiems": 3}, "tiems"),
        ({"action": "x", "times": "3"}, "times"),
        ({"action": "x", "times": True}, "times"),
        ({"action": "x", "seconds": "1"}, "seconds"),
        ({"action": "x", "mode": "explode"}, "error, drop, delay"),
    ],
)
def test_what_is_no_rule_is_refused_by_name(value: Any, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        parse(value)


def test_seconds_may_be_whole_or_broken() -> None:
    assert [parse({"action": "x", "seconds": one}).seconds for one in (1, 0.5)] == [1, 0.5]

"""preflight_plan: each check's row when all is well, when it stops a launch, and when it could not be made."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import launch_answer, preflight_plan, text_table
from ansible_collections.gpulab.core.plugins.module_utils.launch_plan import Problem
from ansible_collections.gpulab.core.plugins.module_utils.preflight_plan import Refusal, Row, halves, stopping

from tests.unit.test_launch_offer import quota, request, whole

SUBNETS = [{"id": "subnet-1", "zone": "us-east-1a", "free": 4, "public": True}]
CALLER = {"Account": "123456789012", "Arn": "arn:aws:iam::123456789012:user/anna"}


def asked(**changes: Any) -> dict[str, Any]:
    return request(**{"gpu_profile": "modern", **changes})


def found(**changes: Any) -> dict[str, Any]:
    more = {"skew": 2.0, "region_status": "opted-in", "subnets": SUBNETS, "dry_runs": {"RunInstances": "allowed"}}
    more["guards"] = []
    return whole(**{"caller": CALLER, "image": {"id": "ami-1", "name": "DLAMI"}, **more, **changes})


def rows(
    evidence: dict[str, Any], refusals: dict[str, Refusal] | None = None, problems: list[Problem] | None = None
) -> dict[str, Row]:
    judged = launch_answer.judge(asked(), evidence) if evidence["caller"] else None
    answer = launch_answer.plan(asked(), evidence, judged.offer) if judged and judged.offer.types else None
    made = preflight_plan.rows(asked(), evidence, refusals or {}, problems or [], answer)
    return {row.check: row for row in made}


def test_nothing_stops_where_all_is_well_and_every_check_says_what_it_saw() -> None:
    made = rows(found())
    assert stopping(list(made.values())) == []
    assert {row.state for row in made.values()} == {"ok"}
    assert all(row.found and row.needed and not row.fix for row in made.values())
    assert made["credentials"].found == "account ending in 9012, user/anna"
    assert made["budget"].found.startswith("$5 a host, 9.2 hours")


@pytest.mark.parametrize(
    ("change", "check", "state", "words"),
    [
        ({"skew": -900.0}, "clock", "stops", ["15 minutes behind AWS's", "timedatectl"]),
        ({"skew": None}, "clock", "unknown", ["date -u"]),
        ({"region_status": "not-opted-in"}, "region", "stops", ["not enabled", "aws account enable-region"]),
        ({"dry_runs": {"RunInstances": "denied"}}, "permissions", "stops", ["denied: RunInstances", "iam-policy.json"]),
        ({"dry_runs": {"RunInstances": "Strange"}}, "permissions", "unknown", ["RunInstances (Strange)"]),
        ({"guards": ["iam:CreateRole"]}, "guards", "stops", ["denied: iam:CreateRole", "iam-policy.json"]),
        ({"guards": "IAM would not say"}, "guards", "unknown", ["IAM would not say"]),
        ({"subnets": [dict(SUBNETS[0], free=0)]}, "network", "stops", ["0 free addresses", "gpu_subnet_id"]),
        ({"quotas": [quota(None)]}, "quota", "unknown", ["L-DB2E81BA could not be read", "GetServiceQuota"]),
    ],
)
def test_one_thing_is_wrong(change: dict[str, Any], check: str, state: str, words: list[str]) -> None:
    made = rows(found(**change))
    assert made[check].state == state
    assert [name for name, row in made.items() if row.state != "ok"] == [check]
    for word in words:
        assert word in " ".join(made[check])


def test_a_quota_that_is_too_small_says_what_to_type_and_what_is_pending() -> None:
    small = [quota(0, said="Request r1 is PENDING."), quota(0, "g5.xlarge")]
    row = rows(found(quotas=small), problems=[Problem("quota", "whatever")])["quota"]
    assert (row.state, row.fix) == ("stops", "ansible-playbook request-quota.yml")
    assert "0 vCPUs (L-DB2E81BA), 0 in use, 4 needed" in row.found
    assert row.found.endswith("Request r1 is PENDING")


def test_problems_of_one_check_share_its_row() -> None:
    problems = [Problem("access", "A is wrong: do this."), Problem("access", "B too: do that.")]
    row = rows(found(), problems=problems)["access"]
    assert (row.state, row.found, row.fix) == ("stops", "A is wrong; B too", "do this; do that")


def test_what_may_not_be_read_stops_and_is_not_called_missing() -> None:
    refused = Refusal("UnauthorizedOperation", "While looking, AWS answered X: ask for it.", "DescribeVpcs")
    made = rows(found(vpc_id=None), {"network": refused}, [Problem("network", "No VPC: make one.")])
    assert made["network"][1:] == ("stops", "While looking, AWS answered X", "1 free address", "ask for it")
    assert "DescribeVpcs" in made["permissions"].found


def test_without_credentials_one_row_stops_and_the_others_were_not_looked_at() -> None:
    nothing = found(caller=None, region_status=None, skew=None, subnets=[], dry_runs={}, quotas=[], prices=[])
    made = rows(nothing, {"caller": Refusal(None, "No AWS credentials were found: run `aws configure`.", "")})
    assert stopping(list(made.values())) == ["credentials"]
    assert made["credentials"].fix == "run `aws configure`"
    assert made["hosts"][1:3] == ("unknown", "not looked at")
    assert made["settings"].state == "ok"


def test_a_region_that_is_not_enabled_is_not_the_credentials_fault() -> None:
    refused = Refusal("InvalidClientTokenId", "While asking, AWS answered X: other credentials.", "GetCallerIdentity")
    made = rows(found(caller=None, region_status="not-opted-in", quotas=[], prices=[]), {"caller": refused})
    assert stopping(list(made.values())) == ["region"]
    assert made["credentials"].state == "unknown"


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("A is wrong: do this.", ("A is wrong", "do this")),
        ("A (of: x) is wrong: say '{\"a\": 1}'.", ("A (of: x) is wrong", "say '{\"a\": 1}'")),
        ("A is wrong.", ("A is wrong.", "")),
    ],
)
def test_a_sentence_has_two_halves(sentence: str, expected: tuple[str, str]) -> None:
    assert halves(sentence) == expected


def test_the_table_lines_up_and_marks_what_stops() -> None:
    made = [
        Row("quota", "stops", "0 vCPUs, " * 8, "4", "ansible-playbook request-quota.yml"),
        Row("AMI", "ok", "x", "y"),
    ]
    lines = preflight_plan.lines(made)
    assert lines[1].startswith("! quota")
    assert lines[-1].startswith("  AMI")
    column = lines[0].index("needed")
    assert lines[1][column:].startswith("4  ")
    assert lines[-1][column:] == "y"
    assert len(lines) > 3, "a long cell goes on in the next line"
    assert max(map(len, lines)) <= sum(preflight_plan.WIDEST) + 6


def test_a_table_keeps_a_long_word_whole() -> None:
    assert text_table.lines([("a", "b"), ("x" * 9, "y")], (4, 4)) == ["a          b", "xxxxxxxxx  y"]

"""quota_plan, quota_request and their evidence: tables of quotas, readings, histories, and what follows from them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import quota_evidence
from ansible_collections.gpulab.core.plugins.module_utils.ec2_calls import Stop
from ansible_collections.gpulab.core.plugins.module_utils.gpu_catalogue import GPU_TYPES
from ansible_collections.gpulab.core.plugins.module_utils.quota_plan import (
    MARKETS,
    Quota,
    find_by_name,
    judge,
    known_vcpus,
    quota_for,
    vcpus_in_use,
)
from ansible_collections.gpulab.core.plugins.module_utils.quota_request import (
    plan_request,
    request_sentence,
    use_case,
)
from ansible_collections.gpulab.core.plugins.modules import service_quota
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

G = Quota("L-DB2E81BA", "Running On-Demand G and VT instances", "on-demand")
P6_SPOT = Quota(None, "All P6 Spot Instance Requests", "spot")


@pytest.mark.parametrize(
    ("kind", "market", "code"),
    [
        ("g4dn.xlarge", "on-demand", "L-DB2E81BA"),
        ("g2.2xlarge", "on-demand", "L-DB2E81BA"),
        ("gr6f.4xlarge", "on-demand", "L-DB2E81BA"),
        ("g6e.xlarge", "spot", "L-3819A6DF"),
        ("p2.xlarge", "on-demand", "L-417A185B"),
        ("p6-b200.48xlarge", "on-demand", "L-417A185B"),
        ("p3.2xlarge", "spot", "L-7212CCBC"),
        ("p4de.24xlarge", "spot", "L-7212CCBC"),
        ("p5en.48xlarge", "spot", "L-C4BD4855"),
        ("p6-b300.48xlarge", "spot", None),
        ("t3.micro", "on-demand", "L-1216C47A"),
        ("is4gen.medium", "spot", "L-34B43A08"),
    ],
)
def test_the_quota_of_a_type(kind: str, market: str, code: str | None):
    assert quota_for(kind, market).code == code


def test_families_of_other_quotas_have_none_here():
    assert [
        quota_for(kind) for kind in ("inf2.xlarge", "trn1.2xlarge", "mac1.metal", "dl1.24xlarge", "x1.16xlarge")
    ] == [None] * 5


def test_every_type_of_the_catalogue_has_a_quota_in_both_markets():
    assert [(kind, m) for kind in GPU_TYPES for m in MARKETS if quota_for(kind, m) is None] == []


def test_p6_spot_is_found_by_either_name_and_by_no_other():
    def listed(name: str) -> list[dict[str, Any]]:
        return [{"QuotaName": "All P5 Spot Instance Requests"}, {"QuotaName": name}]

    assert quota_for("p6-b200.48xlarge", "spot") == P6_SPOT
    for name in ("All P6 Spot Instance Requests", "All P Spot Instance Requests"):
        assert find_by_name(P6_SPOT, listed(name)) == {"QuotaName": name}
    assert find_by_name(P6_SPOT, listed("All P7 Spot Instance Requests")) is None


def test_what_counts_is_running_and_of_the_class_and_market():
    def one(kind: str, state: str = "running", market: str = "on-demand") -> dict[str, str]:
        return {"type": kind, "state": state, "market": market}

    instances = [
        one("g4dn.xlarge"),
        one("g5.2xlarge", "pending"),
        one("g4dn.xlarge", "stopped"),
        one("g4dn.xlarge", "stopping"),
        one("g4dn.xlarge", market="spot"),
        one("p5.48xlarge"),
    ]
    assert vcpus_in_use(G, instances, known_vcpus(one["type"] for one in instances)) == 4 + 8


def judged(value: float | None, in_use: int = 0, count: int = 2, **reading: str) -> dict[str, Any]:
    given_reading = {"value": value, "source": "unknown" if value is None else "applied", **reading}
    return judge(G, given_reading, in_use, {"type": "g4dn.xlarge", "vcpus": 4, "count": count}, "us-east-1")


@pytest.mark.parametrize(
    ("value", "in_use", "count", "enough", "words"),
    [
        (0, 0, 2, False, ["0 vCPUs, 0 in use, room for 0 notebooks", "wanted: 2 notebooks of g4dn.xlarge, 8 vCPUs"]),
        (8, 0, 2, True, ["8 vCPUs, 0 in use, room for 2 notebooks of g4dn.xlarge", "fits."]),
        (11, 4, 2, False, ["room for 1 notebook of g4dn.xlarge", "ask AWS for 12 vCPUs with ansible-playbook"]),
        (4, 8, 0, True, ["room for 0 notebooks", "what is wanted runs already."]),
    ],
)
def test_a_quota_that_could_be_read(value: float, in_use: int, count: int, enough: bool, words: list[str]):
    found = judged(value, in_use, count)
    assert (found["applied"], found["enough"], found["needed"]) == (value, enough, 4 * count)
    for word in [*words, G.name, f"({G.code}) in us-east-1"]:
        assert word in found["sentence"]
    assert found["sentence"].startswith(found["found"])


def test_a_default_is_called_one():
    assert "AWS's default" in judged(0, source="default")["sentence"]


@pytest.mark.parametrize("count", [0, 1])
def test_what_could_not_be_read_is_neither_enough_nor_zero(count: int):
    found = judged(None, count=count, why="AccessDeniedException")
    assert (found["applied"], found["enough"]) == (None, None)
    for word in ("AccessDeniedException", "so it is unknown", "servicequotas:GetServiceQuota"):
        assert word in found["sentence"]
    assert plan_request(found, [], 8)["action"] == "unknown"


@given(value=st.integers(0, 500), in_use=st.integers(0, 500), count=st.integers(0, 99))
def test_what_is_asked_for_is_enough_and_is_more(value: int, in_use: int, count: int):
    found = judged(value, in_use, count)
    plan = plan_request(found, [])
    assert (plan["action"] == "none") is found["enough"]
    if plan["action"] == "ask":
        assert plan["desired"] > value
        assert judged(plan["desired"], in_use, count)["enough"]


def request(status: str = "PENDING", desired: float = 8, created: str = "2026-11-22T09:00:00Z") -> dict[str, Any]:
    return {"id": "r1", "case": "", "code": G.code, "desired": desired, "status": status, "created": created}


@pytest.mark.parametrize(
    ("history", "desired", "again", "action", "words"),
    [
        ([], None, False, "ask", ["AWS is to be asked for 8 vCPUs."]),
        ([], 32, False, "ask", ["32 vCPUs"]),
        ([], 4, False, "none", ["Nothing needs to be asked for."]),
        ([request()], None, False, "wait", ["is PENDING", "Run the same command later"]),
        ([request("CASE_OPENED")], None, True, "wait", ["is CASE_OPENED"]),
        ([request(desired=6)], None, False, "wait", ["less than the 8 wanted now", "support case"]),
        ([request("DENIED")], None, False, "refused", ["is DENIED", "-e quota_again=true"]),
        ([request("DENIED")], None, True, "ask", ["is DENIED", "asked for 8"]),
        ([request("DENIED", desired=64)], None, False, "ask", []),
        ([request("CASE_CLOSED"), request("APPROVED", created="2026-11-23T0")], None, False, "ask", ["APPROVED"]),
        ([request("APPROVED"), request(created="2026-11-23T0")], None, False, "wait", ["2026-11-23"]),
    ],
)
def test_the_plan_follows_from_the_history(
    history: list[dict[str, Any]], desired: int | None, again: bool, action: str, words: list[str]
):
    plan = plan_request(judged(4), history, desired, again)
    assert plan["action"] == action
    for word in words:
        assert word in plan["sentence"]


def test_an_approved_request_is_told_when_nothing_is_needed():
    plan = plan_request(judged(8), [request("APPROVED")])
    assert plan["action"] == "none"
    assert request_sentence(request("APPROVED")) in plan["sentence"]


def test_the_use_case_names_hosts_region_and_quota():
    text = use_case(judged(0), "eu-west-1")
    for word in ("2 notebooks of g4dn.xlarge (4 vCPUs each)", "eu-west-1", G.name):
        assert word in text


class Client:
    """A stand-in for boto3's client: each operation answers with the next of its prepared answers, or raises it."""

    def __init__(self, **answers: list[Any]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def __getattr__(self, operation: str) -> Any:
        def answer(**_: Any) -> Any:
            self.asked.append(operation)
            found = self.answers[operation].pop(0)
            if isinstance(found, str):
                raise ClientError({"Error": {"Code": found, "Message": "(words)"}}, operation)
            return found

        return answer


@pytest.mark.parametrize("code", ["AccessDeniedException", "TooManyRequestsException", "ThrottlingException"])
def test_a_refused_question_is_unknown(code: str):
    quota, reading = quota_evidence.read_quota(Client(get_service_quota=[code]), G)
    assert (quota, reading) == (G, {"value": None, "source": "unknown", "why": code})
    history = Client(list_requested_service_quota_change_history_by_quota=[code])
    assert quota_evidence.read_history(history, G) == []


def test_other_refusals_end_the_run():
    with pytest.raises(Stop, match="renew them"):
        quota_evidence.read_quota(Client(get_service_quota=["ExpiredTokenException"]), G)


def test_without_a_value_of_its_own_the_account_has_the_default():
    client = Client(
        get_service_quota=["NoSuchResourceException"], get_aws_default_service_quota=[{"Quota": {"Value": 0.0}}]
    )
    assert quota_evidence.read_quota(client, G) == (G, {"value": 0.0, "source": "default"})
    gone = Client(
        get_service_quota=["NoSuchResourceException"], get_aws_default_service_quota=["AccessDeniedException"]
    )
    assert quota_evidence.read_quota(gone, G)[1]["source"] == "unknown"


def test_a_quota_without_a_code_gets_it_by_its_name():
    item = {"QuotaName": P6_SPOT.name, "QuotaCode": "L-1", "Value": 192.0}
    pages = [{"Quotas": [], "NextToken": "more"}, {"Quotas": [item]}]
    quota, reading = quota_evidence.read_quota(Client(list_service_quotas=pages), P6_SPOT)
    assert (quota.code, reading) == ("L-1", {"value": 192.0, "source": "applied"})
    quota, reading = quota_evidence.read_quota(Client(list_service_quotas=[{"Quotas": []}]), P6_SPOT)
    assert (quota.code, reading["value"]) == (None, None)


def aws_request(status: str) -> dict[str, Any]:
    return {"Id": "r1", "QuotaCode": G.code, "DesiredValue": 8.0, "Status": status}


def test_a_request_that_another_run_made_first_is_the_one():
    client = Client(
        request_service_quota_increase=["ResourceAlreadyExistsException"],
        list_requested_service_quota_change_history_by_quota=[{"RequestedQuotas": [aws_request("PENDING")]}],
    )
    found, changed = service_quota.ask(client, G, 8)
    assert (found["id"], changed) == ("r1", False)
    with pytest.raises(Stop, match="IllegalArgumentException"):
        service_quota.ask(Client(request_service_quota_increase=["IllegalArgumentException"]), G, 8)


@pytest.mark.parametrize(("last", "ends"), [("APPROVED", ""), ("DENIED", "is DENIED"), ("PENDING", "nothing is lost")])
def test_waiting_ends_with_the_answer_or_with_the_time(monkeypatch: pytest.MonkeyPatch, last: str, ends: str):
    clock = [0.0]
    monkeypatch.setattr(service_quota.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(service_quota.time, "sleep", lambda seconds: clock.__setitem__(0, clock[0] + seconds))
    # What cannot be read for once is looked for again.
    seen = [{"RequestedQuotas": [aws_request(status)]} for status in ("CASE_OPENED", last)]
    client = Client(list_requested_service_quota_change_history_by_quota=["ThrottlingException", *seen])
    if not ends:
        assert service_quota.wait(client, G, request(), 180, 60)["status"] == "APPROVED"
        return
    with pytest.raises(Stop, match=ends):
        service_quota.wait(client, G, request(), 180, 60)
    assert (len(client.asked), clock[0]) == (3, 180)

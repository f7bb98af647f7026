"""Service Quotas and the vCPU limit of the embedded AWS, through boto3."""

from __future__ import annotations

import urllib.error
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.amazon.aws.plugins.module_utils.retries import RetryingBotoClientWrapper
from ansible_collections.gpulab.core.plugins.module_utils.ec2_calls import Stop
from ansible_collections.gpulab.core.plugins.module_utils.quota_evidence import survey

from rehearsal import catalogue, quotas
from rehearsal.clock import Clock
from tests.unit.rehearsal.lab import Lab, described, launch, refusal

G, G_SPOT, P, STANDARD = "L-DB2E81BA", "L-3819A6DF", "L-417A185B", "L-1216C47A"
DAY = 24 * 3600


def set_quota(lab: Lab, value: float | None, code: str = G, **more: Any) -> None:
    lab.control("/_rehearsal/quotas", "POST", {"code": code, "value": value, **more})


@pytest.mark.parametrize(
    ("kind", "market", "name"),
    [
        ("g4dn.xlarge", "on-demand", "Running On-Demand G and VT instances"),
        ("gr6f.4xlarge", "spot", "All G and VT Spot Instance Requests"),
        ("p6-b200.48xlarge", "on-demand", "Running On-Demand P instances"),
        ("p4de.24xlarge", "spot", "All P4, P3 and P2 Spot Instance Requests"),
        ("p5en.48xlarge", "spot", "All P5 Spot Instance Requests"),
        ("p6-b300.48xlarge", "spot", "All P6 Spot Instance Requests"),
        ("t3.micro", "on-demand", "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances"),
        ("inf2.xlarge", "on-demand", "Running On-Demand Inf instances"),
        ("mac1.metal", "on-demand", None),
    ],
)
def test_each_type_counts_against_one_quota(kind: str, market: str, name: str | None) -> None:
    found = quotas.quota_for(kind, market)
    assert (found.name if found else None) == name


def test_every_gpu_type_has_a_quota_in_both_markets() -> None:
    assert [
        (one.name, m)
        for one in catalogue.gpu_types()
        for m in ("on-demand", "spot")
        if quotas.quota_for(one.name, m) is None
    ] == []


def test_a_request_lives_by_the_clock_alone() -> None:
    clock = Clock()
    state = quotas.Quotas(clock)
    state.set({"code": G, "value": 0})
    made = state.ask("us-east-1", G, 8)
    seen = [made.status(made.created + timedelta(hours=hours))[0] for hours in (0, 0.1, 0.2, 23.9, 24, 100)]
    assert seen == ["PENDING", "PENDING", "CASE_OPENED", "CASE_OPENED", "APPROVED", "APPROVED"]
    clock.advance(DAY)
    assert state.listed()[G] == 8
    state.set({"code": G, "value": 2})
    assert state.listed()[G] == 2, "what was granted is granted once"


def test_quotas_read_as_aws_tells_them(lab: Lab) -> None:
    client = lab.client("service-quotas", "eu-west-1")
    applied = client.get_service_quota(ServiceCode="ec2", QuotaCode=G)["Quota"]
    assert applied["QuotaName"] == "Running On-Demand G and VT instances"
    assert applied["QuotaArn"] == f"arn:aws:servicequotas:eu-west-1:123456789012:ec2/{G}"
    assert (applied["Unit"], applied["Adjustable"], applied["Value"] >= 64) == ("None", True, True)
    default = client.get_aws_default_service_quota(ServiceCode="ec2", QuotaCode=STANDARD)["Quota"]
    assert (default["Value"], default["QuotaArn"]) == (5.0, f"arn:aws:servicequotas:eu-west-1::ec2/{STANDARD}")
    set_quota(lab, 0, region="eu-west-1")
    assert client.get_service_quota(ServiceCode="ec2", QuotaCode=G)["Quota"]["Value"] == 0
    assert lab.client("service-quotas").get_service_quota(ServiceCode="ec2", QuotaCode=G)["Quota"]["Value"] > 0
    set_quota(lab, None, region="eu-west-1")
    get = client.get_service_quota
    assert refusal(lambda: get(ServiceCode="ec2", QuotaCode=G))[0] == "NoSuchResourceException"
    assert refusal(lambda: get(ServiceCode="ec2", QuotaCode="L-0"))[0] == "NoSuchResourceException"
    assert refusal(lambda: get(ServiceCode="EC2", QuotaCode=G))[0] == "NoSuchResourceException"
    # vpc's remain moto's.
    assert get(ServiceCode="vpc", QuotaCode="L-F678F1CE")["Quota"]["Value"] == 5
    lab.control("/_rehearsal/quotas", "DELETE")
    assert get(ServiceCode="ec2", QuotaCode=G)["Quota"] == applied


def test_lists_come_in_pages(lab: Lab) -> None:
    client = lab.client("service-quotas")
    pages = list(
        client.get_paginator("list_service_quotas").paginate(ServiceCode="ec2", PaginationConfig={"PageSize": 7})
    )
    assert [len(page["Quotas"]) for page in pages] == [7, 7, len(quotas.table()) - 14]
    names = {one["QuotaName"]: one["QuotaCode"] for page in pages for one in page["Quotas"]}
    assert names["All P6 Spot Instance Requests"]
    defaults = client.list_aws_default_service_quotas(ServiceCode="ec2")["Quotas"]
    assert {one["QuotaCode"] for one in defaults} == set(names.values())
    code, _ = refusal(lambda: client.list_service_quotas(ServiceCode="ec2", NextToken="else"))
    assert code == "InvalidPaginationTokenException"


def test_a_request_from_pending_to_a_launch(lab: Lab) -> None:
    client, ec2 = lab.client("service-quotas"), lab.client("ec2")
    set_quota(lab, 0)

    def ask(value: float) -> dict[str, Any]:
        found: dict[str, Any] = client.request_service_quota_increase(
            ServiceCode="ec2", QuotaCode=G, DesiredValue=value
        )["RequestedQuota"]
        return found

    assert refusal(lambda: ask(0))[0] == "IllegalArgumentException"
    made = ask(4)
    assert (made["Status"], made["DesiredValue"], made["QuotaCode"]) == ("PENDING", 4.0, G)
    assert abs(made["Created"] - datetime.now(UTC)) < timedelta(hours=1)
    told = refusal(lambda: ask(8))
    assert told[0] == "ResourceAlreadyExistsException"
    assert "Only one open service quota increase request" in told[1]
    lab.control("/_rehearsal/clock", "POST", {"advance_seconds": 1200})
    now = client.get_requested_service_quota_change(RequestId=made["Id"])["RequestedQuota"]
    assert (now["Status"], bool(now["CaseId"])) == ("CASE_OPENED", True)
    assert refusal(lambda: launch(ec2))[0] == "VcpuLimitExceeded"
    lab.control("/_rehearsal/clock", "POST", {"advance_seconds": DAY})
    history = client.list_requested_service_quota_change_history_by_quota(ServiceCode="ec2", QuotaCode=G)
    assert [one["Status"] for one in history["RequestedQuotas"]] == ["APPROVED"]
    launch(ec2)
    ask(8)
    listed = client.list_requested_service_quota_change_history(ServiceCode="ec2")["RequestedQuotas"]
    assert [one["Status"] for one in listed] == ["PENDING", "APPROVED"]
    opened = client.list_requested_service_quota_change_history(Status="PENDING")["RequestedQuotas"]
    assert [one["DesiredValue"] for one in opened] == [8.0]
    get = client.get_requested_service_quota_change
    assert refusal(lambda: get(RequestId="0"))[0] == "NoSuchResourceException"


def test_the_policy_names_the_actions_of_service_quotas(lab: Lab) -> None:
    client = lab.client("service-quotas")
    client.get_service_quota(ServiceCode="ec2", QuotaCode=G)
    client.request_service_quota_increase(ServiceCode="ec2", QuotaCode=G, DesiredValue=1000)
    assert [(c["action"], c["write"]) for c in lab.control("/_rehearsal/calls")] == [
        ("GetServiceQuota", False),
        ("RequestServiceQuotaIncrease", True),
    ]
    statements = lab.control("/_rehearsal/iam-policy")["Statement"]
    assert sorted(action for statement in statements for action in statement["Action"]) == [
        "iam:CreateServiceLinkedRole",  # by the first request of an account
        "servicequotas:GetServiceQuota",
        "servicequotas:RequestServiceQuotaIncrease",
    ]


def test_running_vcpus_of_the_class_count_and_no_others(lab: Lab) -> None:
    ec2 = lab.client("ec2")
    set_quota(lab, 8)
    first = launch(ec2)["InstanceId"]
    code, words = refusal(lambda: launch(ec2, InstanceType="g4dn.2xlarge"))
    assert code == "VcpuLimitExceeded"
    assert "than your current vCPU limit of 8 allows for the instance bucket" in words
    launch(ec2, InstanceType="t3.large")
    second = launch(ec2, InstanceType="g5.xlarge")["InstanceId"]
    assert refusal(lambda: launch(ec2))[0] == "VcpuLimitExceeded"
    ec2.stop_instances(InstanceIds=[first])
    third = launch(ec2)["InstanceId"]
    assert refusal(lambda: ec2.start_instances(InstanceIds=[first]))[0] == "VcpuLimitExceeded"
    assert described(ec2, first)["State"]["Name"] == "stopped"
    ec2.start_instances(InstanceIds=[third])
    ec2.terminate_instances(InstanceIds=[second])
    ec2.start_instances(InstanceIds=[first])
    assert refusal(lambda: launch(ec2, DryRun=True))[0] == "DryRunOperation"


def test_spot_has_a_quota_of_its_own(lab: Lab) -> None:
    ec2 = lab.client("ec2")
    set_quota(lab, 0)
    set_quota(lab, 4, G_SPOT)
    spot = {"InstanceMarketOptions": {"MarketType": "spot"}}
    made = launch(ec2, **spot)
    assert described(ec2, made["InstanceId"])["InstanceLifecycle"] == "spot"
    assert refusal(lambda: launch(ec2, **spot)) == ("MaxSpotInstanceCountExceeded", "Max spot instance count exceeded")
    assert refusal(lambda: launch(ec2))[0] == "VcpuLimitExceeded"


def test_several_at_once_are_as_many_as_there_is_room_for(lab: Lab) -> None:
    ec2 = lab.client("ec2")
    set_quota(lab, 10)
    assert refusal(lambda: launch(ec2, MinCount=3, MaxCount=3))[0] == "VcpuLimitExceeded"
    launch(ec2, MinCount=1, MaxCount=5)
    assert len([i for r in ec2.describe_instances()["Reservations"] for i in r["Instances"]]) == 2


def test_a_repeated_launch_is_answered_though_the_quota_is_used_up(lab: Lab) -> None:
    ec2 = lab.client("ec2")
    set_quota(lab, 4)
    assert launch(ec2, ClientToken="t")["InstanceId"] == launch(ec2, ClientToken="t")["InstanceId"]


@pytest.mark.parametrize("value", [None, [], {"code": G}, {"code": "L-0", "value": 1}, {"code": G, "value": True},
                                   {"code": G, "value": -1}, {"code": G, "value": 1, "zone": "a"}])  # fmt: skip
def test_what_cannot_be_meant_is_refused(lab: Lab, value: Any) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        lab.control("/_rehearsal/quotas", "POST", value)
    assert caught.value.code == 400
    assert b"quota" in caught.value.read()


class Module:
    """What survey() needs of an AnsibleAWSModule."""

    region = "us-east-1"

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    def client(self, service: str, retry_decorator: Any) -> Any:
        return RetryingBotoClientWrapper(self._lab.client(service), retry_decorator)


def test_our_evidence_from_these_answers(lab: Lab) -> None:
    ec2, module = lab.client("ec2"), Module(lab)
    tags = [{"Key": "gpulab:deployment", "Value": "mine"}]
    launch(ec2, TagSpecifications=[{"ResourceType": "instance", "Tags": tags}])
    launch(ec2, InstanceType="g4ad.xlarge")
    launch(ec2, InstanceType="t3.large")
    set_quota(lab, None, P)
    found = [judgement for judgement, _ in survey(module, ["g5.2xlarge", "g4dn.xlarge", "p5.4xlarge"], "on-demand", 2)]
    assert [
        (one["code"], one["source"], one["applied"], one["in_use"], one["needed"], one["enough"]) for one in found
    ] == [
        (G, "applied", 256.0, 8, 16, True),
        (P, "default", 0.0, 0, 32, False),
    ]
    ((mine, history),) = survey(module, ["g4dn.xlarge"], "on-demand", 1, "mine")
    assert (mine["needed"], mine["enough"], history) == (0, True, [])
    ((spot, _),) = survey(module, ["p6-b200.48xlarge"], "spot", 1)
    assert (spot["name"], spot["applied"], spot["enough"]) == ("All P6 Spot Instance Requests", 192.0, True)
    with pytest.raises(Stop, match="vCPU quota inf2"):
        survey(module, ["inf2.xlarge"], "on-demand", 1)

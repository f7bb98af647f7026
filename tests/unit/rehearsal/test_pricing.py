"""The Pricing API and the spot prices of the embedded AWS, asked by boto3."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rehearsal import price_list, spot_prices
from tests.unit.rehearsal.lab import Lab, refusal

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def match(**fields: str) -> list[dict[str, str]]:
    return [{"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in fields.items()]


def products(lab: Lab, service: str = "AmazonEC2", **fields: str) -> list[dict[str, Any]]:
    answer = lab.client("pricing").get_products(ServiceCode=service, Filters=match(**fields))
    assert answer["FormatVersion"] == "aws_v1"
    return [json.loads(text) for text in answer["PriceList"]]


def usd(product: dict[str, Any]) -> float:
    (term,) = product["terms"]["OnDemand"].values()
    (dimension,) = term["priceDimensions"].values()
    return float(dimension["pricePerUnit"]["USD"])


HOST = {
    "operatingSystem": "Linux",
    "tenancy": "Shared",
    "preInstalledSw": "NA",
    "capacitystatus": "Used",
    "marketoption": "OnDemand",
}


@pytest.mark.parametrize(
    ("kind", "region", "price"),
    [
        ("g4dn.xlarge", "us-east-1", 0.526),
        ("g4dn.xlarge", "eu-central-1", 0.658),
        ("g5.xlarge", "us-west-2", 1.006),
        ("g5.xlarge", "eu-west-1", 1.122665),
        ("p5.48xlarge", "us-east-1", 55.04),
        ("p2.xlarge", "us-east-1", 0.90),
    ],
)
def test_a_host_has_one_price(lab: Lab, kind: str, region: str, price: float) -> None:
    (found,) = products(lab, instanceType=kind, regionCode=region, **HOST)
    assert usd(found) == price
    assert found["product"]["productFamily"] == "Compute Instance"
    assert found["publicationDate"] == "2026-07-20T00:00:00Z"
    sku = found["product"]["sku"]
    assert list(found["terms"]["OnDemand"]) == [f"{sku}.JRTCKXETXF"]


def test_without_the_filters_reservations_and_capacity_blocks_answer_too(lab: Lab) -> None:
    every = products(lab, instanceType="p5.48xlarge", regionCode="us-east-1")
    states = [(one["product"]["attributes"]["capacitystatus"], usd(one)) for one in every]
    assert states == [
        ("Used", 55.04),
        ("AllocatedCapacityReservation", 0),
        ("UnusedCapacityReservation", 55.04),
        ("Used", 0),
    ]
    assert len({one["product"]["sku"] for one in every}) == 4


@pytest.mark.parametrize(("kind", "region"), [("g6.xlarge", "eu-west-1"), ("g4dn.xlarge", "sa-east-1")])
def test_what_a_region_does_not_sell_has_no_price(lab: Lab, kind: str, region: str) -> None:
    assert products(lab, instanceType=kind, regionCode=region) == []


def test_disks_and_addresses_have_prices(lab: Lab) -> None:
    (disk,) = products(lab, productFamily="Storage", volumeApiName="gp3", location="EU (Ireland)")
    assert (usd(disk), disk["product"]["attributes"]["usagetype"]) == (0.088, "EU-EBS:VolumeUsage.gp3")
    addresses = products(lab, "AmazonVPC", regionCode="us-east-1", group="VPCPublicIPv4Address")
    usages = {one["product"]["attributes"]["usagetype"]: usd(one) for one in addresses}
    assert usages["USE1-PublicIPv4:InUseAddress"] == 0.005
    assert len(usages) == 3
    assert "productFamily" not in addresses[0]["product"]


@pytest.mark.parametrize(
    ("kind", "field", "value", "expected"),
    [
        ("TERM_MATCH", "ServiceCode", "AmazonVPC", 3),
        ("EQUALS", "usagetype", "USE1-PublicIPv4:IdleAddress", 1),
        ("CONTAINS", "usagetype", "PublicIPv4:I", 2),
        ("ANY_OF", "usagetype", "USE1-PublicIPv4:IdleAddress,none", 1),
        ("NONE_OF", "usagetype", "USE1-PublicIPv4:IdleAddress,none", 2),
        ("TERM_MATCH", "noSuchAttribute", "x", 0),
    ],
)
def test_every_type_of_filter_is_honoured(lab: Lab, kind: str, field: str, value: str, expected: int) -> None:
    filters = [*match(regionCode="us-east-1"), {"Type": kind, "Field": field, "Value": value}]
    answer = lab.client("pricing").get_products(ServiceCode="AmazonVPC", Filters=filters)
    assert len(answer["PriceList"]) == expected


def test_pages_add_up_and_a_token_is_good_for_its_own_request(lab: Lab) -> None:
    client = lab.client("pricing")
    pages = list(client.get_paginator("get_products").paginate(ServiceCode="AmazonEC2"))
    assert [len(page["PriceList"]) for page in pages[:-1]] == [100] * (len(pages) - 1)
    texts = [text for page in pages for text in page["PriceList"]]
    assert len(set(texts)) == len(texts) == len(price_list.products("AmazonEC2"))
    assert "NextToken" not in pages[-1]
    first = client.get_products(ServiceCode="AmazonVPC", MaxResults=1)
    for wrong in ({"ServiceCode": "AmazonEC2", "NextToken": first["NextToken"]}, {"NextToken": "no token"}):
        request = {"ServiceCode": "AmazonVPC", **wrong}
        assert refusal(lambda request=request: client.get_products(**request))[0] == "InvalidNextTokenException"


@pytest.mark.parametrize(
    "request_",
    [
        {"ServiceCode": "AmazonTea"},
        {"ServiceCode": "AmazonEC2", "MaxResults": 101},
        {"ServiceCode": "AmazonEC2", "Filters": [{"Type": "TERM_MATCH", "Field": "sku"}]},
        {"ServiceCode": "AmazonEC2", "Filters": [{"Type": "LIKE", "Field": "sku", "Value": "x"}]},
    ],
)
def test_a_wrong_request_is_refused(lab: Lab, request_: dict[str, Any]) -> None:
    assert refusal(lambda: lab.client("pricing").get_products(**request_))[0] == "InvalidParameterException"


def test_there_is_a_pricing_api_in_three_regions_only(lab: Lab) -> None:
    for region in ("us-east-1", "eu-central-1", "ap-south-1"):
        assert lab.client("pricing", region).describe_services(ServiceCode="AmazonVPC")["Services"]
    code, text = refusal(lambda: lab.client("pricing", "eu-west-1").describe_services())
    assert code == "UnrecognizedClientException"
    assert "eu-west-1" in text
    assert {call["iam"] for call in lab.control("/_rehearsal/calls")} == {"pricing:DescribeServices"}


def test_services_and_the_values_of_their_attributes_can_be_listed(lab: Lab) -> None:
    client = lab.client("pricing")
    services = {one["ServiceCode"]: one["AttributeNames"] for one in client.describe_services()["Services"]}
    assert set(services) == {"AmazonEC2", "AmazonVPC"}
    assert {"instanceType", "regionCode", "productFamily", "volumeApiName"} <= set(services["AmazonEC2"])
    answer = client.get_attribute_values(ServiceCode="AmazonEC2", AttributeName="regionCode")
    assert {"Value": "eu-west-1"} in answer["AttributeValues"]
    none = {"ServiceCode": "AmazonEC2", "AttributeName": "colour"}
    assert refusal(lambda: client.get_attribute_values(**none))[0] == "NotFoundException"


def test_the_files_of_the_list_are_said_to_be_missing(lab: Lab) -> None:
    request = {"ServiceCode": "AmazonEC2", "EffectiveDate": NOON, "CurrencyCode": "USD"}
    assert refusal(lambda: lab.client("pricing").list_price_lists(**request))[0] == "NotImplemented"


def spot(lab: Lab, region: str = "us-east-1", **request: Any) -> list[dict[str, Any]]:
    pages = lab.client("ec2", region).get_paginator("describe_spot_price_history").paginate(**request)
    return [one for page in pages for one in page["SpotPriceHistory"]]


def test_the_spot_prices_of_now_are_one_for_each_zone(lab: Lab) -> None:
    lab.control("/_rehearsal/clock", "POST", {"now": "2026-11-22T13:30:00Z"})
    now = {"InstanceTypes": ["g4dn.xlarge"], "StartTime": NOON + timedelta(hours=1.5)}
    found = spot(lab, **now)
    zones = [one["AvailabilityZone"] for one in found]
    assert zones == ["us-east-1a", "us-east-1b", "us-east-1c", "us-east-1d", "us-east-1f"]
    assert {one["Timestamp"] for one in found} == {NOON}
    assert all(0.30 * 0.526 <= float(one["SpotPrice"]) <= 0.45 * 0.526 for one in found)
    assert len({one["SpotPrice"] for one in found}) > 1
    assert spot(lab, **now) == found
    assert spot(lab, ProductDescriptions=["Linux/UNIX (Amazon VPC)"], **now) == found
    assert spot(lab, ProductDescriptions=["Windows"], **now) == []
    assert [one["AvailabilityZone"] for one in spot(lab, AvailabilityZone="us-east-1b", **now)] == ["us-east-1b"]
    both = [{"Name": "availability-zone", "Values": ["us-east-1a"]}, {"Name": "instance-type", "Values": ["g5.xlarge"]}]
    assert [one["InstanceType"] for one in spot(lab, StartTime=now["StartTime"], Filters=both)] == ["g5.xlarge"]


def test_spot_prices_move_with_the_clock_and_reach_back_90_days(lab: Lab) -> None:
    lab.control("/_rehearsal/clock", "POST", {"now": "2026-11-22T13:30:00Z"})
    every = spot(lab, InstanceTypes=["g4dn.xlarge"], AvailabilityZone="us-east-1a")
    times = [one["Timestamp"] for one in every]
    assert times == sorted(times, reverse=True)
    assert (times[0], len(times)) == (NOON, 90 * 24 // spot_prices.CHANGES + 1)
    lab.control("/_rehearsal/clock", "POST", {"now": "2026-11-23T13:30:00Z"})
    later = spot(lab, InstanceTypes=["g4dn.xlarge"], AvailabilityZone="us-east-1a", StartTime=NOON)
    assert later[-1] == every[0]
    assert len(later) == 5


def test_types_without_a_price_have_no_spot_history_and_a_wrong_filter_is_refused(lab: Lab) -> None:
    assert spot(lab, InstanceTypes=["t3.micro", "zz9.plural"]) == []
    assert spot(lab, "sa-east-1", InstanceTypes=["g4dn.xlarge"]) == []
    wrong = {"Filters": [{"Name": "colour", "Values": ["red"]}]}
    assert refusal(lambda: lab.client("ec2").describe_spot_price_history(**wrong))[0] == "InvalidParameterValue"

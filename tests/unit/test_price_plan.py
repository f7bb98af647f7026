"""price_plan: one price out of AWS's answers or a sentence why not, the cost of a host, budgets, the table."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import gpu_catalogue, price_plan
from ansible_collections.gpulab.core.plugins.module_utils.price_plan import Rate, Rates

HOUR = price_plan.host_question("g4dn.xlarge", "us-east-1")
ADDRESS = price_plan.address_question("us-east-1")
DAY = "2026-11-01"
KNOWN = Rates(Rate(0.6, DAY), Rate(0.073, DAY), Rate(0.005, DAY))


def product(usd: Any, unit: str = "Hrs", usage: str = "BoxUsage:g4dn.xlarge", currency: str = "USD") -> str:
    dimension = {"unit": unit, "pricePerUnit": {currency: usd}}
    return json.dumps(
        {
            "product": {"attributes": {"usagetype": usage}, "sku": "S"},
            "terms": {"OnDemand": {"S.T": {"priceDimensions": {"S.T.R": dimension}}}, "Reserved": {"S.Q": {}}},
            "publicationDate": f"{DAY}T00:00:00Z",
        }
    )


@pytest.mark.parametrize(
    ("region", "nearest"),
    [
        ("us-west-2", "us-east-1"),
        ("sa-east-1", "us-east-1"),
        ("eu-west-1", "eu-central-1"),
        ("me-south-1", "eu-central-1"),
        ("ap-northeast-1", "ap-south-1"),
        ("cn-north-1", None),
        ("us-gov-west-1", None),
    ],
)
def test_the_nearest_pricing_api(region: str, nearest: str | None) -> None:
    assert price_plan.pricing_region(region) == nearest


def test_a_question_has_the_form_that_get_products_takes() -> None:
    assert {"Type": "TERM_MATCH", "Field": "marketoption", "Value": "OnDemand"} in HOUR.filters
    assert {one["Field"] for one in HOUR.filters} >= {"instanceType", "regionCode", "capacitystatus", "tenancy"}


@pytest.mark.parametrize(
    "others", [[], [product("0.0000000000")], [product("9", unit="Quantity")], [product("0.5260")]]
)
def test_one_price_is_read_whatever_costs_nothing_beside_it(others: list[str]) -> None:
    assert price_plan.rate([product("0.5260000000"), *others], HOUR) == (Rate(0.526, DAY), "")


def test_the_address_in_use_is_told_from_blocks_of_addresses() -> None:
    block = product("0.008", usage="USE1-PublicIPv4:ContiguousBlock")
    used = product("0.005", usage="USE1-PublicIPv4:InUseAddress")
    assert price_plan.rate([block, used], ADDRESS) == (Rate(0.005, DAY), "")


@pytest.mark.parametrize(
    ("products", "words"),
    [
        ([], "has no price in USD for an hour of g4dn.xlarge in us-east-1"),
        ([product("0")], "has no price in USD"),
        ([product("3.7", currency="CNY")], "has no price in USD for an hour of g4dn.xlarge in us-east-1"),
        ([product("0.5"), product("0.6")], "has several prices for an hour of g4dn.xlarge in us-east-1 ($0.5, $0.6)"),
        (["<html>"], "in a form that is not known here"),
        (["[]"], "in a form that is not known here"),
        (["{}"], "in a form that is not known here"),
        ([product("free")], "in a form that is not known here"),
    ],
)
def test_an_answer_without_one_price_becomes_a_sentence(products: list[str], words: str) -> None:
    found, sentence = price_plan.rate(products, HOUR)
    assert found is None
    assert words in sentence
    assert sentence.endswith(".")


def test_the_latest_spot_price_of_every_zone_counts() -> None:
    noon = datetime(2026, 11, 22, 1, tzinfo=timezone(timedelta(hours=9)))
    history = [
        {"InstanceType": kind, "AvailabilityZone": zone, "SpotPrice": usd, "Timestamp": noon - timedelta(hours=hours)}
        for kind, zone, usd, hours in [("a", "z1", "0.2", 0), ("a", "z1", "0.9", 6), ("a", "z2", "0.3", 6)]
    ]
    found = {"a": {"z1": Rate(0.2, "2026-11-21"), "z2": Rate(0.3, "2026-11-21")}}
    assert price_plan.latest_spot(history) == price_plan.latest_spot(history[::-1]) == found
    assert price_plan.latest_spot([]) == {}


def test_a_whole_price_has_the_tables_keys_and_adds_up() -> None:
    price = price_plan.whole("g4dn.xlarge", "eu-west-1", 100, KNOWN, "AWS Pricing API")
    assert list(price) == list(gpu_catalogue.price("g4dn.xlarge", "eu-west-1", 100))
    assert price["usd_per_hour"] == pytest.approx(0.6 + 0.01 + 0.005)
    assert (price["stopped_usd_per_hour"], price["exact"]) == (0.01, True)
    assert (price["source"], price["date"]) == ("AWS Pricing API", DAY)


def test_what_aws_does_not_say_is_the_tables_and_said_to_be() -> None:
    without_disk = KNOWN._replace(disk=None)
    price = price_plan.whole("g4dn.xlarge", "eu-west-1", 100, without_disk, "AWS Pricing API")
    assert price["disk_usd_per_hour"] == round(8 / 730, 4)
    assert price["source"] == "AWS Pricing API, disk by the table of 2026-07-20"
    assert price["exact"] is False
    assert price_plan.whole("g4dn.xlarge", "us-east-1", 100, without_disk, "x")["exact"] is True
    table = price_plan.whole("g5.xlarge", "us-east-2", 100, KNOWN._replace(host=None), "AWS Pricing API")
    assert table == gpu_catalogue.price("g5.xlarge", "us-east-2", 100)


def test_a_type_that_only_aws_knows_has_a_price_and_one_that_nobody_knows_has_none() -> None:
    assert price_plan.whole("g9.xlarge", "us-east-1", 0, KNOWN, "x")["host_usd_per_hour"] == 0.6
    assert price_plan.whole("g9.xlarge", "us-east-1", 0, Rates(), "x") is None


@pytest.mark.parametrize(
    ("kind", "region", "words"),
    [
        ("g4dn.xlarge", "us-east-1", "Why. The price is that of the table of 2026-07-20."),
        ("g5.xlarge", "sa-east-1", "for us-east-1; this region may cost some 10 to 40 % more."),
        ("zz9.plural", "us-east-1", "Nor does the table of 2026-07-20 know zz9.plural: look its price up"),
    ],
)
def test_a_note_says_why_the_table_is_used(kind: str, region: str, words: str) -> None:
    note = price_plan.table_note("Why.", kind, gpu_catalogue.price(kind, region))
    assert note.startswith("Why. ")
    assert words in note


def test_who_named_the_price_is_said() -> None:
    assert price_plan.source("AWS Pricing API", "https://api.pricing.us-east-1.amazonaws.com") == "AWS Pricing API"
    assert price_plan.source("AWS Pricing API", "http://127.0.0.1:1").endswith("at http://127.0.0.1:1 (not AWS)")


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (None, ""),
        (0.70, ""),
        (0.616, ""),
        (0.5, "g4dn.xlarge costs $0.616 an hour with disk and address, and max_hourly_usd is $0.5"),
        (0.5, "-e max_hourly_usd=0.62."),
    ],
)
def test_a_budget_refuses_in_one_sentence(limit: float | None, words: str) -> None:
    price = price_plan.whole("g4dn.xlarge", "us-east-1", 110, KNOWN, "x")
    sentence = price_plan.over_budget(limit, "g4dn.xlarge", price)
    assert bool(sentence) is bool(words)
    assert words in sentence


def test_the_advice_of_a_refusal_is_enough_for_the_price() -> None:
    for usd in (0.5, 0.519, 0.6201, 12.999):
        price = {"usd_per_hour": usd}
        advised = price_plan.over_budget(0.01, "x", price).rpartition("=")[2].rstrip(".")
        assert price_plan.over_budget(float(advised), "x", price) == ""


def test_an_unknown_price_is_not_under_a_budget() -> None:
    assert "is not known" in price_plan.over_budget(1, "zz9.plural", None)
    assert price_plan.over_budget(None, "zz9.plural", None) == ""


def entries(**options: Any) -> list[dict[str, Any]]:
    prices = {kind: gpu_catalogue.price(kind, "us-east-1", 100) for kind in ("g5.xlarge", "g4dn.xlarge", "zz9.plural")}
    prices["p2.xlarge"] = price_plan.whole("p2.xlarge", "us-east-1", 100, KNOWN._replace(host=Rate(0.1, DAY)), "x")
    made = [price_plan.entry(kind, price, "", {}, **options) for kind, price in prices.items()]
    return price_plan.mark_cheapest(made)


def test_the_order_is_the_users_and_the_cheapest_that_is_sold_is_marked() -> None:
    found = entries()
    marked = [(one["instance_type"], one["cheapest"], one["retired"]) for one in found]
    assert marked == [
        ("g5.xlarge", False, False),
        ("g4dn.xlarge", True, False),
        ("zz9.plural", False, False),
        ("p2.xlarge", False, True),
    ]
    assert "use g4dn.xlarge" in found[3]["note"]
    assert not any(one["cheapest"] for one in price_plan.mark_cheapest([found[2], found[3]]))


def test_days_deadlines_and_stopped_days_are_told() -> None:
    g4dn, unknown = entries(hours=8)[1:3]
    assert g4dn["usd_per_day"] == round(g4dn["price"]["usd_per_hour"] * 24, 2)
    assert g4dn["usd_until_deadline"] == round(g4dn["price"]["usd_per_hour"] * 8, 2)
    assert g4dn["usd_per_day_stopped"] == 0.26
    assert unknown["usd_per_day"] is unknown["usd_until_deadline"] is unknown["usd_per_day_stopped"] is None
    assert entries()[1]["usd_until_deadline"] is None


def test_the_table_lines_up_and_notes_come_once_below() -> None:
    found = entries(max_hourly_usd=0.9)
    lines = price_plan.lines([*found, found[0]])
    header, g5, g4dn, unknown = lines[:4]
    assert [line.index(word) for line, word in ((g5, "1.022"), (g4dn, "0.542"), (unknown, "unknown"))] == [
        header.index("$/hour")
    ] * 3
    assert "1 x T4" in g4dn
    assert "16 GiB" in g4dn
    assert g4dn.endswith("table in gpulab.core, 2026-07-20 (cheapest)")
    notes = lines[6:]
    assert len(notes) == len(set(notes)) == 3
    assert notes[0].startswith("g5.xlarge costs $1.022")

"""ec2_price_info in a play, against the embedded AWS: AWS's own prices, and the table's where AWS refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from rehearsal import settings, spot_prices
from tests.support.aws import Cloud
from tests.support.playbook import Deployment

TYPES = ["g5.xlarge", "g4dn.xlarge"]
# What each task asks for; the faults of `prices` are told apart by what stands in the request.
TASKS: dict[str, dict[str, Any]] = {
    "home": {"instance_types": TYPES, "hours": 8, "max_hourly_usd": 0.6},
    "spot": {"instance_types": TYPES, "market": "spot"},
    "denied": {"instance_types": ["g4dn.xlarge"], "region": "eu-west-1"},
    "throttled": {"instance_types": ["g4dn.xlarge"], "region": "ap-northeast-2"},
    "no spot": {"instance_types": ["g4dn.2xlarge"], "region": "us-west-2", "market": "spot"},
    "elsewhere": {"instance_types": ["g5.xlarge", "p2.xlarge", "zz9.plural"], "region": "sa-east-1"},
}


@pytest.fixture(scope="module")
def prices(cloud: Cloud, shared: Deployment, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What every task returned, out of one play in check mode, and the calls it made."""
    cloud.forget()
    cloud.refuse("GetProducts", "AccessDeniedException", match="eu-west-1")
    cloud.refuse("GetProducts", "ThrottlingException", match="ap-northeast-2")
    cloud.refuse("DescribeSpotPriceHistory", "UnauthorizedOperation", match="g4dn.2xlarge")
    folder = tmp_path_factory.mktemp("prices")
    tasks: list[dict[str, Any]] = []
    for number, (name, asked) in enumerate(TASKS.items()):
        module = {"region": settings.REGION, "volume_gb": 100, **asked}
        result = {"register": f"found_{number}", "check_mode": True}
        tasks.append({"name": name, "gpulab.core.ec2_price_info": module, **result})
    together = "{{ [" + ", ".join(one["register"] for one in tasks) + "] | to_json }}"
    tasks.append({"ansible.builtin.copy": {"content": together, "dest": str(folder / "found"), "mode": "0600"}})
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}
    (folder / "prices.yml").write_text(yaml.safe_dump([play]))
    shared.play(str(folder / "prices")).ok()
    found = dict(zip(TASKS, json.loads((folder / "found").read_text()), strict=True))
    found |= {"calls": cloud.calls(), "url": cloud.url}
    cloud.forget()
    return found


def test_aws_names_the_prices_in_the_order_asked_for(prices: dict[str, Any]) -> None:
    assert prices["home"]["changed"] is False
    g5, g4dn = prices["home"]["prices"]
    assert [one["instance_type"] for one in (g5, g4dn)] == TYPES
    assert (g5["cheapest"], g4dn["cheapest"]) == (False, True)
    assert g4dn["price"]["host_usd_per_hour"] == 0.526
    assert g4dn["price"]["usd_per_hour"] == pytest.approx(0.526 + 8 / 730 + 0.005, abs=1e-4)
    assert g4dn["price"]["source"] == f"AWS Pricing API at {prices['url']} (not AWS)"
    assert (g4dn["price"]["exact"], g4dn["note"], g4dn["over_budget"]) == (True, "", "")
    assert g4dn["usd_until_deadline"] == 4.34
    assert "g5.xlarge costs $1.022 an hour" in g5["over_budget"]
    assert prices["home"]["lines"][0].startswith("type ")


def test_spot_prices_are_those_of_the_cheapest_zone(prices: dict[str, Any]) -> None:
    for one, on_demand in zip(prices["spot"]["prices"], (1.006, 0.526), strict=True):
        usd = one["price"]["host_usd_per_hour"]
        assert spot_prices.LOWEST * on_demand <= usd <= spot_prices.HIGHEST * on_demand
        assert usd == min(one["zones"].values())
        (zone,) = (name for name in one["zones"] if one["price"]["source"].endswith(f", {name}"))
        assert one["zones"][zone] == usd
        assert one["price"]["disk_usd_per_hour"] == round(8 / 730, 4)


@pytest.mark.parametrize(
    ("task", "usd", "code"),
    [("denied", 0.587, "AccessDeniedException"), ("throttled", 0.647, "ThrottlingException")],
)
def test_where_aws_refuses_the_table_is_used_and_named(
    prices: dict[str, Any], task: str, usd: float, code: str
) -> None:
    (one,) = prices[task]["prices"]
    assert one["price"]["host_usd_per_hour"] == usd
    assert (one["price"]["source"], one["price"]["date"]) == ("table in gpulab.core", "2026-07-20")
    assert f"AWS answered {code}" in one["note"]
    assert one["note"].endswith("The price is that of the table of 2026-07-20.")


def test_the_nearest_pricing_api_is_asked_and_after_a_refusal_not_again(prices: dict[str, Any]) -> None:
    asked = [call for call in prices["calls"] if call["action"] == "GetProducts"]
    regions = {_region_of(call): call["region"] for call in asked}
    assert regions == {
        "us-east-1": "us-east-1",
        "us-west-2": "us-east-1",
        "sa-east-1": "us-east-1",
        "eu-west-1": "eu-central-1",
        "ap-northeast-2": "ap-south-1",
    }
    assert [_region_of(call) for call in asked].count("eu-west-1") == 1
    assert not any(call["write"] for call in prices["calls"])


def test_without_spot_prices_the_price_on_demand_is_the_ceiling(prices: dict[str, Any]) -> None:
    (one,) = prices["no spot"]["prices"]
    assert one["price"]["host_usd_per_hour"] == 0.752
    assert "UnauthorizedOperation" in one["note"]
    assert "which a spot host does not exceed" in one["note"]


def test_a_region_without_prices_says_so_for_every_type(prices: dict[str, Any]) -> None:
    g5, p2, unknown = prices["elsewhere"]["prices"]
    assert g5["price"]["exact"] is False
    assert "has no price in USD for an hour of g5.xlarge in sa-east-1" in g5["note"]
    assert "some 10 to 40 % more" in g5["note"]
    assert (p2["price"], p2["retired"]) == (None, True)
    assert p2["note"].startswith("AWS retired p2.xlarge")
    assert "use g4dn.xlarge" in p2["note"]
    assert unknown["price"] is None
    assert "look its price up" in unknown["note"]


def _region_of(call: dict[str, Any]) -> str:
    (region,) = (one["Value"] for one in call["params"]["Filters"] if one["Field"] == "regionCode")
    return str(region)

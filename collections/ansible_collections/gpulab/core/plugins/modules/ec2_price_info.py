#!/usr/bin/python
# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Ask AWS what GPU hosts cost, and fall back on the dated table where it does not say."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ec2_price_info
short_description: Say what GPU hosts of some types cost, with disk and public address
description:
  - Read-only. Asks AWS's Pricing API in the nearest of its three regions, and for spot hosts the spot price history of
    the region itself. What AWS does not tell (no permission, no network, throttling, no such product) comes from the
    collection's dated table, and each price says where it is from.
  - Prices are list prices in USD before tax, without data transfer.
options:
  instance_types: {type: list, elements: str, required: true, description: Instance types in order of preference.}
  volume_gb: {type: int, required: true, description: Size of the root volume (gp3) in GB.}
  market:
    type: str
    default: on-demand
    choices: [on-demand, spot]
    description: How the host is bought.
  max_hourly_usd: {type: float, description: What an hour may cost, disk and address included.}
  hours: {type: float, description: Hours until the deadline.}
extends_documentation_fragment: [amazon.aws.common.modules, amazon.aws.region.modules, amazon.aws.boto3]
author: [the gpulab authors (@gpulab)]
"""

EXAMPLES = r"""
- name: Learn what two types cost
  gpulab.core.ec2_price_info:
    instance_types: [g4dn.xlarge, g5.xlarge]
    volume_gb: 100
    hours: 8
  register: prices
"""

RETURN = r"""
prices:
  description:
    - One item for each type, in the order given. C(price) has C(usd_per_hour) (host, disk and address),
      C(host_usd_per_hour), C(disk_usd_per_hour), C(address_usd_per_hour), C(stopped_usd_per_hour), C(source), C(date)
      and C(exact) (whether all of it is the region's own), or is null when nobody knows the price.
    - C(over_budget) is a sentence where the price is above I(max_hourly_usd) or unknown under one; the module does not
      fail for it. C(note) says why a price is not AWS's own answer. C(zones) has the spot price of each zone.
  returned: success
  type: list
  elements: dict
  sample:
    - {instance_type: g4dn.xlarge, cheapest: true, usd_per_day: 13.01, price: {usd_per_hour: 0.542, exact: true}}
lines:
  description: The same as a table for people, and the notes.
  returned: success
  type: list
  elements: str
  sample: ["type         GPU     GPU memory  $/hour  $/day  $/day stopped  source"]
"""

from datetime import datetime, timezone

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry
from ansible_collections.gpulab.core.plugins.module_utils import price_plan
from ansible_collections.gpulab.core.plugins.module_utils.ec2_calls import Stop, check_region, pages
from ansible_collections.gpulab.core.plugins.module_utils.price_plan import Rates

ARGUMENTS = {
    "instance_types": {"type": "list", "elements": "str", "required": True},
    "volume_gb": {"type": "int", "required": True},
    "market": {"type": "str", "default": "on-demand", "choices": ["on-demand", "spot"]},
    "max_hourly_usd": {"type": "float"},
    "hours": {"type": "float"},
}

# There is a table to fall back on, so nobody should wait long for an answer.
BRIEF_RETRY = AWSRetry.jittered_backoff(retries=2, delay=1, max_delay=3)
BRIEF = {"connect_timeout": 5, "read_timeout": 15, "retries": {"total_max_attempts": 2, "mode": "standard"}}


class PriceList:
    """The Pricing API, asked until it refuses once."""

    def __init__(self, module):
        self.source = price_plan.PRICE_LIST
        self.refusal = f"AWS's price list does not speak of {module.region}, which is of another partition."
        region = price_plan.pricing_region(module.region)
        if region:
            self.refusal = ""
            self._client = module.client("pricing", retry_decorator=BRIEF_RETRY, region=region, config=BRIEF)
            self.source = price_plan.source(price_plan.PRICE_LIST, self._client.meta.endpoint_url)

    def rate(self, question):
        """Return (Rate or None, a sentence why there is none)."""
        if not self.refusal:
            try:
                products = pages(
                    "reading AWS's price list",
                    self._client.get_products,
                    "PriceList",
                    ServiceCode=question.service,
                    Filters=question.filters,
                )
                return price_plan.rate(products, question)
            except Stop as stop:
                self.refusal = str(stop)
        return None, self.refusal


def spot_history(module):
    """Return ({type: {zone: Rate}}, who said so, a sentence why AWS did not)."""
    ec2 = module.client("ec2", retry_decorator=BRIEF_RETRY, config=BRIEF)
    named_by = price_plan.source(price_plan.SPOT_HISTORY, ec2.meta.endpoint_url)
    try:
        history = pages(
            "reading the spot prices",
            ec2.describe_spot_price_history,
            "SpotPriceHistory",
            InstanceTypes=module.params["instance_types"],
            ProductDescriptions=[price_plan.LINUX],
            # The prices of now, and not of the last 90 days.
            StartTime=datetime.now(timezone.utc),
        )
    except Stop as stop:
        return {}, named_by, str(stop)
    return price_plan.latest_spot(history), named_by, ""


def price_of(instance_type, module, shared, price_list, spot):
    """Return (price or None, note, spot price by zone) of one type. `shared` has the rates of disk and address."""
    region, volume_gb = module.region, module.params["volume_gb"]
    notes, (history, named_by, refusal) = [], spot
    zones = history.get(instance_type, {})
    if zones:
        zone = min(zones, key=lambda name: (zones[name].usd, name))
        rates = shared._replace(host=zones[zone])
        price = price_plan.whole(instance_type, region, volume_gb, rates, f"{named_by}, {zone}")
        return price, "", {name: found.usd for name, found in zones.items()}
    host, reason = price_list.rate(price_plan.host_question(instance_type, region))
    price = price_plan.whole(instance_type, region, volume_gb, shared._replace(host=host), price_list.source)
    if module.params["market"] == "spot" and price:
        why = refusal or f"AWS has no spot price of {instance_type} in {region}."
        notes.append(price_plan.spot_note(why, instance_type))
    if host is None:
        notes.append(price_plan.table_note(reason, instance_type, price))
    return price, " ".join(notes), {}


def look(module):
    """Return the prices in the order of the types."""
    check_region(module.region)
    price_list = PriceList(module)
    disk, _ = price_list.rate(price_plan.disk_question(module.region))
    address, _ = price_list.rate(price_plan.address_question(module.region))
    shared = Rates(disk=disk, address=address)
    spot = spot_history(module) if module.params["market"] == "spot" else ({}, "", "")
    entries = []
    for one in module.params["instance_types"]:
        price, note, zones = price_of(one, module, shared, price_list, spot)
        entries.append(
            price_plan.entry(one, price, note, zones, module.params["hours"], module.params["max_hourly_usd"])
        )
    return price_plan.mark_cheapest(entries)


def main():
    """Run the module."""
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        prices = look(module)
    except Stop as stop:
        module.fail_json(msg=str(stop))
    module.exit_json(changed=False, prices=prices, lines=price_plan.lines(prices))


if __name__ == "__main__":
    main()

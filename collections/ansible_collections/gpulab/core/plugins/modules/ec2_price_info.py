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

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.gpulab.core.plugins.module_utils import price_plan
from ansible_collections.gpulab.core.plugins.module_utils.ec2_calls import Stop, check_region
from ansible_collections.gpulab.core.plugins.module_utils.price_evidence import PriceList, spot_client, survey

ARGUMENTS = {
    "instance_types": {"type": "list", "elements": "str", "required": True},
    "volume_gb": {"type": "int", "required": True},
    "market": {"type": "str", "default": "on-demand", "choices": ["on-demand", "spot"]},
    "max_hourly_usd": {"type": "float"},
    "hours": {"type": "float"},
}


def look(module):
    """Return the prices in the order of the types."""
    check_region(module.region)
    params = module.params
    spot = spot_client(module) if params["market"] == "spot" else None
    wanted = [(kind, params["market"]) for kind in params["instance_types"]]
    found = survey(PriceList(module), spot, wanted, params["volume_gb"], params["hours"], params["max_hourly_usd"])
    return price_plan.mark_cheapest(found)


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

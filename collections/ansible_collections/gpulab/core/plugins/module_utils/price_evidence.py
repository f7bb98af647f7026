"""Gather what price_plan judges: AWS's price list and the spot price history, each allowed to refuse."""

from __future__ import annotations

from datetime import datetime, timezone

from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry
from ansible_collections.gpulab.core.plugins.module_utils import price_plan
from ansible_collections.gpulab.core.plugins.module_utils.ec2_calls import Stop, pages
from ansible_collections.gpulab.core.plugins.module_utils.price_plan import Rates

# There is a table to fall back on, so nobody should wait long for an answer.
BRIEF_RETRY = AWSRetry.jittered_backoff(retries=2, delay=1, max_delay=3)
BRIEF = {"connect_timeout": 3, "read_timeout": 10, "retries": {"total_max_attempts": 1}}


class PriceList:
    """The Pricing API, asked until it refuses once. To be made by the main thread, and used by one."""

    def __init__(self, module):
        self.region = module.region
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


def spot_client(module):
    """Return a client of EC2 for spot_history, which nobody waits for either."""
    return module.client("ec2", retry_decorator=BRIEF_RETRY, config=BRIEF)


def spot_history(ec2, types):
    """Return ({type: {zone: Rate}}, who said so, a sentence why AWS did not)."""
    named_by = price_plan.source(price_plan.SPOT_HISTORY, ec2.meta.endpoint_url)
    try:
        history = pages(
            "reading the spot prices",
            ec2.describe_spot_price_history,
            "SpotPriceHistory",
            InstanceTypes=types,
            ProductDescriptions=[price_plan.LINUX],
            # The prices of now, and not of the last 90 days.
            StartTime=datetime.now(timezone.utc),
        )
    except Stop as stop:
        return {}, named_by, str(stop)
    return price_plan.latest_spot(history), named_by, ""


def survey(price_list, spot, wanted, volume_gb, hours=None, max_hourly_usd=None):
    """Return price_plan.entry's items, one for each (type, market) of `wanted`, in order.

    spot: spot_client's, which is asked only if a market is spot; else None.
    """
    disk, _ = price_list.rate(price_plan.disk_question(price_list.region))
    address, _ = price_list.rate(price_plan.address_question(price_list.region))
    shared = Rates(disk=disk, address=address)
    types = [kind for kind, market in wanted if market == "spot"]
    history = spot_history(spot, types) if types else ({}, "", "")
    made = []
    for kind, market in wanted:
        seen = history if market == "spot" else ({}, "", "")
        price, note, zones = _price(kind, market, price_list, shared, seen, volume_gb)
        made.append(dict(price_plan.entry(kind, price, note, zones, hours, max_hourly_usd), market=market))
    return made


def _price(kind, market, price_list, shared, spot, volume_gb):
    """Return (price or None, note, spot price by zone) of one type. `shared` has the rates of disk and address."""
    region, notes, (history, named_by, refusal) = price_list.region, [], spot
    zones = history.get(kind, {})
    if zones:
        zone = min(zones, key=lambda name: (zones[name].usd, name))
        rates = shared._replace(host=zones[zone])
        price = price_plan.whole(kind, region, volume_gb, rates, f"{named_by}, {zone}")
        return price, "", {name: found.usd for name, found in zones.items()}
    host, reason = price_list.rate(price_plan.host_question(kind, region))
    price = price_plan.whole(kind, region, volume_gb, shared._replace(host=host), price_list.source)
    if market == "spot" and price:
        notes.append(price_plan.spot_note(refusal or f"AWS has no spot price of {kind} in {region}.", kind))
    if host is None:
        notes.append(price_plan.table_note(reason, kind, price))
    return price, " ".join(notes), {}

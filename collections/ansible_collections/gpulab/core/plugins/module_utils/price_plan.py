"""What a host costs: by AWS's price lists where they answer, else by the dated table of gpu_catalogue. Pure.

USD throughout. What GetProducts takes and gives: AWS's Price List Query API (service codes AmazonEC2, AmazonVPC).
"""

from __future__ import annotations

import json
from datetime import timezone
from typing import NamedTuple

from ansible_collections.gpulab.core.plugins.module_utils import gpu_catalogue, text_table
from ansible_collections.gpulab.core.plugins.module_utils.aws_errors import is_aws

PRICE_LIST = "AWS Pricing API"
SPOT_HISTORY = "EC2 spot price history"
LINUX = "Linux/UNIX"

# The Pricing API's only regions, each for the regions that begin so.
_NEAREST = {
    "us-east-1": ("us-", "ca-", "mx-", "sa-"),
    "ap-south-1": ("ap-",),
    "eu-central-1": ("eu-", "il-", "me-", "af-"),
}
# Partitions with price lists of their own, which credentials of the others cannot read.
_ELSEWHERE = ("cn-", "us-gov-", "us-iso", "eu-isoe", "eusc-")


class Question(NamedTuple):
    """One price to ask GetProducts for. `usage` is part of the usagetype wanted, where filters are not enough."""

    service: str
    fields: dict[str, str]
    unit: str
    usage: str
    what: str

    @property
    def filters(self):
        """The fields in GetProducts' form."""
        return [{"Type": "TERM_MATCH", "Field": k, "Value": v} for k, v in sorted(self.fields.items())]


class Rate(NamedTuple):
    """A price per unit and the day (YYYY-MM-DD) from which AWS names it."""

    usd: float
    date: str


class Rates(NamedTuple):
    """What a host's cost is made of; None where AWS did not say. host and address per hour, disk per GB and month."""

    host: Rate | None = None
    disk: Rate | None = None
    address: Rate | None = None


def pricing_region(region):
    """Return the region whose Pricing API is nearest to `region`, None for partitions that it does not speak of."""
    if region.startswith(_ELSEWHERE):
        return None
    return next((r for r, prefixes in _NEAREST.items() if region.startswith(prefixes)), "us-east-1")


def host_question(instance_type, region):
    """Ask for an hour on demand; capacitystatus and marketoption keep out reservations and capacity blocks."""
    fields = {
        "instanceType": instance_type,
        "regionCode": region,
        "operatingSystem": "Linux",
        "tenancy": "Shared",
        "preInstalledSw": "NA",
        "capacitystatus": "Used",
        "marketoption": "OnDemand",
    }
    return Question("AmazonEC2", fields, "Hrs", "", f"an hour of {instance_type} in {region}")


def disk_question(region):
    """Ask for a GB-month of gp3."""
    fields = {"regionCode": region, "productFamily": "Storage", "volumeApiName": "gp3"}
    return Question("AmazonEC2", fields, "GB-Mo", "EBS:VolumeUsage.gp3", f"a gp3 disk in {region}")


def address_question(region):
    """Ask for an hour of a public IPv4 address that is in use; the group has idle ones and blocks of them too."""
    fields = {"regionCode": region, "group": "VPCPublicIPv4Address"}
    return Question("AmazonVPC", fields, "Hrs", "PublicIPv4:InUseAddress", f"a public IPv4 address in {region}")


def rate(products, question):
    """Return (Rate, "") out of GetProducts' PriceList (JSON texts), or (None, a sentence why it names no one price)."""
    found = {}
    for text in products:
        try:
            product = json.loads(text)
            if question.usage not in product["product"]["attributes"].get("usagetype", ""):
                continue
            for term in product["terms"].get("OnDemand", {}).values():
                for dimension in term["priceDimensions"].values():
                    usd = float(dimension["pricePerUnit"].get("USD", 0))
                    if dimension["unit"] == question.unit and usd > 0:
                        found[usd] = product["publicationDate"][:10]
        except (AttributeError, KeyError, TypeError, ValueError):
            return None, f"AWS's price list names the price of {question.what} in a form that is not known here."
    if not found:
        return None, f"AWS's price list has no price in USD for {question.what}."
    if len(found) > 1:
        several = ", ".join(f"${usd:g}" for usd in sorted(found))
        return None, f"AWS's price list has several prices for {question.what} ({several}), so none was taken."
    ((usd, date),) = found.items()
    return Rate(usd, date), ""


def latest_spot(history):
    """Return {type: {zone: Rate}}, the newest price of each, out of DescribeSpotPriceHistory's entries."""
    found: dict[str, dict[str, Rate]] = {}
    for one in sorted(history, key=lambda entry: entry["Timestamp"]):
        date = one["Timestamp"].astimezone(timezone.utc).strftime("%Y-%m-%d")
        found.setdefault(one["InstanceType"], {})[one["AvailabilityZone"]] = Rate(float(one["SpotPrice"]), date)
    return found


def source(name, endpoint):
    """Return who names a price: AWS's service, or what answers in its place at another endpoint."""
    return name if is_aws(endpoint) else f"{name} at {endpoint} (not AWS)"


def whole(instance_type, region, volume_gb, rates, named_by):
    """Return the cost of a host, with the keys of gpu_catalogue.price, or None when nobody knows it.

    Without a rate for the host the whole price is the table's; without one for disk or address that part is, which
    `source` then says, and `exact` is whether all of it is this region's.
    """
    if rates.host is None:
        return gpu_catalogue.price(instance_type, region, volume_gb)
    missing = [name for name, part in (("disk", rates.disk), ("address", rates.address)) if part is None]
    if missing:
        named_by += f", {' and '.join(missing)} by the table of {gpu_catalogue.PRICE_DATE}"
    return gpu_catalogue.hourly(
        rates.host.usd,
        rates.disk.usd if rates.disk else gpu_catalogue.GP3_USD_PER_GB_MONTH,
        rates.address.usd if rates.address else gpu_catalogue.PUBLIC_IPV4_USD_PER_HOUR,
        volume_gb,
        named_by,
        rates.host.date,
        rates.disk is not None or region == gpu_catalogue.PRICE_REGION,
    )


def table_note(reason, instance_type, price):
    """Return the sentences for a price that AWS did not name: why, and what is shown in its place."""
    if price is None:
        table = f"Nor does the table of {gpu_catalogue.PRICE_DATE} know {instance_type}"
        return f"{reason} {table}: look its price up before you launch it."
    place = "" if price["exact"] else f" for {gpu_catalogue.PRICE_REGION}; this region may cost some 10 to 40 % more"
    return f"{reason} The price is that of the table of {price['date']}{place}."


def spot_note(reason, instance_type):
    """Return the sentences for a spot host whose price is not known; what is shown is the price on demand."""
    return f"{reason} What is shown for {instance_type} is the price on demand, which a spot host does not exceed."


def cost(price, hours, stopped=False):
    """Return what a host costs in so many hours (float), running or stopped, to the cent; None without a price."""
    return None if price is None else round(price["stopped_usd_per_hour" if stopped else "usd_per_hour"] * hours, 2)


def over_budget(max_hourly_usd, instance_type, price):
    """Return the sentence that refuses a host dearer than `max_hourly_usd`, "" for one that is not or without a cap."""
    if max_hourly_usd is None:
        return ""
    if price is None:
        return (
            f"The price of {instance_type} is not known, so it cannot be held under max_hourly_usd "
            f"(${max_hourly_usd:g}): choose another type, or leave max_hourly_usd out."
        )
    if price["usd_per_hour"] <= max_hourly_usd:
        return ""
    return (
        f"{instance_type} costs ${price['usd_per_hour']:.3f} an hour with disk and address, and max_hourly_usd is "
        f"${max_hourly_usd:g}: choose a cheaper type, or allow it with -e max_hourly_usd={_above(price)}."
    )


def _above(price):
    """The price, rounded up to the next cent."""
    return f"{(int(price['usd_per_hour'] * 100) + 1) / 100:.2f}"


def entry(instance_type, price, note, zones, hours=None, max_hourly_usd=None):
    """Return one item of ec2_price_info's prices; `zones` is {zone: USD per hour} of spot, {} on demand."""
    gpu, gpus, gpu_mib, vcpus = gpu_catalogue.GPU_TYPES.get(instance_type, ("", 0, 0, 0, 0.0))[:4]
    gone = gpu_catalogue.retired(instance_type)
    if gone:
        text = (
            f"AWS retired {instance_type} (gone from its lists by {gone[1]}): use {gone[2]}, which does the same job."
        )
        # Why a type that nobody can launch has no price is of no interest.
        note = f"{note} {text}".strip() if price else text
    return {
        "instance_type": instance_type,
        "gpu": gpu,
        "gpus": gpus,
        "gpu_mib": gpu_mib,
        "vcpus": vcpus,
        "price": price,
        "zones": zones,
        "usd_per_day": cost(price, 24),
        "usd_until_deadline": None if hours is None else cost(price, hours),
        "usd_per_day_stopped": cost(price, 24, stopped=True),
        "retired": bool(gone),
        "cheapest": False,
        "over_budget": over_budget(max_hourly_usd, instance_type, price),
        "note": note,
    }


def mark_cheapest(entries):
    """Return the entries in their order, the cheapest that AWS still sells marked; ties go to the first."""
    sold = [e for e in entries if e["price"] and not e["retired"]]
    best = min(sold, key=lambda e: e["price"]["usd_per_hour"]) if sold else None
    return [dict(e, cheapest=e is best) for e in entries]


def lines(entries):
    """Return the entries as the lines of a table for a plan, and their notes below it, each once."""
    rows = [("type", "GPU", "GPU memory", "$/hour", "$/day", "$/day stopped", "source")]
    for one in entries:
        price = one["price"]
        money = (
            (f"{price['usd_per_hour']:.3f}", f"{one['usd_per_day']:.2f}", f"{one['usd_per_day_stopped']:.2f}")
            if price
            else ("unknown", "", "")
        )
        hardware = (f"{one['gpus']:g} x {one['gpu']}", f"{one['gpu_mib'] / 1024:.0f} GiB") if one["gpu"] else ("", "")
        told = f"{price['source']}, {price['date']}" if price else ""
        rows.append(
            (
                one["instance_type"],
                *hardware,
                *money,
                told + (" (cheapest)" if one["cheapest"] and len(entries) > 1 else ""),
            )
        )
    notes = [text for one in entries for text in (one["note"], one["over_budget"]) if text]
    return text_table.lines(rows) + list(dict.fromkeys(notes))

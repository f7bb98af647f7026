"""DescribeSpotPriceHistory with prices that a spot host could have; moto says 0.00001 in 2006 for every type.

A stand-in: between 30 and 45 % of the price on demand, another one every CHANGES hours for every type and zone, always
the same for the same moment. Types whose price on demand is unknown here have no history.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from rehearsal import price_list
from rehearsal.clock import Clock
from rehearsal.patching import amend

CHANGES = 6
"""Hours between two prices; 24 is a multiple of it."""
OLDEST = timedelta(days=90)
LOWEST, HIGHEST = 0.30, 0.45
PAGE = 1000
PRODUCT = "Linux/UNIX"
_LINUX = {PRODUCT, f"{PRODUCT} (Amazon VPC)"}
_FILTERS = {"availability-zone", "instance-type", "product-description"}


def spot_usd(kind: str, zone: str, began: datetime) -> float | None:
    """The spot price of an hour in `zone` (a region and a letter) in the period that `began`, or None."""
    usd = price_list.host_usd(kind, zone[:-1])
    if usd is None:
        return None
    dice = int(hashlib.sha256(f"{kind} {zone} {began.isoformat()}".encode()).hexdigest()[:8], 16) / 0xFFFFFFFF
    return round(usd * (LOWEST + (HIGHEST - LOWEST) * dice), 4)


def history(offers: list[tuple[str, str]], first: datetime, last: datetime) -> Iterator[dict[str, Any]]:
    """The prices of (type, zone) pairs in force between two moments, newest first, in AWS's shape.

    The price in force at `first` began before it and is told all the same, as AWS does.
    """
    began = last.replace(hour=last.hour - last.hour % CHANGES, minute=0, second=0, microsecond=0)
    while began > first - timedelta(hours=CHANGES):
        for kind, zone in offers:
            if (usd := spot_usd(kind, zone, began)) is not None:
                yield {
                    "InstanceType": kind,
                    "ProductDescription": PRODUCT,
                    "SpotPrice": f"{usd:.6f}",
                    "AvailabilityZone": zone,
                    "Timestamp": began,
                }
        began -= timedelta(hours=CHANGES)


def install(clock: Clock) -> None:
    """Amend moto's DescribeSpotPriceHistory, by this clock."""
    from moto.ec2.responses.spot_instances import SpotInstances

    amend(SpotInstances, "describe_spot_price_history", lambda _: lambda response: _describe(response, clock))


def _describe(response: Any, clock: Clock) -> Any:
    from moto.core.responses import ActionResult
    from moto.ec2.exceptions import EC2ClientError

    response.error_on_dryrun()
    params = response.params
    filters = {one["Name"]: set(one["Values"]) for one in params.get("Filters", [])}
    if unknown := sorted(set(filters) - _FILTERS):
        raise EC2ClientError("InvalidParameterValue", f"The filter '{unknown[0]}' is invalid")
    start = params.get("NextToken") or "0"
    if not str(start).isdigit():
        raise EC2ClientError("InvalidPaginationToken", "The pagination token is not valid.")
    now = clock.now()
    last = min(_moment(params.get("EndTime"), now), now)
    first = max(_moment(params.get("StartTime"), now - OLDEST), now - OLDEST)
    rows: Iterator[dict[str, Any]] = iter(())
    if _linux(params, filters):
        rows = history(_offers(response, params, filters), first, last)
    most = min(int(params.get("MaxResults") or PAGE), PAGE)
    page = list(itertools.islice(rows, int(start), int(start) + most + 1))
    token = {"NextToken": str(int(start) + most)} if len(page) > most else {}
    return ActionResult({"SpotPriceHistory": page[:most], **token})


def _offers(response: Any, params: dict[str, Any], filters: dict[str, set[str]]) -> list[tuple[str, str]]:
    """(type, zone) of what the region offers and the request asks for, types in the request's order."""
    table = response.ec2_backend.describe_instance_type_offerings("availability-zone", {})
    wanted: list[Callable[[str, str], bool]] = []
    if types := params.get("InstanceTypes"):
        wanted.append(lambda kind, _: kind in types)
    if zone_asked := params.get("AvailabilityZone"):
        wanted.append(lambda _, zone: zone == zone_asked)
    if types_filtered := filters.get("instance-type"):
        wanted.append(lambda kind, _: kind in types_filtered)
    if zones_filtered := filters.get("availability-zone"):
        wanted.append(lambda _, zone: zone in zones_filtered)
    pairs = [(one["InstanceType"], one["Location"]) for one in table]
    return sorted(pair for pair in pairs if all(test(*pair) for test in wanted))


def _linux(params: dict[str, Any], filters: dict[str, set[str]]) -> bool:
    """Whether the request is about Linux hosts, or about any."""
    asked = [params.get("ProductDescriptions"), filters.get("product-description")]
    return all(not one or _LINUX & set(one) for one in asked)


def _moment(value: Any, otherwise: datetime) -> datetime:
    """A time of the request, which moto has parsed or not, with its time zone."""
    if not value:
        return otherwise
    found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return found if found.tzinfo else found.replace(tzinfo=UTC)

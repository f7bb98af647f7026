"""AWS's price list as far as a GPU host needs it: hosts, gp3 disks and public addresses, in AWS's own structure.

A stand-in. Hosts in us-east-1, and g4dn.xlarge in every region of the table, have AWS's price of PUBLISHED; another
type elsewhere costs as much more as g4dn.xlarge does there. Disk prices outside the US are from memory.
"""

from __future__ import annotations

import csv
import functools
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rehearsal import catalogue

PUBLISHED = "2026-07-20T00:00:00Z"
"""When AWS published the prices of data/ec2-gpu-types.csv."""
SERVICES = {"AmazonEC2": "Amazon Elastic Compute Cloud", "AmazonVPC": "Amazon Virtual Private Cloud"}
RETIRED_USD = {"g2.2xlarge": 0.65, "g3.4xlarge": 1.14, "p2.xlarge": 0.90, "p3.2xlarge": 3.06}
"""AWS's list goes on naming types that nobody can launch any more (us-east-1)."""
ADDRESS_USD = 0.005
DEFAULT_TYPE, HOME = "g4dn.xlarge", "us-east-1"
# Of every on-demand term and hourly rate: AWS's own codes.
_TERM, _RATE = "JRTCKXETXF", "6YS6EN2CT7"


@dataclass(frozen=True)
class Region:
    """A region of the price list: its name in it, the prefix of its usage types, and two prices in USD."""

    code: str
    location: str
    prefix: str
    default_type_usd: float
    gp3_usd: float


@functools.cache
def regions() -> dict[str, Region]:
    """The regions with prices, by code."""
    with (catalogue.DATA / "region-prices.csv").open(encoding="utf-8", newline="") as lines:
        _, *rows = csv.reader(lines)
    return {code: Region(code, where, prefix, float(host), float(disk)) for code, where, prefix, host, disk in rows}


def host_usd(kind: str, region: str) -> float | None:
    """The price of an hour on demand, whether or not the region offers the type; None where this list has none."""
    gpu = next((one for one in catalogue.gpu_types() if one.name == kind), None)
    if gpu is None or gpu.usd is None or region not in regions():
        return None
    table = regions()
    return round(gpu.usd * table[region].default_type_usd / table[HOME].default_type_usd, 6)


@functools.cache
def products(service: str) -> tuple[dict[str, Any], ...]:
    """Every product of a service, in the shape of one item of a PriceList; () for a service without any."""
    every = {"AmazonEC2": _ec2, "AmazonVPC": _vpc}
    return tuple(every[service]()) if service in every else ()


def attribute_values(service: str, name: str) -> list[str]:
    """The values that an attribute (or productFamily) has among the products of a service, sorted, each once."""
    return sorted({value for one in products(service) if (value := attributes(one).get(name.lower()))})


def attributes(product: dict[str, Any]) -> dict[str, str]:
    """What a filter can speak of, by name in lower case: AWS's own examples write ServiceCode for servicecode."""
    inner = product["product"]
    found = {name.lower(): value for name, value in inner["attributes"].items()}
    return found | {"productfamily": inner.get("productFamily", ""), "sku": inner["sku"]}


def _ec2() -> Iterator[dict[str, Any]]:
    for region in regions().values():
        for gpu in catalogue.gpu_types():
            usd = host_usd(gpu.name, region.code)
            offered = region.code in gpu.regions or gpu.name == DEFAULT_TYPE
            if usd is not None and offered:
                yield from _host_rows(region, gpu, usd)
        disk = {"volumeApiName": "gp3", "volumeType": "General Purpose", "storageMedia": "SSD-backed"}
        disk |= {"usagetype": _usage(region, "EBS:VolumeUsage.gp3"), "operation": ""}
        text = "per GB-month of General Purpose (gp3) provisioned storage"
        yield _product("AmazonEC2", "Storage", region, disk, "GB-Mo", region.gp3_usd, text)
    for kind, usd in RETIRED_USD.items():
        yield _host(regions()[HOME], kind, {"currentGeneration": "No"}, usd)


def _host_rows(region: Region, gpu: catalogue.GpuType, usd: float) -> Iterator[dict[str, Any]]:
    """The row of a running host, and those beside it that share its type and region and are not its price."""
    facts = {
        "vcpu": str(gpu.vcpus),
        "memory": f"{gpu.ram_gib:g} GiB",
        "gpu": f"{gpu.gpus:g}",
        "currentGeneration": "Yes",
        "instanceFamily": "GPU instance",
    }
    yield _host(region, gpu.name, facts, usd)
    yield _host(region, gpu.name, facts, 0.0, capacitystatus="AllocatedCapacityReservation", usage="Reservation")
    yield _host(region, gpu.name, facts, usd, capacitystatus="UnusedCapacityReservation", usage="UnusedBox")
    if gpu.name.startswith("p"):
        # Differs from the running host's row in marketoption alone. Paid beforehand, so its hour costs nothing here.
        yield _host(region, gpu.name, facts, 0.0, marketoption="CapacityBlock", usage="CapacityBlock")


def _host(
    region: Region,
    kind: str,
    facts: dict[str, str],
    usd: float,
    capacitystatus: str = "Used",
    marketoption: str = "OnDemand",
    usage: str = "BoxUsage",
) -> dict[str, Any]:
    found = {
        **facts,
        "instanceType": kind,
        "operatingSystem": "Linux",
        "preInstalledSw": "NA",
        "tenancy": "Shared",
        "licenseModel": "No License required",
        "capacitystatus": capacitystatus,
        "marketoption": marketoption,
        "usagetype": _usage(region, f"{usage}:{kind}"),
        "operation": "RunInstances",
    }
    text = f"per On Demand Linux {kind} Instance Hour"
    return _product("AmazonEC2", "Compute Instance", region, found, "Hrs", usd, text)


def _vpc() -> Iterator[dict[str, Any]]:
    """Public addresses: in use, idle, and of a contiguous block, which costs more. AWS gives them no family."""
    kinds = {"InUseAddress": ADDRESS_USD, "IdleAddress": ADDRESS_USD, "ContiguousBlock": 0.008}
    for region in regions().values():
        for kind, usd in kinds.items():
            found = {"group": "VPCPublicIPv4Address", "usagetype": f"{region.prefix}-PublicIPv4:{kind}"}
            yield _product("AmazonVPC", "", region, found, "Hrs", usd, f"per {kind} Public IPv4 address per hour")


def _usage(region: Region, kind: str) -> str:
    """EC2's usage types carry a prefix everywhere but in us-east-1."""
    return kind if region.code == HOME else f"{region.prefix}-{kind}"


def _product(
    service: str, family: str, region: Region, found: dict[str, str], unit: str, usd: float, text: str
) -> dict[str, Any]:
    sku = hashlib.sha256(f"{service} {found['usagetype']} {region.code}".encode()).hexdigest()[:16].upper()
    term, rate = f"{sku}.{_TERM}", f"{sku}.{_TERM}.{_RATE}"
    dimension = {
        "unit": unit,
        "beginRange": "0",
        "endRange": "Inf",
        "description": f"${usd:g} {text}",
        "appliesTo": [],
        "rateCode": rate,
        "pricePerUnit": {"USD": f"{usd:.10f}"},
    }
    offer = {"priceDimensions": {rate: dimension}, "sku": sku, "effectiveDate": PUBLISHED}
    place = {"locationType": "AWS Region", "location": region.location, "regionCode": region.code}
    product: dict[str, Any] = {"attributes": {**found, **place, "servicecode": service}, "sku": sku}
    product["attributes"]["servicename"] = SERVICES[service]
    return {
        "product": {"productFamily": family, **product} if family else product,
        "serviceCode": service,
        "terms": {"OnDemand": {term: {**offer, "offerTermCode": _TERM, "termAttributes": {}}}},
        "version": "20260720000000",
        "publicationDate": PUBLISHED,
    }

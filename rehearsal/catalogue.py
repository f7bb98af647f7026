"""What AWS has on offer in a rehearsal: GPU instance types, retired ones, machine images and their public parameters.

A stand-in: names, owners, types and prices are AWS's, image ids are made from name and region.
"""

from __future__ import annotations

import csv
import functools
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

DATA = Path(__file__).resolve().parent / "data"
AMIS = DATA / "amis.json"
GPU_TYPES = DATA / "ec2-gpu-types.csv"
"""DescribeInstanceTypes and offerings as of August 2026, prices of us-east-1 as of 2026-07-20."""

RETIRED = frozenset(
    [
        *("g2.2xlarge", "g2.8xlarge"),
        *("g3.4xlarge", "g3.8xlarge", "g3.16xlarge", "g3s.xlarge"),
        *("p2.xlarge", "p2.8xlarge", "p2.16xlarge"),
        *("p3.2xlarge", "p3.8xlarge", "p3.16xlarge"),
    ]
)
"""GPU types that once were and that AWS now answers with Unsupported."""

UNSUPPORTED = (
    "The requested configuration is currently not supported. "
    "Please check the documentation for supported configurations."
)


@dataclass(frozen=True)
class Image:
    """A machine image in one region. `root_gib` is the size of its snapshot, the least a root volume can have."""

    id: str
    name: str
    description: str
    owner_id: str
    owner_alias: str | None
    creation_date: str
    root_gib: int
    login: str
    ssm: str


@dataclass(frozen=True)
class GpuType:
    """An instance type with a GPU. Memory in MiB and GiB as named; `regions` are the course pages' that offer it.

    `usd` is the price of an hour on demand in us-east-1, None where AWS names none.
    """

    name: str
    vendor: str
    model: str
    gpus: float
    gpu_mib: int
    vcpus: int
    ram_gib: float
    nvme_gb: int
    arch: str
    usd: float | None
    regions: frozenset[str]


@functools.cache
def images(region: str) -> tuple[Image, ...]:
    """The public images of a region. Ids differ from region to region, as AWS's do, and stay the same between runs."""
    rows = json.loads(AMIS.read_text(encoding="utf-8"))
    return tuple(Image(id=image_id(region, row["name"]), **row) for row in rows)


def image_id(region: str, name: str) -> str:
    """An id in AWS's form (ami- and 17 hex digits) for a name in a region."""
    return "ami-0" + hashlib.sha256(f"{region} {name}".encode()).hexdigest()[:16]


def login(region: str, image: str) -> str:
    """The login user of an image; that of Ubuntu for images that somebody made of a running host."""
    return next((one.login for one in images(region) if one.id == image), "ubuntu")


def parameters(region: str) -> dict[str, str]:
    """Public SSM parameters of a region: name -> image id."""
    return {one.ssm: one.id for one in images(region)}


@functools.cache
def gpu_types() -> tuple[GpuType, ...]:
    """The GPU types of the table, in its order."""
    with GPU_TYPES.open(encoding="utf-8", newline="") as lines:
        return tuple(_gpu_type(row) for row in csv.DictReader(lines))


def _gpu_type(row: dict[str, str]) -> GpuType:
    columns = [name for name in row if name.startswith("offered_") and row[name] == "1"]
    return GpuType(
        name=row["instance_type"],
        vendor=row["gpu_vendor"],
        model=row["gpu_model"],
        gpus=float(row["gpu_count"]),
        gpu_mib=int(row["gpu_mem_mib_total"]),
        vcpus=int(row["vcpus"]),
        ram_gib=float(row["ram_gib"]),
        nvme_gb=int(row["nvme_gb"] or 0),
        arch=row["arch"],
        usd=float(row["usd_per_hour_us_east_1"]) if row["usd_per_hour_us_east_1"] else None,
        regions=frozenset(name.removeprefix("offered_") for name in columns),
    )


def described(gpu: GpuType) -> dict[str, object]:
    """A GPU type in the shape of DescribeInstanceTypes, with the fields that the table can fill."""
    count = max(int(gpu.gpus), 1)
    shape: dict[str, object] = {
        "InstanceType": gpu.name,
        "CurrentGeneration": True,
        "FreeTierEligible": False,
        "BareMetal": gpu.name.endswith(".metal"),
        "SupportedUsageClasses": ["on-demand", "spot"],
        "SupportedRootDeviceTypes": ["ebs"],
        "SupportedVirtualizationTypes": ["hvm"],
        "ProcessorInfo": {"SupportedArchitectures": [gpu.arch]},
        "VCpuInfo": {"DefaultVCpus": gpu.vcpus},
        "MemoryInfo": {"SizeInMiB": int(gpu.ram_gib * 1024)},
        "InstanceStorageSupported": gpu.nvme_gb > 0,
        "GpuInfo": {
            "Gpus": [
                {
                    "Name": gpu.model,
                    "Manufacturer": gpu.vendor,
                    "Count": count,
                    "MemoryInfo": {"SizeInMiB": gpu.gpu_mib // count},
                }
            ],
            "TotalGpuMemoryInMiB": gpu.gpu_mib,
        },
    }
    if gpu.nvme_gb:
        shape["InstanceStorageInfo"] = {"TotalSizeInGB": gpu.nvme_gb}
    return shape

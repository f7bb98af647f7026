"""EC2 types with an NVIDIA GPU that CUDA on x86_64 can use: what is in them and what an hour costs. Plain data, dated.

Hardware: AWS DescribeInstanceTypes as of 2026-08-02. Price: on demand, Linux, us-east-1, AWS price list of 2026-07-20.
Left out on purpose: g4ad (AMD, no CUDA), g5g (arm64) and the types without a public on-demand price.
A price is no evidence that a type still exists (AWS's list still carries g2): DescribeInstanceTypeOfferings is.
"""

from __future__ import annotations

PRICE_DATE = "2026-07-20"
PRICE_REGION = "us-east-1"

# type: (GPU, GPUs (a fraction is a slice), GPU memory MiB in all, vCPUs, USD per hour in PRICE_REGION)
GPU_TYPES = {
    "g4dn.xlarge": ("T4", 1, 16384, 4, 0.526),
    "g4dn.2xlarge": ("T4", 1, 16384, 8, 0.752),
    "g4dn.4xlarge": ("T4", 1, 16384, 16, 1.204),
    "g4dn.8xlarge": ("T4", 1, 16384, 32, 2.176),
    "g4dn.12xlarge": ("T4", 4, 65536, 48, 3.912),
    "g4dn.16xlarge": ("T4", 1, 16384, 64, 4.352),
    "g4dn.metal": ("T4", 8, 131072, 96, 7.824),
    "g5.xlarge": ("A10G", 1, 22888, 4, 1.006),
    "g5.2xlarge": ("A10G", 1, 22888, 8, 1.212),
    "g5.4xlarge": ("A10G", 1, 22888, 16, 1.624),
    "g5.8xlarge": ("A10G", 1, 22888, 32, 2.448),
    "g5.12xlarge": ("A10G", 4, 91552, 48, 5.672),
    "g5.16xlarge": ("A10G", 1, 22888, 64, 4.096),
    "g5.24xlarge": ("A10G", 4, 91552, 96, 8.144),
    "g5.48xlarge": ("A10G", 8, 183104, 192, 16.288),
    "g6.xlarge": ("L4", 1, 22888, 4, 0.8048),
    "g6.2xlarge": ("L4", 1, 22888, 8, 0.9776),
    "g6.4xlarge": ("L4", 1, 22888, 16, 1.3232),
    "g6.8xlarge": ("L4", 1, 22888, 32, 2.0144),
    "g6.12xlarge": ("L4", 4, 91552, 48, 4.6016),
    "g6.16xlarge": ("L4", 1, 22888, 64, 3.3968),
    "g6.24xlarge": ("L4", 4, 91552, 96, 6.6752),
    "g6.48xlarge": ("L4", 8, 183104, 192, 13.3504),
    "g6e.xlarge": ("L40S", 1, 45776, 4, 1.861),
    "g6e.2xlarge": ("L40S", 1, 45776, 8, 2.24208),
    "g6e.4xlarge": ("L40S", 1, 45776, 16, 3.00424),
    "g6e.8xlarge": ("L40S", 1, 45776, 32, 4.52856),
    "g6e.12xlarge": ("L40S", 4, 183104, 48, 10.49264),
    "g6e.16xlarge": ("L40S", 1, 45776, 64, 7.57719),
    "g6e.24xlarge": ("L40S", 4, 183104, 96, 15.06559),
    "g6e.48xlarge": ("L40S", 8, 366208, 192, 30.13118),
    "g6f.large": ("L4", 0.125, 2861, 2, 0.202),
    "g6f.xlarge": ("L4", 0.125, 2861, 4, 0.2375),
    "g6f.2xlarge": ("L4", 0.25, 5722, 8, 0.475),
    "g6f.4xlarge": ("L4", 0.5, 11444, 16, 0.95),
    "g7.2xlarge": ("RTX PRO 4500", 1, 32768, 8, 2.52),
    "g7.4xlarge": ("RTX PRO 4500", 1, 32768, 16, 3.04208),
    "g7.8xlarge": ("RTX PRO 4500", 1, 32768, 32, 4.08624),
    "g7.12xlarge": ("RTX PRO 4500", 2, 65536, 48, 7.12832),
    "g7.24xlarge": ("RTX PRO 4500", 4, 131072, 96, 14.25664),
    "g7.48xlarge": ("RTX PRO 4500", 8, 262144, 192, 28.51328),
    "g7e.2xlarge": ("RTX PRO Server 6000", 1, 98304, 8, 3.36312),
    "g7e.4xlarge": ("RTX PRO Server 6000", 1, 98304, 16, 3.99816),
    "g7e.8xlarge": ("RTX PRO Server 6000", 1, 98304, 32, 5.26824),
    "g7e.12xlarge": ("RTX PRO Server 6000", 2, 196608, 48, 8.28608),
    "g7e.24xlarge": ("RTX PRO Server 6000", 4, 393216, 96, 16.57216),
    "g7e.48xlarge": ("RTX PRO Server 6000", 8, 786432, 192, 33.14432),
    "gr6.4xlarge": ("L4", 1, 22888, 16, 1.5392),
    "gr6.8xlarge": ("L4", 1, 22888, 32, 2.4464),
    "gr6f.4xlarge": ("L4", 0.5, 11444, 16, 1.066),
    "p3dn.24xlarge": ("V100", 8, 262144, 96, 31.212),
    "p4d.24xlarge": ("A100", 8, 327680, 96, 21.957642),
    "p4de.24xlarge": ("A100", 8, 655360, 96, 27.44705),
    "p5.4xlarge": ("H100", 1, 81920, 16, 6.88),
    "p5.48xlarge": ("H100", 8, 655360, 192, 55.04),
    "p5en.48xlarge": ("H200", 8, 1155072, 192, 63.296),
    "p6-b200.48xlarge": ("B200", 8, 1466872, 192, 113.9328),
    "p6-b300.48xlarge": ("B300", 8, 2200320, 192, 142.416),
}

# g4dn.xlarge, the default type, region by region: USD per hour, on demand, Linux.
G4DN_XLARGE_USD = {
    "us-east-1": 0.526,
    "us-east-2": 0.526,
    "us-west-2": 0.526,
    "eu-north-1": 0.558,
    "ap-south-1": 0.579,
    "ca-central-1": 0.584,
    "eu-west-1": 0.587,
    "eu-west-2": 0.615,
    "eu-west-3": 0.615,
    "ap-northeast-2": 0.647,
    "eu-central-1": 0.658,
    "ap-southeast-2": 0.684,
    "ap-northeast-1": 0.71,
    "ap-southeast-1": 0.736,
}

# What AWS took away: family: (GPU, gone from AWS's own lists by, what does the same job today).
RETIRED = {
    "g2": ("GRID K520", "2023-10-08", "g4dn.xlarge"),
    "g3": ("Tesla M60", "2024-11-17", "g4dn.xlarge"),
    "g3s": ("Tesla M60", "2024-11-17", "g4dn.xlarge"),
    "p2": ("Tesla K80", "2025-03-30", "g4dn.xlarge"),
    "p3": ("Tesla V100", "2026-05-01", "g5.xlarge"),
}

GP3_USD_PER_GB_MONTH = 0.08
PUBLIC_IPV4_USD_PER_HOUR = 0.005
HOURS_PER_MONTH = 730


def retired(instance_type):
    """Return (GPU, date, successor) when the family of `instance_type` is gone from EC2, else None."""
    return RETIRED.get(instance_type.split(".")[0])


def price(instance_type, region, volume_gb=0):
    """Return what an hour of `instance_type` in `region` costs, or None when the table does not know the type.

    The dict has usd_per_hour (host + disk + public address), host_usd_per_hour, disk_usd_per_hour,
    address_usd_per_hour, stopped_usd_per_hour (the disk alone), source, date and exact (False when the host's
    figure is us-east-1's, standing in for a region that the table does not have).
    """
    if instance_type not in GPU_TYPES:
        return None
    regional = G4DN_XLARGE_USD.get(region)
    ratio = regional / G4DN_XLARGE_USD[PRICE_REGION] if regional else 1.0
    exact = region == PRICE_REGION or (instance_type == "g4dn.xlarge" and regional is not None)
    host = GPU_TYPES[instance_type][4] * ratio
    return hourly(
        host, GP3_USD_PER_GB_MONTH, PUBLIC_IPV4_USD_PER_HOUR, volume_gb, "table in gpulab.core", PRICE_DATE, exact
    )


def hourly(host, gb_month, address, volume_gb, source, date, exact):
    """Return the dict that price() describes, of USD per hour (host, address) and per GB and month (gb_month)."""
    disk = volume_gb * gb_month / HOURS_PER_MONTH
    return {
        "usd_per_hour": round(host + disk + address, 4),
        "host_usd_per_hour": round(host, 4),
        "disk_usd_per_hour": round(disk, 4),
        "address_usd_per_hour": round(address, 4),
        "stopped_usd_per_hour": round(disk, 4),
        "source": source,
        "date": date,
        "exact": exact,
    }

"""DescribeRegions as AWS answers it: what an account has enabled, or all with their state. moto lists every region."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from rehearsal.patching import amend

# https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-regions.html, "enabled by default", of 2026-11
ENABLED = frozenset(
    {
        *("ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1", "ap-southeast-2"),
        *("ca-central-1", "eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3"),
        *("sa-east-1", "us-east-1", "us-east-2", "us-west-1", "us-west-2"),
    }
)


@functools.cache
def known() -> frozenset[str]:
    """The regions that botocore knows for EC2 outside China and GovCloud. moto has read botocore's list already."""
    from moto.ec2.models import EC2Backend

    return frozenset(one.name for one in EC2Backend.regions if not one.name.startswith(("cn-", "us-gov-")))


def install() -> None:
    """Amend moto's answer; filters by region-name and opt-in-status count, as at AWS."""
    from moto.ec2.responses.availability_zones_and_regions import AvailabilityZonesAndRegions

    def describer(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def describe(response: Any) -> Any:
            answer = original(response)
            regions = [_told(one) for one in answer.result["Regions"] if one.name in known()]
            if not response._get_bool_param("AllRegions", False):
                regions = [one for one in regions if one["OptInStatus"] != "not-opted-in"]
            filters = response._filters_from_querystring()
            for name, key in (("region-name", "RegionName"), ("opt-in-status", "OptInStatus")):
                regions = [one for one in regions if name not in filters or one[key] in filters[name]]
            answer.result["Regions"] = regions
            return answer

        return describe

    amend(AvailabilityZonesAndRegions, "describe_regions", describer)


def _told(region: Any) -> dict[str, str]:
    status = "opt-in-not-required" if region.name in ENABLED else "not-opted-in"
    return {"RegionName": region.name, "Endpoint": region.endpoint, "OptInStatus": status}

"""gpu_catalogue: prices add up, say where they come from, and retired families name a successor that exists."""

from __future__ import annotations

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import gpu_catalogue as catalogue


def test_the_parts_of_a_price_add_up():
    price = catalogue.price("g4dn.xlarge", "us-east-1", 100)
    assert price["host_usd_per_hour"] == 0.526
    assert price["disk_usd_per_hour"] == pytest.approx(8 / 730, abs=1e-4)
    assert price["usd_per_hour"] == pytest.approx(0.526 + 8 / 730 + 0.005, abs=1e-4)
    assert price["stopped_usd_per_hour"] == price["disk_usd_per_hour"]
    assert price["exact"]


@pytest.mark.parametrize(
    ("instance_type", "region", "usd", "exact"),
    [
        ("g4dn.xlarge", "eu-west-1", 0.587, True),
        ("g5.xlarge", "us-east-1", 1.006, True),
        ("g5.xlarge", "us-east-2", 1.006, False),
        ("g4dn.xlarge", "sa-east-1", 0.526, False),
    ],
)
def test_another_regions_price_says_whether_it_is_exact(instance_type, region, usd, exact):
    price = catalogue.price(instance_type, region)
    assert price["exact"] is exact
    assert price["host_usd_per_hour"] >= usd - 1e-9


def test_an_unknown_type_has_no_price():
    assert catalogue.price("zz9.plural", "us-east-1") is None


def test_every_retired_family_has_a_successor_that_can_be_bought():
    for family, (_, _, successor) in catalogue.RETIRED.items():
        assert successor in catalogue.GPU_TYPES
        assert catalogue.retired(f"{family}.xlarge")
        assert not any(t.split(".")[0] == family for t in catalogue.GPU_TYPES)


def test_p3dn_outlived_p3():
    assert catalogue.retired("p3dn.24xlarge") is None

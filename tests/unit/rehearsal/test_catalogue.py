"""The catalogue: images, parameters and GPU types."""

from __future__ import annotations

import re

import pytest

from rehearsal import catalogue


def test_image_ids_have_aws_s_form_and_differ_by_region_and_name() -> None:
    ids = [one.id for region in ("us-east-1", "eu-west-1") for one in catalogue.images(region)]
    assert len(set(ids)) == len(ids) == 2 * len(catalogue.images("us-east-1"))
    assert all(re.fullmatch(r"ami-[0-9a-f]{17}", one) for one in ids)
    assert catalogue.images("us-east-1") == catalogue.images("us-east-1")


@pytest.mark.parametrize(
    "name",
    [
        "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id",
        "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-22.04/latest/ami-id",
        "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id",
    ],
)
def test_parameters_name_the_images(name: str) -> None:
    image = catalogue.parameters("us-west-2")[name]
    assert image in {one.id for one in catalogue.images("us-west-2")}
    assert catalogue.login("us-west-2", image) == "ubuntu"


def test_owners_are_those_of_aws_and_canonical() -> None:
    owners = {one.owner_id: one.name.split()[0] for one in catalogue.images("us-east-1")}
    assert set(owners) == {"898082745236", "099720109477"}
    assert not any("udacity" in one.name for one in catalogue.images("us-east-1"))


def test_the_table_of_gpu_types_reads_whole() -> None:
    types = {one.name: one for one in catalogue.gpu_types()}
    assert len(types) == 70
    t4 = types["g4dn.xlarge"]
    assert (t4.vendor, t4.model, t4.gpus, t4.gpu_mib, t4.vcpus) == ("NVIDIA", "T4", 1, 16384, 4)
    assert "eu-west-1" in t4.regions
    assert "eu-west-1" not in types["g6.xlarge"].regions
    assert not set(types) & catalogue.RETIRED


def test_a_described_type_shares_its_memory_among_its_gpus() -> None:
    shape = catalogue.described(next(one for one in catalogue.gpu_types() if one.name == "g4ad.16xlarge"))
    gpu_info = shape["GpuInfo"]
    assert isinstance(gpu_info, dict)
    (gpu,) = gpu_info["Gpus"]
    assert (gpu["Count"], gpu["MemoryInfo"]["SizeInMiB"], gpu_info["TotalGpuMemoryInMiB"]) == (4, 8192, 32768)

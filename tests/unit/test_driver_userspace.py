"""The packages whose libraries are missing follow from the package of the kernel module."""

from __future__ import annotations

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import driver_userspace


@pytest.mark.parametrize(
    ("installed", "names"),
    [
        (["nvidia-kernel-dkms", "nvidia-kernel-support"], ["libcuda1", "libnvidia-ml1", "nvidia-smi"]),
        (["nvidia-open-kernel-dkms"], ["libcuda1", "libnvidia-ml1", "nvidia-smi"]),
        (
            ["nvidia-tesla-470-kernel-dkms"],
            ["libnvidia-tesla-470-cuda1", "libnvidia-tesla-470-ml1", "nvidia-tesla-470-smi"],
        ),
        (["nvidia-dkms-535-server"], ["libnvidia-compute-535-server", "nvidia-utils-535-server"]),
        (["nvidia-dkms-535"], ["libnvidia-compute-535", "nvidia-utils-535"]),
        (["linux-modules-nvidia-570-aws"], ["libnvidia-compute-570", "nvidia-utils-570"]),
        (["nvidia-modprobe", "nvidia-kernel-common", "linux-image-amd64"], []),
    ],
)
def test_names_follow_the_kernel_module(installed: list[str], names: list[str]) -> None:
    assert driver_userspace.names(installed) == names


def test_only_what_is_missing_and_on_offer_at_that_version_is_added() -> None:
    installed = ["nvidia-kernel-dkms", "nvidia-smi"]
    candidates = {"libcuda1": "535.309.01-0+deb12u1", "libnvidia-ml1": "550.163.01-2", "nvidia-smi": "535.309.01-1"}
    assert driver_userspace.missing(installed, candidates, "535.309.01") == ["libcuda1=535.309.01-0+deb12u1"]
    assert driver_userspace.missing(installed, {}, "535.309.01") == []

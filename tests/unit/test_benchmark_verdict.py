"""The verdict on a benchmark, as a table."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpulab.core.plugins.module_utils.benchmark_verdict import verdict


def device(seconds: float, doubts: list[str] | None = None) -> dict[str, Any]:
    return {"seconds_per_epoch": seconds, "reliable": not doubts, "unreliable_reasons": doubts or []}


def document(**devices: dict[str, Any]) -> dict[str, Any]:
    found = {"cuda": "cuda" in devices, "name": "Tesla T4" if "cuda" in devices else None}
    return {"torch": "2.13.0", "lenet": devices, "device_found": found, "gates": {"passed": True, "reasons": []}}


CPU_ONLY = document(cpu=device(5))
BOTH = document(cpu=device(5), cuda=device(1))
MISSED = CPU_ONLY | {"gates": {"passed": False, "reasons": ["LeNet-5 on cpu: too low."]}}
IGNORED = CPU_ONLY | {"device_found": {"cuda": True, "name": "Tesla T4"}}
BUSY = document(cpu=device(5, ["busy."]), cuda=device(1))

CASES = [
    # result, GPU expected, real AWS, verdict, part of the first reason
    (None, True, True, "failed", "no benchmark result"),
    (None, True, False, "failed", "no benchmark result"),
    ({}, True, False, "failed", "no benchmark result"),
    (MISSED, True, False, "failed", "LeNet-5 on cpu: too low."),
    (MISSED, False, True, "failed", "LeNet-5 on cpu: too low."),
    (CPU_ONLY | {"gates": {}}, True, False, "failed", "gates"),
    ({k: v for k, v in CPU_ONLY.items() if k != "gates"}, True, False, "failed", "gates"),
    (CPU_ONLY, True, False, "rehearsed", "No GPU was used, because the endpoint is not AWS"),
    (CPU_ONLY, False, False, "rehearsed", "No GPU was used, because the endpoint is not AWS"),
    (CPU_ONLY, True, True, "failed", "torch 2.13.0 found no CUDA device and fell back to the CPU"),
    (CPU_ONLY, False, True, "rehearsed", "No GPU was used, because the host was not asked for with one"),
    (IGNORED, True, True, "failed", "saw Tesla T4 but did not train on it"),
    (BOTH, True, True, "verified", "Tesla T4 trains LeNet-5 5.0 times as fast as the CPU"),
    (BOTH, True, False, "rehearsed", "Tesla T4 trains LeNet-5 5.0 times as fast as the CPU"),
    (document(cpu=device(3), cuda=device(2)), True, True, "verified", "1.5 times"),
    (
        document(cpu=device(2.9), cuda=device(2)),
        True,
        True,
        "failed",
        "1.45 times as fast as the CPU, expected at least 1.50",
    ),
    (document(cuda=device(1)), True, True, "failed", "Only the GPU was timed"),
    (BUSY, True, True, "failed", "The CPU figure is unreliable: busy."),
    (document(cpu=device(5), cuda={"seconds_per_epoch": 1}), True, True, "failed", "The CUDA figure is unreliable"),
]


@pytest.mark.parametrize(("result", "gpu_expected", "real_aws", "expected", "reason"), CASES)
def test_verdict(result: dict[str, Any] | None, gpu_expected: bool, real_aws: bool, expected: str, reason: str) -> None:
    judged = verdict(result, gpu_expected, real_aws, 1.5)
    assert judged["verdict"] == expected
    assert reason in judged["reasons"][0]


def test_the_least_speedup_is_the_callers() -> None:
    assert verdict(BOTH, True, True, 5.0)["verdict"] == "verified"
    assert verdict(BOTH, True, True, 5.1)["verdict"] == "failed"

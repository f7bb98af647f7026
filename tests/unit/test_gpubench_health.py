"""The benchmark's findings about a GPU, from documents made by hand."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
UUID = "GPU-aaaa1111-2222-3333-4444-555566667777"
CODES = {
    *("throttled", "link_width", "ecc", "busy", "cpu_build", "slow_gemm", "slow_copy", "driver_too_old"),
    *("cuda_unavailable", "unread"),
}


@pytest.fixture
def health(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "roles/gpu_benchmark/files"))
    return importlib.import_module("gpubench.health")


def fake_gpu(name: str | None = "NVIDIA A10G", **changed: Any) -> dict[str, Any]:
    """A healthy A10G under load, made by hand."""
    usual = {
        "index": 0,
        "name": name,
        "uuid": UUID,
        "driver": "580.95.05",
        "under_load": True,
        "sm_clock_mhz": 1500,
        "sm_clock_max_mhz": 1710,
        "temperature_c": 61,
        "power_w": 290.0,
        "power_limit_w": 300.0,
        "power_limit_default_w": 300.0,
        "throttle_reasons": ["sw power cap"],
        "ecc_uncorrected": 0,
        "pcie_link": {"generation": 4, "generation_max": 4, "width": 16, "width_max": 16},
        "other_processes": [],
    }
    assert changed.keys() <= usual.keys()
    return {**usual, **changed}


def fake_probe(copy: float | None = 480.0, **rates: float | None) -> dict[str, Any]:
    """A healthy A10G's rates, made by hand (GFLOP/s)."""
    usual = {"float32": 23_000.0, "tf32": 34_000.0, "bfloat16": 66_000.0}
    return {"gemm_gflops": {**usual, **rates}, "copy_gbytes_per_second": copy, "uuid": UUID.removeprefix("GPU-")}


CPU_PROBE = {"gemm_gflops": {"float32": 1.0, "bfloat16": 1.0}, "copy_gbytes_per_second": 1.0, "threads": 2}


def findings(health: Any, **changed: Any) -> list[dict[str, str]]:
    """The findings on a healthy host with a GPU, with what was changed; whatever they say is well said."""
    usual = {
        "torch_version": "2.13.0",
        "torch_cuda": "13.0",
        "cuda_available": True,
        "gpus": [fake_gpu()],
        "probes": {"cpu": CPU_PROBE, "cuda": fake_probe()},
        "device_files": ["/dev/nvidia0", "/dev/nvidiactl", "/dev/nvidia-uvm"],
    }
    assert changed.keys() <= usual.keys()
    found: list[dict[str, str]] = health.findings(**{**usual, **changed})
    for finding in found:
        assert set(finding) == {"code", "severity", "sentence"}
        assert finding["code"] in CODES
        assert finding["severity"] in ("failed", "warning")
        assert re.search(r"expected .*: .*(`|see |run )", finding["sentence"])
        assert finding["sentence"].endswith(".")
        assert "None" not in finding["sentence"]
    return found


def codes(found: list[dict[str, str]]) -> list[tuple[str, str]]:
    return [(finding["code"], finding["severity"]) for finding in found]


def test_a_healthy_gpu_has_no_findings(health: Any) -> None:
    assert findings(health) == []


def test_a_cpu_host_has_no_findings(health: Any) -> None:
    cpu = {"gpus": [], "probes": {"cpu": CPU_PROBE}, "device_files": [], "cuda_available": False}
    assert findings(health, torch_version="2.13.0+cpu", torch_cuda=None, **cpu) == []
    assert findings(health, **cpu) == []


@pytest.mark.parametrize("reason", ["hw slowdown", "hw thermal slowdown", "sw thermal slowdown", "hw power brake"])
def test_heat_and_power_brakes_fail(health: Any, reason: str) -> None:
    gpu = fake_gpu(throttle_reasons=["gpu idle", reason, "reliability"], sm_clock_mhz=645, temperature_c=92)
    found = findings(health, gpus=[gpu])
    assert codes(found) == [("throttled", "failed")]
    assert (
        f"GPU 0 (NVIDIA A10G) is throttled to 645 of 1710 MHz at 92 degrees Celsius ({reason}:" in found[0]["sentence"]
    )


def test_a_lowered_power_limit_is_a_warning_and_the_cards_own_is_normal(health: Any) -> None:
    found = findings(health, gpus=[fake_gpu(power_limit_w=150.0)])
    assert codes(found) == [("throttled", "warning")]
    assert "150 W, expected the 300 W that it comes with" in found[0]["sentence"]
    assert "`sudo nvidia-smi -i 0 -pl 300`" in found[0]["sentence"]
    assert codes(findings(health, gpus=[fake_gpu(power_limit_default_w=None)])) == [("throttled", "warning")]
    assert findings(health, gpus=[fake_gpu(power_limit_w=150.0, throttle_reasons=[])]) == []
    gpu = fake_gpu()
    del gpu["power_limit_default_w"]
    assert codes(findings(health, gpus=[gpu])) == [("throttled", "warning")]


@pytest.mark.parametrize(
    ("width", "most", "loaded", "expected"),
    [
        (16, 16, True, []),
        (8, 16, True, [("link_width", "warning")]),
        (4, 16, True, [("link_width", "failed")]),
        (1, 16, True, [("link_width", "failed")]),
        (1, 16, False, []),
        (None, 16, True, []),
        (8, None, True, []),
    ],
)
def test_missing_lanes_under_load(health: Any, width: Any, most: Any, loaded: bool, expected: Any) -> None:
    link = {"generation": 4, "generation_max": 4, "width": width, "width_max": most}
    assert codes(findings(health, gpus=[fake_gpu(pcie_link=link, under_load=loaded)])) == expected


def test_a_lower_generation_is_no_finding(health: Any) -> None:
    link = {"generation": 1, "generation_max": 4, "width": 16, "width_max": 16}
    assert findings(health, gpus=[fake_gpu(pcie_link=link)]) == []


def test_memory_errors_fail(health: Any) -> None:
    found = findings(health, gpus=[fake_gpu(ecc_uncorrected=2)])
    assert codes(found) == [("ecc", "failed")]
    assert "2 uncorrected memory error(s)" in found[0]["sentence"]
    assert findings(health, gpus=[fake_gpu(ecc_uncorrected=None)]) == []


@pytest.mark.parametrize(
    ("processes", "text"),
    [
        ([{"pid": 99, "megabytes": 1235}], "1 other process (pid 99), expected"),
        ([{"pid": 99, "megabytes": None}, {"pid": 7, "megabytes": 1}], "2 other processes (pid 99, 7), expected"),
        ([{"pid": None, "megabytes": None}], "1 other process, expected"),
    ],
)
def test_another_process_is_a_warning(health: Any, processes: list[dict[str, Any]], text: str) -> None:
    found = findings(health, gpus=[fake_gpu(other_processes=processes)])
    assert codes(found) == [("busy", "warning")]
    assert text in found[0]["sentence"]


@pytest.mark.parametrize("gpus", [[], [fake_gpu()]])
@pytest.mark.parametrize("files", [[], ["/dev/nvidiactl", "/dev/nvidia3"]])
def test_the_cpu_build_on_a_gpu_host_fails(health: Any, gpus: list[dict[str, Any]], files: list[str]) -> None:
    host = {"gpus": gpus, "device_files": files, "probes": {"cpu": CPU_PROBE}, "cuda_available": False}
    found = findings(health, torch_version="2.13.0+cpu", torch_cuda=None, **host)
    assert codes(found) == ([("cpu_build", "failed")] if gpus or files else [])
    for finding in found:
        there = "NVIDIA A10G" if gpus else "/dev/nvidia3"
        assert (
            f"torch 2.13.0+cpu is the CPU build, expected one with CUDA on a host that has {there}"
            in finding["sentence"]
        )


@pytest.mark.parametrize(
    ("cuda", "driver", "code", "text"),
    [
        ("13.0", "470.256.02", "driver_too_old", "driver 470.256.02, expected 580 or newer for CUDA 13.0"),
        ("13.0", "579.99", "driver_too_old", "expected 580 or newer"),
        ("12.6", "525.60.12", "driver_too_old", "expected 525.60.13 or newer"),
        ("13.0", None, "driver_too_old", "driver unknown, expected 580 or newer"),
        ("99.0", "580.95.05", "driver_too_old", "expected the one that this CUDA asks for"),
        ("13.0", "580.95.05", "cuda_unavailable", "which is new enough for CUDA 13.0"),
        ("11.8", "525.60.13", "cuda_unavailable", "which is new enough for CUDA 11.8"),
    ],
)
def test_no_cuda_though_nvml_sees_a_gpu(health: Any, cuda: str, driver: str | None, code: str, text: str) -> None:
    host = {"gpus": [fake_gpu(driver=driver, under_load=False)], "probes": {"cpu": CPU_PROBE}, "cuda_available": False}
    found = findings(health, torch_cuda=cuda, **host)
    assert codes(found) == [(code, "failed")]
    assert text in found[0]["sentence"]


def test_a_gpu_that_nvml_does_not_show_is_a_warning(health: Any) -> None:
    assert codes(findings(health, gpus=[])) == [("unread", "warning")]


CU130 = ["sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120", "compute_120"]


@pytest.mark.parametrize(
    ("capability", "architectures", "works"),
    [
        ((7, 5), CU130, True),
        ((8, 9), CU130, True),
        ((10, 3), CU130, True),
        ((12, 1), CU130, True),
        ((13, 0), CU130, True),
        ((7, 0), CU130, False),
        ((3, 7), CU130, False),
        ((10, 0), ["sm_90", "sm_90a"], False),
        ((9, 1), ["sm_90a"], False),
        ((9, 0), ["sm_90a"], True),
        ((7, 0), ["sm_37", "sm_50"], False),
        ((7, 0), ["sm_37", "compute_37"], True),
        ((7, 5), [], False),
    ],
)
def test_pytorch_has_code_for_a_gpu(
    health: Any, capability: tuple[int, int], architectures: list[str], works: bool
) -> None:
    found = health.unsupported("Tesla X", capability, architectures)
    assert (found is None) is works
    assert works or f"Tesla X (compute capability {capability[0]}.{capability[1]}), expected one of " in found


@pytest.mark.parametrize(
    ("rates", "slow"),
    [
        ({"float32": 15_090.0}, False),
        ({"float32": 15_070.0}, True),
        ({"tf32": 10_000.0}, True),
        ({"bfloat16": 30_000.0}, True),
        ({"float32": None, "tf32": None, "bfloat16": None}, False),
    ],
)
def test_a_slow_multiplication_fails(health: Any, rates: dict[str, float | None], slow: bool) -> None:
    found = findings(health, probes={"cuda": fake_probe(**rates)})
    assert codes(found) == [("slow_gemm", "failed")] * slow


def test_a_slow_multiplication_is_told_with_its_share(health: Any) -> None:
    (found,) = findings(health, probes={"cuda:0": fake_probe(float32=7_000.0)})
    assert "float32 matrices at 7 TFLOP/s, 20% of its data sheet's 35, expected at least 15.1" in found["sentence"]


@pytest.mark.parametrize(("copy", "slow"), [(301.0, False), (299.0, True), (None, False)])
def test_a_slow_copy_fails(health: Any, copy: float | None, slow: bool) -> None:
    found = findings(health, probes={"cuda": fake_probe(copy=copy)})
    assert codes(found) == [("slow_copy", "failed")] * slow


def test_rates_are_those_of_the_gpu_that_was_probed(health: Any) -> None:
    slow_for_h100 = {"cuda": fake_probe()}
    other = fake_gpu("NVIDIA H100 80GB HBM3", index=1, uuid="GPU-bbbb")
    assert findings(health, gpus=[other, fake_gpu()], probes=slow_for_h100) == []
    assert findings(health, gpus=[other, other], probes=slow_for_h100) == []
    (first, *_) = findings(health, gpus=[other], probes=slow_for_h100)
    assert (first["code"], "H100" in first["sentence"]) == ("slow_gemm", True)


@pytest.mark.parametrize("name", ["NVIDIA L4-3Q", "NVIDIA A100-SXM4-40GB MIG 1g.5gb", "NVIDIA GeForce RTX 5090", None])
def test_a_gpu_that_is_not_in_the_table_is_not_judged_by_it(health: Any, name: str | None) -> None:
    assert findings(health, gpus=[fake_gpu(name=name)], probes={"cuda": fake_probe(float32=1.0, copy=1.0)}) == []


def test_failures_come_before_warnings(health: Any) -> None:
    sick = fake_gpu(other_processes=[{"pid": 9, "megabytes": 1}], ecc_uncorrected=1)
    assert codes(findings(health, gpus=[sick])) == [("ecc", "failed"), ("busy", "warning")]

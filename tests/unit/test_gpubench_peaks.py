"""The benchmark's table of what GPUs should reach."""

from __future__ import annotations

import csv
import importlib
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def peaks(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "roles/gpu_benchmark/files"))
    return importlib.import_module("gpubench.peaks")


@pytest.mark.parametrize(
    ("name", "gpu"),
    [
        ("Tesla T4", "T4"),
        ("NVIDIA T4G", "T4g"),
        ("NVIDIA A10G", "A10G"),
        ("NVIDIA L4", "L4"),
        ("NVIDIA L40S", "L40S"),
        ("NVIDIA Tesla V100-SXM2-32GB", "V100"),
        ("A100-SXM4-40GB", "A100 40 GB"),
        ("NVIDIA A100-SXM4-80GB", "A100 80 GB"),
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "RTX PRO Server 6000"),
    ],
)
def test_rows_are_found_by_nvmls_names(peaks: Any, name: str, gpu: str) -> None:
    assert peaks.row(name)["gpu"] == gpu


def test_the_table_has_every_nvidia_gpu_of_ec2(peaks: Any) -> None:
    with (ROOT / "rehearsal/data/ec2-gpu-types.csv").open(encoding="utf-8") as file:
        models = {row["gpu_model"] for row in csv.DictReader(file) if row["gpu_vendor"] == "NVIDIA"}
    assert len(models) >= 10
    known = {row["gpu"].split(" ")[0] if "GB" in row["gpu"] else row["gpu"] for row in peaks.table()["gpus"]}
    assert models - known == set()


def test_rows_are_whole_and_plausible(peaks: Any) -> None:
    names = [name for row in peaks.table()["gpus"] for name in row["names"]]
    assert len(names) == len(set(names))
    for row in peaks.table()["gpus"]:
        assert {"gpu", "names", *peaks.PRECISIONS, peaks.MEMORY, "pcie", "source", "dated"} <= row.keys()
        assert row.get("note") or None not in [row[key] for key in (*peaks.PRECISIONS, peaks.MEMORY, "source", "dated")]
        assert row["dated"] is None or re.fullmatch(r"20\d\d-\d\d", row["dated"])
        rates = [row[key] for key in ("float32", "tf32", "bfloat16") if row[key]]
        assert rates == sorted(rates)
        for precision, measured in row.get("measured", {}).items():
            assert 0.3 < measured / row[precision] <= 1, (row["gpu"], precision)
            assert peaks.least_tflops(row, precision) < measured


def test_a_rate_that_nobody_measured_is_judged_by_its_sheet(peaks: Any) -> None:
    share = peaks.table()["least"]["of_peak"]["share"]
    assert peaks.least_tflops(peaks.row("NVIDIA A100-SXM4-40GB"), "tf32") == pytest.approx(share * 156)
    assert peaks.least_tflops(peaks.row("Tesla T4"), "tf32") is None
    assert peaks.least_tflops(peaks.row("Tesla T4"), "float64") is None


def test_every_share_has_its_reason(peaks: Any) -> None:
    assert set(peaks.table()["least"]) == {"of_measured", "of_peak", "of_memory"}
    for least in peaks.table()["least"].values():
        assert 0 < least["share"] < 1
        assert len(least["reason"]) > 40


def test_a_copy_is_judged_by_half_of_its_sheet(peaks: Any) -> None:
    assert peaks.least_copy(peaks.row("NVIDIA A10G")) == 300
    assert peaks.least_copy(peaks.row("NVIDIA T4G")) is None


@pytest.mark.parametrize("name", ["NVIDIA L4-3Q", "NVIDIA A100-SXM4-40GB MIG 1g.5gb", "NVIDIA L", "", None])
def test_a_name_is_matched_whole(peaks: Any, name: str | None) -> None:
    assert peaks.named(name) is None


def test_the_peaks_of_a_result_are_those_of_the_row(peaks: Any) -> None:
    expected = {"float32": 35.0, "tf32": 35.0, "bfloat16": 70.0, "memory_gbytes_per_second": 600}
    assert peaks.named("NVIDIA A10G") == expected

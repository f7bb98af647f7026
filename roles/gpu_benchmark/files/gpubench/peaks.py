"""What a GPU should reach: data-sheet peaks, what healthy cards were measured at, and below which share it is slow.

The numbers, their sources and the reasons for the shares are gpu_peaks.json.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PRECISIONS, MEMORY = ("float32", "tf32", "bfloat16"), "memory_gbytes_per_second"


@functools.cache
def table() -> dict[str, Any]:
    """gpu_peaks.json."""
    loaded: dict[str, Any] = json.loads(Path(__file__).with_name("gpu_peaks.json").read_text(encoding="utf-8"))
    return loaded


def row(name: str | None) -> dict[str, Any] | None:
    """The table's row for a GPU by NVML's name; None where it has not that very GPU (a MIG slice, say)."""
    plain = re.sub(r"^(NVIDIA |Tesla )+", "", name or "")
    found: dict[str, Any] | None = next((entry for entry in table()["gpus"] if plain in entry["names"]), None)
    return found


def named(name: str | None) -> dict[str, float | None] | None:
    """The result's `peaks` of a GPU by NVML's name: TFLOP/s of each precision, GB/s of the memory; None if unknown."""
    found = row(name)
    return {key: found[key] for key in (*PRECISIONS, MEMORY)} if found else None


def least_tflops(entry: Mapping[str, Any], precision: str) -> float | None:
    """TFLOP/s that a healthy GPU of a table's row exceeds; None where its data sheet gives no such rate."""
    if entry.get(precision) is None:
        return None
    shares, measured = table()["least"], entry.get("measured", {}).get(precision)
    least: float = shares["of_measured" if measured else "of_peak"]["share"] * (measured or entry[precision])
    return least


def least_copy(entry: Mapping[str, Any]) -> float | None:
    """GB/s (read plus written) that a copy on a healthy GPU of a table's row exceeds; None where its sheet has none."""
    least: float | None = table()["least"]["of_memory"]["share"] * entry[MEMORY] if entry[MEMORY] else None
    return least

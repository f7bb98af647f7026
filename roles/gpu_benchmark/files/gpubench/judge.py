"""Is a figure to be trusted, and did the net learn what it should? Pure functions over numbers; no torch here."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

LEAST_CPU_SHARE = 0.9
MOST_SPREAD = 1.3
"""On a busy machine wall time outgrows CPU time, and chunks of equal work spread; both were measured up to 25-fold."""

LENET_FIRST_VALIDATION = 0.93
LENET_TEST = 0.98
LENET_EPOCHS = 10
"""LeNet-5 of the lab reaches 0.968 validation after one epoch and 0.988 test after ten (seed 0)."""


def cpu_doubts(wall: float, cpu: float, threads: int, chunks: Sequence[float]) -> list[str]:
    """Why a CPU timing is unreliable, a sentence each; [] when it is sound. Times in seconds."""
    doubts = []
    if cpu < LEAST_CPU_SHARE * threads * wall:
        doubts.append(
            f"The process got {cpu:.1f} s of CPU in {wall:.1f} s with {threads} thread(s), "
            f"expected at least {LEAST_CPU_SHARE * threads * wall:.1f}: run it on a quiet machine."
        )
    return doubts + spread_doubts(chunks)


def spread_doubts(chunks: Sequence[float]) -> list[str]:
    """Why equal pieces of work (seconds each) are too unequal to trust; [] when they agree."""
    if chunks and median(chunks) > MOST_SPREAD * min(chunks):
        return [
            f"The median chunk took {median(chunks):.4f} s, more than {MOST_SPREAD} times the fastest "
            f"({min(chunks):.4f} s): run it on a quiet machine."
        ]
    return []


def lenet_gates(device: str, accuracies: Sequence[float], test: float) -> list[str]:
    """What LeNet-5 should have learned and has not, a sentence each. Accuracies are validation per epoch, 0..1."""
    missed = []
    if accuracies[0] < LENET_FIRST_VALIDATION:
        missed.append(
            f"LeNet-5 on {device}: validation accuracy {accuracies[0]:.4f} after the first epoch, "
            f"expected at least {LENET_FIRST_VALIDATION}."
        )
    if len(accuracies) >= LENET_EPOCHS and test < LENET_TEST:
        missed.append(
            f"LeNet-5 on {device}: test accuracy {test:.4f} after {len(accuracies)} epochs, "
            f"expected at least {LENET_TEST}."
        )
    return missed


def gates(missed: Sequence[str]) -> dict[str, Any]:
    """The JSON's `gates` entry."""
    return {"passed": not missed, "reasons": list(missed)}

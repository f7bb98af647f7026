"""Hand-made benchmark documents for tests of the verdict, the picture and the report: fakes, nobody measured them."""

from __future__ import annotations

import copy
from typing import Any

IMAGES = {"lenet": 55000, "mlp": 60000}
LOSSES = {"lenet": 0.4, "mlp": 0.83}
BUSY = "The process got 3.0 s of CPU in 9.0 s with 2 thread(s), expected at least 16.2: run it on a quiet machine."

GPU = {
    "index": 0,
    "name": "Tesla T4",
    "uuid": "GPU-00000000-0000-0000-0000-000000000000",
    "driver": "580.126.09",
    "sm_clock_mhz": 585,
    "sm_clock_max_mhz": 1590,
    "temperature_c": 88,
    "power_w": 70.2,
    "power_limit_w": 70.0,
    "throttle_reasons": ["software thermal slowdown"],
    "ecc_uncorrected": 0,
    "pcie_link": {"generation": 3, "generation_max": 3, "width": None, "width_max": 16},
    "other_processes": [],
    "peaks": None,
}
"""A GPU too hot, as NVML would tell it."""


def run(net: str, seconds: float, doubts: list[str] | None = None, epochs: int = 10, **others: Any) -> dict[str, Any]:
    """A fake training run of so many seconds an epoch; `doubts` make it unreliable."""
    losses = [LOSSES[net] / epoch for epoch in range(1, epochs + 1)]
    made = {
        "style": "direct",
        "seconds_per_epoch": seconds,
        "images_per_second": IMAGES[net] / seconds,
        "epochs": epochs,
        "loss": losses[-1],
        "losses": losses,
        "walls": [seconds] * epochs,
        "first_epoch_seconds": seconds,
        "accuracy": 0.9871 if net == "lenet" else 0.9728,
        "accuracy_by_seed": [0.9871],
        "validation_accuracy": 0.986,
        "accuracies": [0.96] * epochs,
        "gflops": 50.0,
        "fraction_of_gemm_rate": 0.2,
        "floor_seconds_per_epoch": seconds / 1.8,
        "times_floor": 1.8,
        "threads": 2,
        "wall_seconds": seconds * epochs,
        "cpu_seconds": 2 * seconds * epochs,
        "load_average": 0.5,
        "reliable": not doubts,
        "unreliable_reasons": doubts or [],
    }
    return made | others


def on_gpu(net: str, seconds: float, **others: Any) -> dict[str, Any]:
    """A fake run on a GPU: no CPU threads to count, no floor."""
    made = {"style": "graph", "threads": None, "floor_seconds_per_epoch": None, "times_floor": None}
    return run(net, seconds, **made | others)


def document(gpu: str | None = None, **nets: dict[str, Any]) -> dict[str, Any]:
    """A fake document of these nets, each {device: run}; `gpu` is the name of the GPU that PyTorch found."""
    made: dict[str, Any] = {
        "version": 2,
        "torch": "2.13.0+cu130" if gpu else "2.13.0+cpu",
        "python": "3.11.2",
        "cpu_model": "Fake CPU of a test",
        "seeds": [0],
        "finished": "2026-11-22T13:40:00Z",
        "device_found": {"cuda": bool(gpu), "name": gpu, "count": 1 if gpu else 0},
        "probes": {"cpu": {"gemm_gflops": {"float32": 250.0, "bfloat16": 2000.0}, "copy_gbytes_per_second": 12.0}},
        "gpus": [],
        "health": {"findings": []},
        "history": {"previous": None, "changes": []},
        "gates": {"passed": True, "reasons": []},
    }
    return copy.deepcopy(made | nets)


def cpu_only() -> dict[str, Any]:
    """Both nets on a CPU, with the naive style beside them."""
    lenet = {"cpu": run("lenet", 2.31), "naive": {"cpu": run("lenet", 7.9, style="naive")}}
    return document(lenet=lenet, mlp={"cpu": run("mlp", 2.9), "naive": {"cpu": run("mlp", 7.8, style="naive")}})


def both(gpu: str = "Tesla T4") -> dict[str, Any]:
    """Both nets on a CPU and on a GPU that is 5 times and 4 times as fast."""
    lenet = {"cpu": run("lenet", 5.0), "cuda": on_gpu("lenet", 1.0)}
    return document(gpu, lenet=lenet, mlp={"cpu": run("mlp", 4.0), "cuda": on_gpu("mlp", 1.0)})

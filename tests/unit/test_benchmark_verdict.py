"""The verdict on a benchmark and the sentence for the user, as tables. The documents are hand-made fakes."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import benchmark_rules as rules
from ansible_collections.gpulab.core.plugins.module_utils.benchmark_sentence import sentence, thousands
from ansible_collections.gpulab.core.plugins.module_utils.benchmark_verdict import verdict

from tests.unit.benchmark_documents import BUSY, both, cpu_only, document, on_gpu, run

T4 = "Tesla T4"


def timed(net: str, cpu: float, cuda: float, doubts: list[str] | None = None) -> dict[str, Any]:
    """Fake runs of a net on both devices; `doubts` are the CPU's."""
    return {"cpu": run(net, cpu, doubts), "cuda": on_gpu(net, cuda)}


def found(severity: str) -> dict[str, Any]:
    return {"health": {"findings": [{"code": "throttled", "severity": severity, "sentence": "Tesla T4 is throttled."}]}}


MISSED = {"gates": {"passed": False, "reasons": ["LeNet-5 on cpu: too low."]}}
IGNORED = cpu_only() | {"device_found": {"cuda": True, "name": T4}}
UNUSABLE = cpu_only() | {"gpus": [{"name": T4}]}
NAN = document(lenet={"cpu": run("lenet", 2.0, loss=float("nan"))})
NULL = document(lenet={"cpu": run("lenet", 2.0, loss=None, losses=[])})
CPU_BUSY = document(T4, lenet=timed("lenet", 5, 1, [BUSY]), mlp=timed("mlp", 4, 1))
SLOWER = document(T4, lenet=timed("lenet", 5, 1), mlp=timed("mlp", 0.9, 1))
GPU_BUSY = document(T4, lenet={"cpu": run("lenet", 5), "cuda": on_gpu("lenet", 1, doubts=[BUSY])})
TOO_SLOW = document(T4, lenet=timed("lenet", 2.9, 2))
CHANGED = {"history": {"changes": [{"beyond_noise": True, "sentence": "It takes longer."}]}}

CASES = [
    # result, GPU expected, real, verdict, part of the first reason
    (None, True, True, "failed", "no benchmark result"),
    (None, True, False, "failed", "no benchmark result"),
    ({}, True, False, "failed", "no benchmark result"),
    (document(), True, False, "failed", "no benchmark result"),
    # what the nets learned
    (cpu_only() | MISSED, True, False, "failed", "LeNet-5 on cpu: too low."),
    (cpu_only() | MISSED, False, True, "failed", "LeNet-5 on cpu: too low."),
    (both() | MISSED, True, True, "failed", "LeNet-5 on cpu: too low."),
    (cpu_only() | {"gates": {}}, True, False, "failed", "gates"),
    ({k: v for k, v in cpu_only().items() if k != "gates"}, True, False, "failed", "gates"),
    (NAN, True, False, "failed", "LeNet-5 on the CPU: the loss is not a number"),
    (NULL, True, False, "failed", "LeNet-5 on the CPU: the loss is not a number"),
    # without a GPU
    (cpu_only(), True, False, "rehearsed", "No GPU was used, because the endpoint is not AWS"),
    (cpu_only(), False, False, "rehearsed", "No GPU was used, because the endpoint is not AWS"),
    (cpu_only(), False, True, "rehearsed", "No GPU was used, because the host was not asked for with one"),
    (cpu_only(), True, True, "failed", "torch 2.13.0+cpu found no CUDA device and fell back to the CPU"),
    (IGNORED, True, True, "failed", "saw Tesla T4 but did not train on it"),
    (IGNORED, True, False, "failed", "saw Tesla T4 but did not train on it"),
    (UNUSABLE, True, False, "failed", "found no CUDA device, though the driver shows Tesla T4, and fell back"),
    (UNUSABLE, False, True, "rehearsed", "No GPU was used"),
    # with a GPU
    (both(), True, True, "verified", "Tesla T4 trains LeNet-5 5.0 times as fast as the CPU."),
    (both(), False, True, "verified", "Tesla T4 trains LeNet-5 5.0 times as fast as the CPU."),
    (both(), True, False, "rehearsed", "Tesla T4 trains LeNet-5 5.0 times as fast as the CPU."),
    (document(T4, lenet=timed("lenet", 3, 2)), True, True, "verified", "1.5 times"),
    (TOO_SLOW, True, True, "failed", "1.45 times as fast as the CPU, expected at least 1.50"),
    (TOO_SLOW, True, False, "failed", "1.45 times as fast as the CPU, expected at least 1.50"),
    # small steps are the host's pace, so the MLP is told and never fails
    (SLOWER, True, True, "verified", "Tesla T4 trains LeNet-5 5.0 times"),
    (document(T4, mlp=timed("mlp", 9, 1)), True, True, "rehearsed", "Tesla T4 trains the MLP 9.0 times"),
    # nothing is built on a figure that is not known
    (CPU_BUSY, True, True, "rehearsed", "Tesla T4 trains LeNet-5, but how much faster than the CPU is not known"),
    (document(T4, lenet=timed("lenet", 1, 9, [BUSY])), True, True, "rehearsed", BUSY[1:]),
    (document(T4, lenet={"cuda": on_gpu("lenet", 1)}), True, True, "rehearsed", "only the GPU was timed"),
    (document(T4, lenet={"cpu": run("lenet", 5), "cuda": {}}), True, True, "failed", "saw Tesla T4 but did not"),
    (GPU_BUSY, True, True, "rehearsed", "CUDA figure is unreliable"),
    # health
    (both() | found("failed"), True, True, "failed", "Tesla T4 is throttled."),
    (cpu_only() | found("failed"), True, False, "failed", "Tesla T4 is throttled."),
]  # fmt: skip


@pytest.mark.parametrize(("result", "gpu_expected", "real", "expected", "reason"), CASES)
def test_verdict(result: dict[str, Any] | None, gpu_expected: bool, real: bool, expected: str, reason: str) -> None:
    judged = verdict(result, gpu_expected, real)
    assert judged["verdict"] == expected
    assert reason in judged["reasons"][0]
    assert len(set(judged["reasons"])) == len(judged["reasons"])


@pytest.mark.parametrize(
    ("result", "told"),
    [
        (both() | found("warning"), "Tesla T4 is throttled."),
        (both() | CHANGED, "It takes longer."),
        (SLOWER, "Tesla T4 trains the MLP 0.90 times as fast as the CPU, less than 1.00"),
    ],
)
def test_a_doubt_that_decides_nothing_is_told(result: dict[str, Any], told: str) -> None:
    judged = verdict(result, True, True)
    assert judged["verdict"] == "verified"
    assert [reason for reason in judged["reasons"] if told in reason]


def test_an_unreliable_cpu_without_a_gpu_is_told_once() -> None:
    busy = document(lenet={"cpu": run("lenet", 9.0, [BUSY, "Another one."])})
    assert len(verdict(busy, True, False)["reasons"]) == 3
    assert BUSY[1:] in verdict(busy, True, False)["reasons"][1]


def test_the_least_speedup_is_the_callers() -> None:
    assert verdict(both(), True, True, {"lenet": 5.0})["verdict"] == "verified"
    assert verdict(both(), True, True, {"lenet": "5.1"})["verdict"] == "failed"
    assert verdict(both(), True, True, {"mlp": 9})["verdict"] == "verified"


@pytest.mark.parametrize("asked", [{"lenet": 0}, {"lenet": "fast"}, {"lenet": None}, {"resnet": 2}])
def test_a_least_speedup_that_is_none_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"expected a number above 0 for one of lenet and mlp, as in \{lenet: 1.5\}"):
        rules.least_speedup(T4, asked)


def test_the_table_decides_by_the_gpus_name() -> None:
    whole, slice_ = "NVIDIA A100-SXM4-40GB", "NVIDIA A100-SXM4-40GB MIG 1g.5gb"
    assert (rules.least_speedup(whole)["lenet"], rules.least_speedup(slice_)["lenet"]) == (1.5, 1.0)
    runs = timed("lenet", 1.2, 1)
    assert verdict(document(whole, lenet=runs), True, True)["verdict"] == "failed"
    assert verdict(document(slice_, lenet=runs), True, True)["verdict"] == "verified"


BOTH = "Tesla T4 trains LeNet-5 5.0 times and the MLP 4.0 times as fast as the host's CPU (2 threads)"
NO_GPU = "No GPU was used: the CPU (2 threads) trains LeNet-5 at 23,800 images/s (1.8 times its floor) and the MLP at "
APART = document(T4, lenet=timed("lenet", 50, 1), mlp={"cpu": run("mlp", 4, threads=1), "cuda": on_gpu("mlp", 1)})


@pytest.mark.parametrize(
    ("result", "real", "price", "told"),
    [
        (both(), True, None, BOTH + ": worth it."),
        (both(), True, 0.526, BOTH + ", for $0.526 an hour: worth it."),
        (both(), False, None, BOTH + ": rehearsed, not proved."),
        (APART, True, None, "LeNet-5 50 times and the MLP 4.0 times as fast as the host's CPU: worth it."),
        (cpu_only(), False, 0.526, NO_GPU + "20,700 images/s (1.8 times its floor)."),
        (cpu_only(), True, None, "A GPU was expected, but torch 2.13.0+cpu found no CUDA device"),
        (document(lenet={"cpu": run("lenet", 9, [BUSY])}), False, None, "machine was busy, so take no figure from it."),
        (document(T4, lenet=timed("lenet", 5, 1, [BUSY])), True, None, "trains LeNet-5 at 55,000 images/s; how much"),
        (None, True, None, "There is no benchmark result"),
    ],
)  # fmt: skip
def test_sentence(result: dict[str, Any] | None, real: bool, price: float | None, told: str) -> None:
    said = sentence(result, verdict(result, True, real), price)
    assert told in said
    assert said.endswith(".")


@pytest.mark.parametrize(
    ("rate", "said"), [(23812.4, "23,800"), (1234567, "1,230,000"), (87.6, "88"), (999.6, "1,000")]
)
def test_thousands_keep_what_counts(rate: float, said: str) -> None:
    assert thousands(rate) == said


def test_finite_leaves_nothing_that_json_cannot_write() -> None:
    assert rules.finite({"a": [float("nan"), 1, {"b": float("inf")}], "c": "x"}) == {
        "a": [None, 1, {"b": None}],
        "c": "x",
    }

"""The physical probes on this machine's CPU; run by PyTorch's own environment."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from gpubench import probes

FLAGS = torch.backends.cuda.matmul


@pytest.fixture(autouse=True)
def flags() -> Iterator[None]:
    before = FLAGS.allow_tf32
    yield
    FLAGS.allow_tf32 = before


def test_a_cpu_is_probed_in_float32_and_bfloat16() -> None:
    found = probes.probe("cpu", seconds=0.02)
    assert set(found) == {"gemm_gflops", "copy_gbytes_per_second", "threads"}
    assert set(found["gemm_gflops"]) == {"float32", "bfloat16"}
    rates = [*found["gemm_gflops"].values(), found["copy_gbytes_per_second"]]
    assert all(rate > 0 and math.isfinite(rate) for rate in rates)
    assert found["threads"] == torch.get_num_threads()


def test_a_probe_leaves_flags_and_random_numbers_as_they_were() -> None:
    for allowed in (True, False):
        FLAGS.allow_tf32 = allowed
        torch.manual_seed(7)
        expected = torch.get_rng_state()
        probes.probe("cpu", seconds=0.01)
        assert FLAGS.allow_tf32 is allowed
        assert torch.equal(torch.get_rng_state(), expected)


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("inside", [True, False])
def test_tf32_is_set_for_a_gpu_and_restored_even_after_an_error(before: bool, inside: bool) -> None:
    FLAGS.allow_tf32 = before
    seen = []

    def work() -> None:
        with probes._tf32("cuda", inside):
            seen.append(FLAGS.allow_tf32)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert seen == [inside]
    assert FLAGS.allow_tf32 is before


def test_a_cpu_has_no_tf32_and_is_not_watched() -> None:
    assert probes.gemm_gflops("cpu", "tf32", 0.01) is None
    seen: list[str] = []
    probes.probe("cpu", seconds=0.01, during=seen.append)
    assert seen == []


def test_names_and_types_are_both_precisions(monkeypatch: pytest.MonkeyPatch) -> None:
    types = []

    def fake_gemm(dtype: torch.dtype, _end: float) -> tuple[int, object]:
        types.append(dtype)
        return 8, lambda: None

    monkeypatch.setattr(probes, "_cpu_gemm", fake_gemm)
    for precision in ("float32", torch.float32, "bfloat16", torch.bfloat16):
        assert probes.gemm_gflops("cpu", precision, 0.0)
    assert types == [torch.float32, torch.float32, torch.bfloat16, torch.bfloat16]


def fake_times(monkeypatch: pytest.MonkeyPatch, cubic_seconds: float) -> list[int]:
    """A stand-in for the clock and the work: a size n takes cubic_seconds * n^3. Gives the sizes that were made."""
    sizes: list[int] = []

    def fake_gemm(_device: str, size: int, _dtype: torch.dtype) -> int:
        sizes.append(size)
        return size

    monkeypatch.setattr(probes.time, "perf_counter", lambda: 0.0)
    monkeypatch.setattr(probes, "_gemm", fake_gemm)
    monkeypatch.setattr(probes, "_seconds", lambda run, _device: cubic_seconds * run**3)
    return sizes


@pytest.mark.parametrize(
    ("gflops", "sizes"),
    [(100.0, [256, 512, 1024]), (5.0, [256, 512]), (0.5, [256])],
)
def test_a_slow_precision_is_measured_on_smaller_matrices(
    monkeypatch: pytest.MonkeyPatch, gflops: float, sizes: list[int]
) -> None:
    made = fake_times(monkeypatch, 2 / gflops / 1e9)
    assert probes._cpu_gemm(torch.bfloat16, end=0.25) == (sizes[-1], sizes[-1])
    assert made == sizes


def test_gflops_are_two_per_multiplication_and_the_best_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter([0.5, 0.25])
    monkeypatch.setattr(probes, "_cpu_gemm", lambda *_: (1000, lambda: None))
    monkeypatch.setattr(probes, "_seconds", lambda *_: next(seconds))
    assert probes.gemm_gflops("cpu", "float32", 0.0) == pytest.approx(2 * 1000**3 / 0.25 / 1e9)


def test_a_copy_counts_what_is_read_and_what_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "COPY_BYTES", {"cpu": 1000})
    monkeypatch.setattr(probes, "_seconds", lambda *_: 2.0)
    assert probes.copy_gbytes_per_second("cpu", 0.0) == pytest.approx(2 * 1000 / 2.0 / 1e9)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 256.00 MiB."),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
)
def test_no_memory_for_a_rate_is_no_rate(monkeypatch: pytest.MonkeyPatch, error: RuntimeError) -> None:
    def full(*_: object) -> float:
        raise error

    monkeypatch.setattr(probes, "_seconds", full)
    found = probes.probe("cpu", seconds=0.0)
    assert found["gemm_gflops"] == {"float32": None, "bfloat16": None}
    assert found["copy_gbytes_per_second"] is None


def test_another_error_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> float:
        raise RuntimeError("CUDA error: unspecified launch failure")

    monkeypatch.setattr(probes, "_seconds", broken)
    with pytest.raises(RuntimeError, match="unspecified launch failure"):
        probes.gemm_gflops("cpu", "float32", 0.0)
    with pytest.raises(RuntimeError, match="unspecified launch failure"):
        probes.copy_gbytes_per_second("cpu", 0.0)


class FakeCuda:
    """A stand-in for torch.cuda: one GPU whose tensors lie on the CPU, and whose every run takes two milliseconds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int]) -> None:
        self.capability, self.unfinished = capability, 0
        self.tf32: list[bool] = []
        mm: Any = torch.mm

        def queue(*matrices: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
            self.unfinished += 1
            self.tf32.append(FLAGS.allow_tf32)
            return mm(*matrices, out=out)

        monkeypatch.setattr(probes, "_kind", lambda _: "cuda")
        monkeypatch.setattr(probes, "CUDA_SIZE", 16)
        monkeypatch.setattr(probes, "COPY_BYTES", {"cuda": 4096})
        monkeypatch.setattr(torch, "mm", queue)
        monkeypatch.setattr(torch, "cuda", self)

    def device(self, _: str) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def get_device_capability(self) -> tuple[int, int]:
        return self.capability

    def get_device_properties(self, _: str) -> SimpleNamespace:
        return SimpleNamespace(uuid="aaaa-bbbb")

    def synchronize(self) -> None:
        self.unfinished = 0

    def Event(self, *, enable_timing: bool) -> SimpleNamespace:
        assert enable_timing
        return SimpleNamespace(record=lambda: None, synchronize=self.synchronize, elapsed_time=lambda _: 2.0)


def test_a_gpu_is_timed_by_its_own_clock_and_watched_while_it_works(monkeypatch: pytest.MonkeyPatch) -> None:
    FLAGS.allow_tf32 = True
    cuda, seen = FakeCuda(monkeypatch, capability=(8, 6)), []
    found = probes.probe("cpu", seconds=0.0, during=lambda uuid: seen.append((uuid, cuda.unfinished)))
    rate = pytest.approx(2 * 16**3 / 0.002 / 1e9)
    assert found == {
        "gemm_gflops": {"float32": rate, "tf32": rate, "bfloat16": rate},
        "copy_gbytes_per_second": pytest.approx(2 * 4096 / 0.002 / 1e9),
        "uuid": "aaaa-bbbb",
    }
    assert seen == [("aaaa-bbbb", 50)] * 6
    each = len(cuda.tf32) // 3
    assert cuda.tf32 == [False] * each + [True] * each + [False] * each
    assert FLAGS.allow_tf32 is True


def test_a_gpu_before_ampere_has_float32_only(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeCuda(monkeypatch, capability=(7, 5))
    rates = probes.probe("cpu", seconds=0.0)["gemm_gflops"]
    assert rates["float32"] > 0
    assert (rates["tf32"], rates["bfloat16"]) == (None, None)

"""Physical rates of a device: matrix multiplication per precision and memory copy, the best that a short time shows."""

from __future__ import annotations

import contextlib
import math
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch

CPU_SECONDS, CUDA_SECONDS = 0.25, 1.0
"""Seconds per rate. A CPU probe then stays under 1.5 s; a GPU needs about a second to bring its clocks up."""

CPU_SIZE, CUDA_SIZE = 1024, 8192
"""Rows and columns of the matrices (n x n times n x n): enough to fill the cores, small enough for 2 GB of memory."""

COPY_BYTES = {"cpu": 64 * 2**20, "cuda": 256 * 2**20}
"""Bytes that are read and as many that are written: beyond the caches (128 MB on an RTX PRO 6000)."""

LOAD_SECONDS = 0.1
"""Work queued behind a GPU's back while `during` reads it: NVML's answers take milliseconds."""

PRECISIONS = {"cpu": ("float32", "bfloat16"), "cuda": ("float32", "tf32", "bfloat16")}

During = Callable[[str], None]


def probe(device: str, seconds: float | None = None, during: During | None = None) -> dict[str, Any]:
    """The result's PROBE of "cpu", "cuda" or "cuda:N": GFLOP/s per precision, GB/s (10^9 bytes) read plus written.

    `seconds` is the time for each rate. On a GPU `during` gets its UUID while a load runs (nvml.Watch.sample).
    What the device has not, or has no memory for, is None. Global flags and random generators stay as they were.
    """
    rates = {name: gemm_gflops(device, name, seconds, during) for name in PRECISIONS[_kind(device)]}
    result: dict[str, Any] = {
        "gemm_gflops": rates,
        "copy_gbytes_per_second": copy_gbytes_per_second(device, seconds),
    }
    if _kind(device) == "cpu":
        return {**result, "threads": torch.get_num_threads()}
    return {**result, "uuid": uuid(device)}


def gemm_gflops(
    device: str, precision: str | torch.dtype, seconds: float | None = None, during: During | None = None
) -> float | None:
    """GFLOP/s of multiplying square matrices; `precision` is "float32", "tf32", "bfloat16" or a torch.dtype.

    None where the device has no such arithmetic or no memory left. float32 on a GPU is exact, whatever the flags say.
    """
    name = str(precision).removeprefix("torch.")
    if not _has(device, name):
        return None
    dtype = torch.float32 if name == "tf32" else getattr(torch, name)
    with _on(device), _tf32(device, name == "tf32"), _without_memory():
        end = time.perf_counter() + _budget(device, seconds)
        size, run = (CUDA_SIZE, _gemm(device, CUDA_SIZE, dtype)) if _kind(device) == "cuda" else _cpu_gemm(dtype, end)
        best = _best(run, device, end)
        if during and _kind(device) == "cuda":
            _loaded(run, best, lambda: during(uuid(device)))
        return 2 * size**3 / best / 1e9
    return None


def copy_gbytes_per_second(device: str, seconds: float | None = None) -> float | None:
    """GB/s (10^9 bytes, read plus written) of copying within the device's memory; None where there is no room."""
    size = COPY_BYTES[_kind(device)]
    with _on(device), _without_memory():
        end = time.perf_counter() + _budget(device, seconds)
        source = torch.zeros(size, dtype=torch.uint8, device=device)
        target = torch.ones_like(source)
        return 2 * size / _best(lambda: target.copy_(source), device, end) / 1e9
    return None


def uuid(device: str) -> str:
    """A GPU's UUID as PyTorch gives it, without NVML's "GPU-"."""
    return str(torch.cuda.get_device_properties(device).uuid)


def _kind(device: str) -> str:
    kind: str = torch.device(device).type
    return kind


def _budget(device: str, seconds: float | None) -> float:
    return seconds if seconds is not None else CPU_SECONDS if _kind(device) == "cpu" else CUDA_SECONDS


def _on(device: str) -> contextlib.AbstractContextManager[Any]:
    """Events are recorded on the current GPU, so make it this one."""
    return torch.cuda.device(device) if _kind(device) == "cuda" else contextlib.nullcontext()


def _has(device: str, name: str) -> bool:
    """Whether the device computes in this precision itself; emulation would measure something else."""
    if _kind(device) == "cpu":
        return name != "tf32"
    with torch.cuda.device(device):
        ampere = torch.cuda.get_device_capability() >= (8, 0)
    return ampere or name == "float32"


@contextlib.contextmanager
def _without_memory() -> Iterator[None]:
    """Let a shortage of memory end the block quietly; CUDA's libraries have their own words for it."""
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, torch.OutOfMemoryError) and not re.search("ALLOC_FAILED|out of memory", str(error)):
            raise


@contextlib.contextmanager
def _tf32(device: str, allowed: bool) -> Iterator[None]:
    """TF32 as asked for on a GPU, and afterwards as before; a CPU's flags are left alone."""
    flags = torch.backends.cuda.matmul
    before = flags.allow_tf32
    try:
        if _kind(device) == "cuda":
            flags.allow_tf32 = allowed
        yield
    finally:
        if _kind(device) == "cuda":
            flags.allow_tf32 = before


def _gemm(device: str, size: int, dtype: torch.dtype) -> Callable[[], Any]:
    """A multiplication of random matrices (zeros cost a GPU less power), run once: that has the library's start."""
    generator = torch.Generator(device).manual_seed(0)
    a, b = (torch.rand(size, size, generator=generator, device=device).to(dtype) for _ in range(2))
    out = torch.empty_like(a)

    def run() -> Any:
        return torch.mm(a, b, out=out)

    _seconds(run, device)
    return run


def _cpu_gemm(dtype: torch.dtype, end: float) -> tuple[int, Callable[[], Any]]:
    """The largest multiplication up to CPU_SIZE that fits before `end`: without bfloat16 a CPU needs seconds."""
    size = CPU_SIZE // 4
    run = _gemm("cpu", size, dtype)
    # Twice the size is eight times the work. The best of three, because a busy machine's first may wait for a core.
    while size < CPU_SIZE and time.perf_counter() + 8 * min(_seconds(run, "cpu") for _ in range(3)) < end:
        size *= 2
        run = _gemm("cpu", size, dtype)
    return size, run


def _seconds(run: Callable[[], Any], device: str) -> float:
    """Seconds of one run; on a GPU by its own clock, without what the launch costs."""
    if _kind(device) == "cpu":
        start = time.perf_counter()
        run()
        return time.perf_counter() - start
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    run()
    end.record()
    end.synchronize()
    return float(begin.elapsed_time(end)) / 1000


def _best(run: Callable[[], Any], device: str, end: float) -> float:
    """The shortest of the runs (seconds) before `end` (of time.perf_counter), and of two at least."""
    best = min(_seconds(run, device) for _ in range(2))
    while time.perf_counter() < end:
        best = min(best, _seconds(run, device))
    return best


def _loaded(run: Callable[[], Any], best: float, during: Callable[[], None]) -> None:
    """Queue work for LOAD_SECONDS on a GPU and call `during` meanwhile, twice: one sample might meet a change."""
    for _ in range(2):
        for _ in range(max(2, math.ceil(LOAD_SECONDS / best))):
            run()
        during()
        torch.cuda.synchronize()

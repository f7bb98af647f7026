"""Train one net on one device and measure it. Everything that needs torch, except the nets, is here."""

from __future__ import annotations

import math
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from . import data, judge, machine, nets

BATCH = 128
LEARNING_RATE = 0.001
CHUNK = 43
"""Steps per timed piece: a tenth of LeNet's 430 steps, long enough to time and short enough to see disturbances."""


class TrainingError(RuntimeError):
    """Training went wrong; the text is one sentence for the user."""


@dataclass
class Split:
    """Images (n, 1, 32, 32) float32 in 0..1, channels-last, and labels (n) int64."""

    images: Tensor
    labels: Tensor

    def to(self, device: str) -> Split:
        return Split(self.images.to(device), self.labels.to(device))


def load(folder: Path) -> dict[str, Split]:
    """The lab's train (55,000), validation (5,000) and test (10,000) sets on the CPU; raises data.DataError."""
    train, test = _split(folder, "train"), _split(folder, "t10k")
    cut = data.VALIDATION
    return {
        "validation": Split(train.images[:cut], train.labels[:cut]),
        "train": Split(train.images[cut:], train.labels[cut:]),
        "test": test,
    }


def _split(folder: Path, prefix: str) -> Split:
    names = [f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte"]
    (shape, pixels), (_, labels) = (data.read_checked(folder, name, data.SHA256[name]) for name in names)
    images = torch.frombuffer(bytearray(pixels), dtype=torch.uint8).reshape(shape[0], 1, *shape[1:]).float() / 255
    padded = nn.functional.pad(images, (2, 2, 2, 2)).contiguous(memory_format=torch.channels_last)
    return Split(padded, torch.frombuffer(bytearray(labels), dtype=torch.uint8).long())


def gemm_rate(device: str, seconds: float = 0.5) -> float:
    """The float32 matrix-multiply rate of this device in GFLOP/s: the best of what fits in `seconds`."""
    n = 1024 if device == "cpu" else 4096
    a, b = torch.rand(n, n, device=device), torch.rand(n, n, device=device)
    out, best, end = torch.mm(a, b), math.inf, time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = _now(device)
        torch.mm(a, b, out=out)
        best = min(best, _now(device) - start)
    return 2 * n**3 / best / 1e9


def _now(device: str) -> float:
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def _fresh(device: str, seed: int) -> tuple[nn.Module, torch.optim.Optimizer]:
    """A net whose weights depend on the seed only, not on the device."""
    net = nets.LeNet(torch.Generator().manual_seed(seed)).to(device=device, memory_format=torch.channels_last)
    return net, torch.optim.Adam(net.parameters(), lr=LEARNING_RATE, fused=True)


def _steps(net: nn.Module, optimizer: torch.optim.Optimizer, batch: Split, device: str) -> tuple[Tensor, list[float]]:
    """One pass over `batch` in slices of BATCH: summed loss (a 0-d tensor on the device) and seconds per full chunk."""
    total, chunks, start = torch.zeros((), device=device), [], time.perf_counter()
    pairs = zip(batch.images.split(BATCH), batch.labels.split(BATCH), strict=True)
    for step, (images, labels) in enumerate(pairs, start=1):
        optimizer.zero_grad(set_to_none=True)
        loss = nn.functional.cross_entropy(net(images), labels)
        loss.backward()
        optimizer.step()
        total += loss.detach() * len(labels)
        # Timing inside the epoch would make a GPU wait, so there an epoch is one chunk.
        if device == "cpu" and step % CHUNK == 0:
            chunks.append(time.perf_counter() - start)
            start = time.perf_counter()
    return total, chunks


def warm_up(train: Split, device: str, seed: int) -> None:
    """Run a throw-away net, so that one-time costs are not timed; on the CPU also settle on the faster thread count.

    Where a neighbour keeps a core busy, one thread beats all of them: their barriers wait for the slowest.
    """
    net, optimizer = _fresh(device, seed)
    some = Split(train.images[: CHUNK * BATCH], train.labels[: CHUNK * BATCH])
    seconds = {}
    for threads in sorted({1, machine.thread_count()}, reverse=True) if device == "cpu" else [1]:
        torch.set_num_threads(threads)
        for _ in range(2):
            start = _now(device)
            _steps(net, optimizer, some, device)
            seconds[threads] = _now(device) - start
    torch.set_num_threads(min(seconds, key=seconds.__getitem__))


@torch.no_grad()
def accuracy(net: nn.Module, split: Split) -> float:
    """Share of images classified rightly, 0..1."""
    right = sum(
        int((net(images).argmax(1) == labels).sum())
        for images, labels in zip(split.images.split(1000), split.labels.split(1000), strict=True)
    )
    return right / len(split.labels)


def lenet(splits: dict[str, Split], device: str, epochs: int, seed: int) -> tuple[dict[str, Any], list[str]]:
    """Train LeNet-5; its JSON entry (design: benchmark.lenet.<device>) and the gates it missed.

    Raises TrainingError when the loss stops being a number.
    """
    here = {name: split.to(device) for name, split in splits.items()}
    train, size = here["train"], len(here["train"].labels)
    warm_up(train, device, seed)
    rate = gemm_rate(device)
    net, optimizer = _fresh(device, seed)
    order = torch.Generator().manual_seed(seed)
    walls, cpus, chunks, losses, accuracies = [], [], [], [], []
    for epoch in range(epochs):
        start, cpu_start = _now(device), time.process_time()
        permutation = torch.randperm(size, generator=order).to(device)
        shuffled = Split(train.images[permutation], train.labels[permutation])
        total, pieces = _steps(net, optimizer, shuffled, device)
        walls.append(_now(device) - start)
        cpus.append(time.process_time() - cpu_start)
        chunks += pieces
        losses.append(float(total) / size)
        if not math.isfinite(losses[-1]):
            raise TrainingError(
                f"The loss on {device} is {losses[-1]} after epoch {epoch + 1}, expected a finite number: "
                "run it again, and if it comes back look for memory errors with nvidia-smi -q."
            )
        accuracies.append(accuracy(net, here["validation"]))
        print(
            f"lenet {device} epoch {epoch + 1}/{epochs}: {walls[-1]:.2f} s, {size / walls[-1]:,.0f} images/s, "
            f"loss {losses[-1]:.4f}, validation {accuracies[-1]:.4f}",
            file=sys.stderr,
            flush=True,
        )
    test = accuracy(net, here["test"])
    threads = torch.get_num_threads()
    doubts = judge.cpu_doubts(sum(walls), sum(cpus), threads, chunks) if device == "cpu" else judge.spread_doubts(walls)
    gflops = 2 * nets.LENET_MAC * size / median(walls) / 1e9
    result = {
        "seconds_per_epoch": median(walls),
        "images_per_second": size / median(walls),
        "epochs": epochs,
        "loss": losses[-1],
        "losses": losses,
        "accuracy": test,
        "validation_accuracy": accuracies[-1],
        "accuracies": accuracies,
        "gflops": gflops,
        "fraction_of_gemm_rate": gflops / rate,
        "threads": threads,
        "wall_seconds": sum(walls),
        "cpu_seconds": sum(cpus),
        "load_average": os.getloadavg()[0],
        "reliable": not doubts,
        "unreliable_reasons": doubts,
    }
    return result, judge.lenet_gates(device, accuracies, test)

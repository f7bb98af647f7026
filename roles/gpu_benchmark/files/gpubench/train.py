"""Train a net on one device, time it, and say what the figures are worth."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import mean, median
from typing import Any

import torch

from . import floor, judge, machine, native
from .courses import Course, Split
from .direct_lenet import DirectLeNet
from .direct_mlp import DirectMLP
from .eager import EagerTrainer
from .graph import GraphTrainer
from .naive import NaiveTrainer
from .native_trainers import NativeLeNet, NativeMLP
from .trainer import Trainer, accuracy

TRY_STEPS, TRY_PIECES = 5, 5
"""Steps of a piece, and pieces, by which thread counts are compared: the wrong count may be 25 times slower."""
WORTH_A_THREAD = 0.95
"""More threads have to take at most this share of the time of fewer: each makes the figure depend on one more core."""
BAR = 10
"""Width of the progress bar (characters)."""


class TrainingError(RuntimeError):
    """The training cannot be done as asked; the text is one sentence for the user."""


@dataclass
class Timing:
    """What the clock saw of the epochs so far. Times in seconds."""

    walls: list[float] = field(default_factory=list)
    cpus: list[float] = field(default_factory=list)
    waits: list[float | None] = field(default_factory=list)
    chunks: list[float] = field(default_factory=list)

    def effort(self, threads: int) -> judge.Effort:
        known = [wait for wait in self.waits if wait is not None]
        waited = sum(known) if len(known) == len(self.waits) else None
        return judge.Effort(sum(self.walls), sum(self.cpus), waited, threads)


def style_for(device: str, style: str) -> str:
    """The way to train; "auto" is the device's fastest. Raises TrainingError where it has not the one asked for."""
    if style == "auto":
        return "graph" if device == "cuda" else "direct" if native.build().wait() else "native"
    if (device, style) in {("cpu", "graph"), ("cuda", "direct"), ("cuda", "native")}:
        raise TrainingError(f"--style {style} does not exist on {device}: use --style auto, or leave it out.")
    if style == "native" and (why := native.build().wait()):
        raise TrainingError(f"--style native cannot be used, because {why}: install gcc, or use --style direct.")
    return style


def trainer(course: Course, train: Split, device: str, style: str, seed: int) -> Trainer:
    """A fresh net on `device`, whose weights depend on the seed only, and what trains it."""
    lenet = course.name == "lenet"
    kinds: dict[str, type[Trainer]] = {
        "naive": NaiveTrainer,
        "eager": EagerTrainer,
        "graph": GraphTrainer,
        "direct": DirectLeNet if lenet else DirectMLP,
        "native": NativeLeNet if lenet else NativeMLP,
    }
    return kinds[style](course, course.net(seed).to(device), train, seed)


def now(device: str) -> float:
    """The time in seconds, when all that was asked of the device is done."""
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def settle_threads(course: Course, train: Split, style: str) -> None:
    """Make torch use as many threads as pay for this net, by trying: 1, 2, 4 ... up to all we may use.

    Where a neighbour keeps a core busy one thread beats all of them, since their barriers wait for the slowest.
    """
    usable, fastest, best = machine.thread_count(), math.inf, 1
    for threads in sorted({1, usable, *(2**n for n in range(1, 10) if 2**n < usable)}):
        torch.set_num_threads(threads)
        # The first piece touches the memory; of the others the best counts, since neighbours disturb some.
        attempt = trainer(course, train.head((TRY_PIECES + 1) * TRY_STEPS * course.batch), "cpu", style, seed=0)
        attempt.begin(None)
        attempt.run(0, TRY_STEPS)
        seconds = []
        for first in range(TRY_STEPS, (TRY_PIECES + 1) * TRY_STEPS, TRY_STEPS):
            start = time.perf_counter()
            attempt.run(first, first + TRY_STEPS)
            seconds.append(time.perf_counter() - start)
        if min(seconds) > WORTH_A_THREAD * fastest:
            break
        fastest, best = min(seconds), threads
    torch.set_num_threads(best)


def timed_epoch(way: Trainer, device: str, generator: torch.Generator, timing: Timing) -> float:
    """Train one epoch by the clock, from drawing its order to knowing its loss; the mean loss."""
    start, cpu_start, wait_start = now(device), time.process_time(), machine.waited_seconds()
    way.begin(way.course.permutation(generator))
    # Looking at the clock inside the epoch would make a GPU wait, so there an epoch is one chunk.
    stride = way.course.chunk if device == "cpu" else way.steps
    for first in range(0, way.steps, stride):
        begun = time.perf_counter()
        way.run(first, min(first + stride, way.steps))
        if device == "cpu" and first + stride <= way.steps:
            timing.chunks.append(time.perf_counter() - begun)
    loss = way.loss()
    timing.walls.append(now(device) - start)
    timing.cpus.append(time.process_time() - cpu_start)
    wait_end = machine.waited_seconds()
    timing.waits.append(None if wait_start is None or wait_end is None else wait_end - wait_start)
    return loss


def train_net(
    course: Course,
    splits: dict[str, Split],
    device: str,
    style: str,
    epochs: int,
    seeds: list[int],
    gemm_rate: float | None,
    check: Callable[[], None] = lambda: None,
) -> tuple[dict[str, Any], list[str]]:
    """Train one net on one device, once for each seed: its entry benchmark.<net>.<device>, and the gates it missed.

    `gemm_rate`: the device's float32 matrix rate (GFLOP/s), None where it could not be measured. `check` is called
    before each epoch, outside what is timed, and ends the training by raising.
    Raises TrainingError where the style does not exist.
    """
    style = style_for(device, style)
    if device == "cpu":
        settle_threads(course, splits["train"], style)
    here = {name: split.to(device) for name, split in splits.items()}
    held_back = here.get("validation", here["test"])
    timing, missed, tests = Timing(), [], []
    history: dict[int, tuple[list[float], list[float]]] = {}
    first_epoch = math.nan
    for seed in seeds:
        begun = now(device)
        way = trainer(course, here["train"], device, style, seed)
        generator = torch.Generator().manual_seed(seed)
        losses, accuracies = history.setdefault(seed, ([], []))
        for epoch in range(1, epochs + 1):
            check()
            losses.append(timed_epoch(way, device, generator, timing))
            if math.isnan(first_epoch):
                first_epoch = now(device) - begun
            missed += judge.not_a_number(course.name, device, losses[-1], epoch)
            if missed:
                break
            accuracies.append(accuracy(way.net, held_back))
            _progress(course, device, style, epoch, epochs, timing.walls[-1], losses[-1], accuracies[-1])
        if missed:
            tests.append(0.0)
            break
        tests.append(accuracy(way.net, here["test"]) if "validation" in here else accuracies[-1])
        missed += judge.missed_gates(course.name, device, losses, accuracies, tests[-1])
    losses, accuracies = history[seeds[0]]
    figures = _figures(course, device, timing, gemm_rate)
    return {
        "style": style,
        **figures,
        "epochs": epochs,
        "loss": losses[-1] if math.isfinite(losses[-1]) else None,
        "losses": [loss for loss in losses if math.isfinite(loss)],
        "first_epoch_seconds": first_epoch,
        "accuracy": mean(tests),
        "accuracy_by_seed": tests,
        "validation_accuracy": accuracies[-1] if accuracies else 0.0,
        "accuracies": accuracies,
    }, missed


def _figures(course: Course, device: str, timing: Timing, gemm_rate: float | None) -> dict[str, Any]:
    """The speeds, and whether they are to be trusted."""
    seconds, threads = median(timing.walls), torch.get_num_threads()
    effort = timing.effort(threads)
    doubts = judge.cpu_doubts(effort, timing.chunks) if device == "cpu" else judge.spread_doubts(timing.walls[1:])
    gflops = 2 * course.macs * course.size / seconds / 1e9
    # The floor is the best of many products, so it is the best chunk that may be laid beside it.
    best = min([*timing.walls, min(timing.chunks, default=math.inf) * course.size / (course.batch * course.chunk)])
    floor_seconds = floor.seconds_per_epoch(course) if device == "cpu" else None
    return {
        "seconds_per_epoch": seconds,
        "best_seconds_per_epoch": best,
        "images_per_second": course.size / seconds,
        "walls": timing.walls,
        "gflops": gflops,
        "fraction_of_gemm_rate": gflops / gemm_rate if gemm_rate else None,
        "floor_seconds_per_epoch": floor_seconds,
        "times_floor": best / floor_seconds if floor_seconds else None,
        "threads": threads,
        "wall_seconds": effort.wall,
        "cpu_seconds": effort.cpu,
        "waited_seconds": effort.waited,
        "load_average": os.getloadavg()[0],
        "reliable": not doubts,
        "unreliable_reasons": doubts,
    }


def _progress(
    course: Course, device: str, style: str, epoch: int, epochs: int, wall: float, loss: float, held_back: float
) -> None:
    bar = "#" * (BAR * epoch // epochs)
    speed = f"{wall:.2f} s, {course.size / wall:,.0f} images/s"
    learned = f"loss {loss:.4f}, validation {held_back:.4f}{' (naive style)' if style == 'naive' else ''}"
    line = f"{course.name} {device} epoch {epoch}/{epochs}: [{bar:.<{BAR}}] {speed}, {learned}"
    print(line, file=sys.stderr, flush=True)

"""Train over every GPU of every host: one worker, of as many as PyTorch's own launcher starts.

    python -m torch.distributed.run --nnodes N --node-rank I --nproc-per-node G --master-addr A --master-port P \
        -m gpubench.distributed --net lenet --epochs 10 --seed 0 --data FOLDER --json OUT

The same training as one process's: the same weights to begin with, and of every global batch of the same order each
worker takes its share. Only dropout (in the MLP) draws other units. Sums are rounded in another order; that grows under
Adam, whose steps are no smaller for the smallest gradients: float32 curves part by some 1e-4, float64 ones do not part.
Rank 0 writes the JSON.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from . import courses, data, group, machine, rendezvous
from .trainer import accuracy

PATIENCE = 300.0
"""Seconds that one worker waits for another: loading the data on the slowest host takes a tenth of it."""
WARM_UP = 10
"""Batches for a throw-away net before the first epoch, so that one-time costs are not timed."""


def shares(order: Tensor, batch: int, rank: int, world: int) -> Iterator[tuple[Tensor, float]]:
    """One worker's part of every global batch: the images' numbers, and the factor for the sum of their losses.

    DistributedDataParallel takes the mean of the workers' gradients, so the factor makes it that of the whole batch,
    however unequal the parts are. A worker without a part takes an image for nothing: all have to take every step.
    """
    for whole in order.split(batch):
        mine = whole[rank::world]
        yield (mine, world / len(whole)) if len(mine) else (whole[:1], 0.0)


def one_pass(
    net: nn.Module, optimizer: torch.optim.Optimizer, train: courses.Split, parts: Iterator[tuple[Tensor, float]]
) -> Tensor:
    """Train on this worker's parts of `train`; the sum of its images' losses, a number on the device."""
    total = torch.zeros((), device=train.images.device, dtype=train.images.dtype)
    for numbers, factor in parts:
        optimizer.zero_grad(set_to_none=True)
        loss = nn.functional.cross_entropy(net(train.images[numbers]), train.labels[numbers], reduction="sum")
        (loss * factor).backward()
        optimizer.step()
        if factor:
            total += loss.detach()
    return total


def train(course: courses.Course, options: argparse.Namespace, us: group.Group) -> dict[str, Any]:
    """Train one net over all workers; its entry of the JSON.

    Raises data.DataError, or group.DistributedError when the loss is no number.
    """
    number = torch.float64 if options.double else torch.float32
    size = min(options.images or course.size, course.size)
    loaded = {name: split.head(size).to(us.device) for name, split in course.load(options.data).items()}
    splits = {name: courses.Split(split.images.to(number), split.labels) for name, split in loaded.items()}

    def fresh() -> tuple[nn.Module, torch.optim.Optimizer]:
        net = course.net(options.seed).to(device=us.device, dtype=number, memory_format=torch.channels_last)
        return nn.parallel.DistributedDataParallel(net), course.optimizer(net.parameters())

    def parts(order: Tensor) -> Iterator[tuple[Tensor, float]]:
        return shares(order.to(us.device), course.batch, us.rank, us.world)

    one_pass(*fresh(), splits["train"], parts(torch.arange(min(size, WARM_UP * course.batch))))
    net, optimizer = fresh()
    torch.manual_seed(options.seed * us.world + us.rank)  # dropout: in every worker other units
    generator = torch.Generator().manual_seed(options.seed)
    losses, walls = [], []
    for epoch in range(1, options.epochs + 1):
        dist.all_reduce(torch.zeros((), device=us.device))  # all begin together
        start = _now(us)
        order = course.permutation(generator)
        order = torch.arange(course.size) if order is None else order
        total = one_pass(net, optimizer, splits["train"], parts(order if size == course.size else order[order < size]))
        dist.all_reduce(total)  # and none has ended before all have
        walls.append(_now(us) - start)
        losses.append(float(total) / size)
        if not math.isfinite(losses[-1]):
            raise group.DistributedError(
                f"The loss of {course.title} is {losses[-1]} after epoch {epoch}, expected a finite number: "
                "see the GPUs' errors with nvidia-smi -q, and train on one host after the other."
            )
        if us.rank == 0:
            told = f"{walls[-1]:.2f} s, {size / walls[-1]:,.0f} images/s, loss {losses[-1]:.4f}"
            where = f"{us.world} x {torch.device(us.device).type}"
            print(f"{course.name} {where} epoch {epoch}/{options.epochs}: {told}", file=sys.stderr, flush=True)
    return {
        "losses": losses,
        "walls": walls,
        "seconds_per_epoch": median(walls),
        "images_per_second": size / median(walls),
        "accuracy": accuracy(net.module, splits["test"]),
    }


def _now(us: group.Group) -> float:
    """The time in seconds, when all that was asked of this worker's device is done."""
    if us.backend == "nccl":
        torch.cuda.synchronize()
    return time.perf_counter()


def arguments(argv: list[str]) -> argparse.Namespace:
    """Parse the command line; argparse ends the process with exit code 2 on bad input."""
    parser = argparse.ArgumentParser(prog="gpubench.distributed", description="Train over several GPUs and hosts.")
    parser.add_argument("--net", default="lenet", help="nets to train, with commas: " + ", ".join(courses.COURSES))
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"], help="auto: CUDA if there is any")
    parser.add_argument("--epochs", type=int, default=10, help="passes over the training images")
    parser.add_argument("--seed", type=int, default=0, help="fixes the weights and the order of images")
    parser.add_argument("--images", type=int, default=0, help="train on that many only, test on no more; 0: all")
    parser.add_argument("--double", action="store_true", help="compute in float64: to compare curves, not to time")
    parser.add_argument("--data", type=Path, required=True, help="folder with the four uncompressed MNIST files")
    parser.add_argument("--json", type=Path, required=True, help="where rank 0 writes the result")
    parser.add_argument("--patience", type=float, default=PATIENCE, help="seconds that one worker waits for another")
    options = parser.parse_args(argv)
    if options.epochs < 1:
        parser.error(f"--epochs is {options.epochs}, expected at least 1")
    unknown = [net for net in options.net.split(",") if net not in courses.COURSES]
    if unknown:
        parser.error(f"--net has {unknown[0]}, expected some of {', '.join(courses.COURSES)}")
    return options


def work(options: argparse.Namespace, us: group.Group) -> None:
    """Train each net; rank 0 writes the document, in one step."""
    nets = {name: train(courses.COURSES[name], options, us) for name in options.net.split(",")}
    if us.rank:
        return
    about = {
        "version": 1,
        "torch": torch.__version__,
        "world": us.world,
        "backend": us.backend,
        "nodes": int(os.environ["GROUP_WORLD_SIZE"]),
        "device": torch.cuda.get_device_name() if us.backend == "nccl" else machine.cpu_model(),
        "seed": options.seed,
        "epochs": options.epochs,
    }
    options.json.parent.mkdir(parents=True, exist_ok=True)
    part = options.json.with_name(options.json.name + ".part")
    part.write_text(json.dumps(about | nets, indent=1) + "\n")
    part.replace(options.json)


def main(argv: list[str]) -> int:
    """Exit code 0: rank 0 has written the JSON; 2: a sentence on stderr and no JSON."""
    options = arguments(argv)
    # The same float32 arithmetic as on one device.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    us = None
    try:
        training = {key: vars(options)[key] for key in ("net", "epochs", "seed", "images", "double")}
        same = ", ".join(f"{key} {value}" for key, value in training.items())
        us = group.join(options.device, same, options.patience)
        work(options, us)
        dist.destroy_process_group()
    except (data.DataError, RuntimeError) as error:
        sentence = group.who_is_gone(us, error) if us and group.is_connection(error) else group.first_line(error)
        print(rendezvous.MARK + sentence, file=sys.stderr, flush=True)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

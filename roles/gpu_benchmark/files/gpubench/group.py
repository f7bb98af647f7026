"""The workers of one training: how they meet, and who is named when one of them is gone."""

from __future__ import annotations

import datetime
import json
import os
import socket
import time
from pathlib import Path
from typing import NamedTuple

import torch
import torch.distributed as dist

from . import machine, rendezvous

LAST_WORDS = 5.0
"""Seconds in which those that are left tell each other so, when one is gone."""


class DistributedError(RuntimeError):
    """The training over several workers cannot go on; the text is one sentence."""


class Group(NamedTuple):
    """The workers together, as one of them sees it; `device` is its own, `hosts` the names by rank."""

    rank: int
    world: int
    device: str
    backend: str
    store: dist.Store
    hosts: list[str]


def join(device: str, training: str, patience: float) -> Group:
    """Meet the other workers that PyTorch's launcher started, and connect: NCCL between GPUs, gloo between CPUs.

    `device` is auto, cpu or cuda, `training` all that has to be the same, `patience` the seconds that one waits for
    another, now and in each later step. Raises DistributedError when one does not come or differs.
    """
    local, found = int(os.environ["LOCAL_RANK"]), torch.cuda.is_available()
    cuda = found if device == "auto" else device == "cuda"
    if cuda and not found:
        raise DistributedError(
            f"--device cuda was asked for, but torch {torch.__version__} finds no usable CUDA device: "
            "see what nvidia-smi says, or use --device cpu."
        )
    if cuda:
        torch.cuda.set_device(local)
    else:
        torch.set_num_threads(max(1, machine.thread_count() // int(os.environ["LOCAL_WORLD_SIZE"])))
    _bind(os.environ["MASTER_ADDR"])
    backend = "nccl" if cuda else "gloo"
    store, rank, world = next(dist.rendezvous("env://", timeout=_span(patience)))
    store = dist.PrefixStore("gpubench", store)
    about = {"host": socket.gethostname(), "backend": backend, "torch": torch.__version__, "training": training}
    hosts = meet(store, rank, world, about, patience)
    try:
        dist.init_process_group(
            backend,
            store=dist.PrefixStore("group", store),
            rank=rank,
            world_size=world,
            timeout=_span(patience),
            device_id=torch.device("cuda", local) if cuda else None,
        )
    except RuntimeError as error:
        raise DistributedError(
            f"Worker {rank} on {about['host']} met the others and cannot connect to them ({first_line(error)}): "
            "see that the hosts reach each other at any TCP port (security group), then run it again."
        ) from error
    return Group(rank, world, f"cuda:{local}" if cuda else "cpu", backend, store, hosts)


def _bind(address: str) -> None:
    """Have gloo and NCCL use the interface by which the first host is reached, unless the user named one.

    Left alone gloo takes the address that the host's own name has, which is often 127.0.1.1 or none.
    """
    name = rendezvous.interface(Path("/proc/net/route").read_text(), socket.gethostbyname(address))
    if name:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", name)
        os.environ.setdefault("NCCL_SOCKET_IFNAME", name)


def _span(seconds: float) -> datetime.timedelta:
    return datetime.timedelta(seconds=seconds)


def _said(store: dist.Store, stage: str, world: int, patience: float) -> dict[int, str]:
    """What each worker has said at a stage, by rank; who has said nothing within `patience` seconds is missing."""
    deadline, said = time.monotonic() + patience, {}
    for rank in range(world):
        try:
            store.wait([f"{stage}/{rank}"], _span(max(0.1, deadline - time.monotonic())))
            said[rank] = store.get(f"{stage}/{rank}").decode()
        except dist.DistStoreError:
            continue
    return said


def meet(store: dist.Store, rank: int, world: int, about: dict[str, str], patience: float) -> list[str]:
    """Wait for every worker and compare what they are about to do; their hosts' names by rank.

    `about` has `host`, the worker's own, and what has to be the same for all. Raises DistributedError.
    """
    store.set(f"here/{rank}", json.dumps(about))
    said = _said(store, "here", world, patience)
    missing = [str(other) for other in range(world) if other not in said]
    if missing:
        raise DistributedError(
            f"Worker {rank} on {about['host']} waited {patience:.0f} s for worker {', '.join(missing)} of {world}: "
            "see what its own host says, and that the hosts reach each other by TCP (security group)."
        )
    every = [json.loads(said[other]) for other in range(world)]
    for key in about.keys() - {"host"}:
        other = next((other for other in every if other[key] != every[0][key]), None)
        if other:
            raise DistributedError(
                f"{other['host']} has {key} {other[key]} and {every[0]['host']} has {every[0][key]}, expected the same "
                "on all hosts: run the benchmark's playbook over all of them."
            )
    return [other["host"] for other in every]


def is_connection(error: BaseException) -> bool:
    """Whether an error is about another worker; gloo has no class of its own for it."""
    return isinstance(error, dist.DistError) or "gloo" in str(error).lower()


def who_is_gone(group: Group, error: BaseException) -> str:
    """The sentence for a broken connection: those that still run tell each other so, and the others are named."""
    try:
        group.store.set(f"alive/{group.rank}", "yes")
        alive = _said(group.store, "alive", group.world, LAST_WORDS)
        gone = [rank for rank in range(group.world) if rank not in alive]
    except dist.DistError:
        gone = [0]  # its launcher keeps the store
    if not gone:
        return f"The workers lost their connection, though all of them run ({first_line(error)}): run it again."
    names = ", ".join(f"worker {rank} on {group.hosts[rank]}" for rank in gone)
    return (
        f"Worker {group.rank} on {group.hosts[group.rank]} waited for {names}, which no longer answers: "
        "see what that host says, and that the hosts reach each other by TCP (security group)."
    )


def first_line(error: BaseException) -> str:
    """An error's text without the trace that torch puts below it."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__

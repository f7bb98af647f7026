"""`python -m gpubench`: parse, train, write one JSON file. Progress goes to stderr, nothing to stdout."""

from __future__ import annotations

import argparse
import fcntl
import json
import platform
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import data, history, interruption, judge, machine, native

NETS, DEVICES, STYLES = ("lenet", "mlp"), ("cpu", "cuda"), ("auto", "naive", "eager", "direct", "native", "graph")


def arguments(argv: list[str]) -> argparse.Namespace:
    """Parse the command line; argparse ends the process with exit code 2 on bad input."""

    def listed(known: tuple[str, ...]) -> Any:
        def parse(text: str) -> list[str]:
            names = text.split(",")
            for name in names:
                if name not in known:
                    raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(known)}")
            return list(dict.fromkeys(names))

        return parse

    def seeds(text: str) -> list[int]:
        return list(dict.fromkeys(int(seed) for seed in text.split(",")))

    parser = argparse.ArgumentParser(prog="gpubench", description="Train the courses' nets on MNIST and time it.")
    parser.add_argument("--net", default=list(NETS), type=listed(NETS), help="nets, with commas (default: lenet,mlp)")
    parser.add_argument(
        "--device",
        default=["auto"],
        type=listed(("auto", *DEVICES)),
        help="cpu, cuda, cpu,cuda, or auto: what there is",
    )
    parser.add_argument("--epochs", type=int, default=10, help="passes over the training images")
    parser.add_argument("--seed", default=[0], type=seeds, help="fixes weights and order; of several the mean is told")
    parser.add_argument(
        "--style", default=["auto"], type=listed(STYLES), help="how to train; naive also beside: auto,naive"
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with the four uncompressed MNIST files")
    parser.add_argument("--json", type=Path, required=True, help="where the result goes")
    parser.add_argument("--once", action="store_true", help="do nothing when the result is already there")
    parser.add_argument("--history", type=Path, help="file of earlier results, to compare with and add to")
    parser.add_argument("--spot-notices", default="", help="metadata service that tells when AWS takes the host (URL)")
    options = parser.parse_args(argv)
    if options.epochs < 1:
        parser.error(f"--epochs is {options.epochs}, expected at least 1")
    if options.device != ["auto"] and "auto" in options.device:
        parser.error("--device auto stands alone, or name cpu, cuda or cpu,cuda")
    if len([style for style in options.style if style != "naive"]) > 1:
        parser.error(f"--style is {','.join(options.style)}, expected one style, and naive beside it if you like")
    return options


def benchmark(options: argparse.Namespace, check: Callable[[], None]) -> dict[str, Any]:
    """Train each net on each device asked for, and gather the JSON document. Imports torch, which takes seconds.

    `check` is called before each epoch and may raise.
    """
    warnings.filterwarnings("ignore", message="Failed to initialize NumPy")
    if options.style[0] in ("auto", "native") and options.device != ["cuda"]:
        # It compiles while PyTorch is imported.
        native.build()
    import torch

    from . import train
    from .courses import COURSES

    devices = usable(options.device)
    style, *naive = sorted(options.style, key=lambda name: name == "naive")
    for device in devices:
        train.style_for(device, style)
    # The fair pair: the same float32 arithmetic on both devices.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    document: dict[str, Any] = {"version": 2, "seeds": options.seed, **examine(devices)}
    missed: list[str] = []
    for name in options.net:
        course = COURSES[name]
        splits = course.load(options.data)
        entry = document[name] = {}
        for device in devices:
            rate = document["probes"][device]["gemm_gflops"]["float32"]
            for way, place in [(style, entry), *((way, entry.setdefault(way, {})) for way in naive)]:
                run, reasons = train.train_net(course, splits, device, way, options.epochs, options.seed, rate, check)
                place[device] = run
                missed += reasons
        if {"cpu", "cuda"} <= entry.keys():
            entry["speedup"] = entry["cpu"]["seconds_per_epoch"] / entry["cuda"]["seconds_per_epoch"]
    document["gates"] = judge.gates(missed)
    document["finished"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    if options.history:
        history.note(options.history, document)
    return document


def usable(wanted: list[str]) -> list[str]:
    """The devices to train on, CPU first. Raises train.TrainingError where CUDA was asked for and cannot be used."""
    import torch

    from . import health, train

    found = torch.cuda.is_available()
    if "cuda" in wanted and not found:
        raise train.TrainingError(
            f"--device cuda was asked for, but torch {torch.__version__} finds no usable CUDA device: "
            "see what nvidia-smi says, or use --device cpu."
        )
    devices = ["cpu", *(["cuda"] if found else [])] if wanted == ["auto"] else [d for d in DEVICES if d in wanted]
    if "cuda" in devices:
        name, capability = torch.cuda.get_device_name(0), torch.cuda.get_device_capability(0)
        if unsupported := health.unsupported(name, capability, torch.cuda.get_arch_list()):
            raise train.TrainingError(unsupported)
    return devices


def examine(devices: list[str]) -> dict[str, Any]:
    """The document's part on the machine: programs, processor, GPUs, what they reach in bare products and copies."""
    import torch

    from . import health, nvml, probes

    watch, found = nvml.Watch(), torch.cuda.is_available()
    measured: dict[str, Any] = {}
    if "cpu" in devices:
        # Of one thread and all: where a neighbour keeps a core busy, one is faster.
        rates: dict[int, float] = {}
        for threads in {1, machine.thread_count()}:
            torch.set_num_threads(threads)
            rates[threads] = probes.gemm_gflops("cpu", "float32", seconds=0.15) or 0.0
        torch.set_num_threads(max(rates, key=rates.__getitem__))
        measured["cpu"] = probes.probe("cpu", seconds=0.15)
    if "cuda" in devices:
        measured["cuda"] = probes.probe("cuda", during=watch.sample)
    gpus = nvml.read(watch=watch)
    findings = health.findings(
        torch_version=torch.__version__,
        torch_cuda=torch.version.cuda,
        cuda_available=found,
        gpus=gpus,
        probes=measured,
        device_files=[str(path) for path in Path("/dev").glob("nvidia[0-9]*")],
    )
    name = torch.cuda.get_device_name(0) if found else None
    return {
        "torch": torch.__version__,
        "python": platform.python_version(),
        "cpu_model": machine.cpu_model(),
        "device_found": {"cuda": found, "name": name, "count": torch.cuda.device_count()},
        "probes": measured,
        "gpus": gpus,
        "health": {"findings": findings},
    }


def main(argv: list[str]) -> int:
    """Exit code 0: JSON written (its `gates` say if the nets learned, or why not); 2: a sentence on stderr, no JSON."""
    options = arguments(argv)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    part = options.json.with_name(options.json.name + ".part")
    with options.json.with_name(options.json.name + ".lock").open("w") as lock:
        # A run whose control machine died may still be training: wait for it rather than disturb its timing.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if options.once and options.json.exists():
            print(f"{options.json} is already there.", file=sys.stderr)
            return 0
        watch = interruption.Watch(options.spot_notices)
        try:
            document = benchmark(options, watch.check)
        except interruption.Interrupted as notice:
            print(str(notice), file=sys.stderr)
            document = interruption.document(notice)
        except (data.DataError, RuntimeError) as error:
            print(str(error), file=sys.stderr)
            return 2
        finally:
            watch.close()
        part.write_text(json.dumps(document, indent=1) + "\n")
        part.replace(options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

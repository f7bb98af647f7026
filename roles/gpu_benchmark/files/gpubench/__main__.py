"""`python -m gpubench`: parse, train, write one JSON file. Progress goes to stderr, nothing to stdout."""

from __future__ import annotations

import argparse
import fcntl
import json
import platform
import sys
import warnings
from pathlib import Path
from typing import Any

from . import data, judge, machine


def arguments(argv: list[str]) -> argparse.Namespace:
    """Parse the command line; argparse ends the process with exit code 2 on bad input."""
    parser = argparse.ArgumentParser(prog="gpubench", description="Train the courses' nets on MNIST and time it.")
    parser.add_argument("--net", default="lenet", choices=["lenet"], help="the net to train")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"], help="auto: CPU, and CUDA if any")
    parser.add_argument("--epochs", type=int, default=10, help="passes over the 55,000 training images")
    parser.add_argument("--seed", type=int, default=0, help="fixes the weights and the order of images")
    parser.add_argument("--data", type=Path, required=True, help="folder with the four uncompressed MNIST files")
    parser.add_argument("--json", type=Path, required=True, help="where the result goes")
    parser.add_argument("--once", action="store_true", help="do nothing when the result is already there")
    options = parser.parse_args(argv)
    if options.epochs < 1:
        parser.error(f"--epochs is {options.epochs}, expected at least 1")
    return options


def benchmark(options: argparse.Namespace) -> dict[str, Any]:
    """Train on each device asked for, and gather the JSON document. Imports torch, which takes seconds."""
    warnings.filterwarnings("ignore", message="Failed to initialize NumPy")
    import torch

    from . import train

    found = torch.cuda.is_available()
    if options.device == "cuda" and not found:
        raise train.TrainingError(
            f"--device cuda was asked for, but torch {torch.__version__} finds no usable CUDA device: "
            "see what nvidia-smi says, or use --device cpu."
        )
    # The fair pair: the same float32 arithmetic on both devices.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    devices = {"auto": ["cpu", "cuda"] if found else ["cpu"]}.get(options.device, [options.device])
    splits = train.load(options.data)
    lenet: dict[str, Any] = {}
    missed: list[str] = []
    for device in devices:
        lenet[device], reasons = train.lenet(splits, device, options.epochs, options.seed)
        missed += reasons
    if len(devices) == 2:
        lenet["speedup"] = lenet["cpu"]["seconds_per_epoch"] / lenet["cuda"]["seconds_per_epoch"]
    return {
        "version": 1,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "cpu_model": machine.cpu_model(),
        "seed": options.seed,
        "lenet": lenet,
        "device_found": {"cuda": found, "name": torch.cuda.get_device_name(0) if found else None},
        "gates": judge.gates(missed),
    }


def main(argv: list[str]) -> int:
    """Exit code 0: JSON written (its `gates` say if the nets learned); 2: a sentence on stderr and no JSON."""
    options = arguments(argv)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    part = options.json.with_name(options.json.name + ".part")
    with options.json.with_name(options.json.name + ".lock").open("w") as lock:
        # A run whose control machine died may still be training: wait for it rather than disturb its timing.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if options.once and options.json.exists():
            print(f"{options.json} is already there.", file=sys.stderr)
            return 0
        try:
            document = benchmark(options)
        except (data.DataError, RuntimeError) as error:
            print(str(error), file=sys.stderr)
            return 2
        part.write_text(json.dumps(document, indent=1) + "\n")
        part.replace(options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

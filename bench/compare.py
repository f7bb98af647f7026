"""gpubench beside the notebooks' way, in one run: wall time of the whole commands, speeds, distance to the floor.

    PYTHONPATH=roles/gpu_benchmark/files PYTHON bench/compare.py --data MNIST-FOLDER [--epochs 10] [--seeds 0,1,2]

PYTHON is one with the benchmark's PyTorch (on a benchmarked host /opt/gpulab/benchmark/venv/bin/python). Both commands
start from nothing, read the data, train both nets and test them: LeNet-5 after each epoch on the images held back, as
the lab does, and both in the end. Ours also tests the MLP after each epoch, probes the machine and measures its floor.
Ours runs before the notebook and after it, and the mean counts: a machine with neighbours is faster and slower in turn.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean, median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # PyTorch takes seconds to import, and those belong to the commands that are timed.
    from gpubench.naive import NaiveTrainer

NETS = ("lenet", "mlp")
ORDER = ("train", "validation", "test")
"""The parts of the data, in which order a notebook uses them."""


def notebook(data: Path, epochs: int) -> dict[str, Any]:
    """Train both nets as a notebook would; the median seconds of an epoch and the test accuracy of each."""
    import torch
    from gpubench.courses import COURSES
    from gpubench.naive import NaiveTrainer

    found = {}
    for name in NETS:
        course, walls = COURSES[name], []
        splits, net = course.load(data), course.net(0)
        # A trainer of other images reads them for testing, by the same loader.
        train, *held_back, test = (
            NaiveTrainer(course, net, splits[part], 0) for part in sorted(splits, key=ORDER.index)
        )
        generator = torch.Generator().manual_seed(0)
        for epoch in range(1, epochs + 1):
            start = time.perf_counter()
            loss = train.epoch(course.permutation(generator))
            walls.append(time.perf_counter() - start)
            after = "".join(f", validation {accuracy(part):.4f}" for part in held_back)
            line = f"notebook style: {name} epoch {epoch}/{epochs}: {walls[-1]:.2f} s, loss {loss:.4f}{after}"
            print(line, file=sys.stderr)
        found[name] = {"seconds_per_epoch": median(walls), "accuracy": accuracy(test)}
    return found


def accuracy(reader: NaiveTrainer) -> float:
    """Share of the reader's images that its net classifies rightly, as the notebooks test: batch by batch."""
    import torch

    reader.begin(None)
    reader.net.eval()
    with torch.no_grad():
        right = sum(int((reader.forward(images).argmax(1) == labels).sum()) for images, labels in reader.batches)
    reader.net.train()
    return right / len(reader.train)


def timed(command: list[str]) -> float:
    """Seconds of a command from its start to its end; it has to succeed."""
    start = time.perf_counter()
    subprocess.run(command, check=True)
    return time.perf_counter() - start


def table(ours: list[dict[str, Any]], theirs: dict[str, Any], fast: list[float], slow: float) -> str:
    """The comparison as text: our documents and the notebook's, seconds of our commands and of the notebook's."""
    rows = [f"{'net':8}{'notebook':>12}{'gpubench':>12}{'ratio':>8}{'x floor':>9}{'accuracy':>10}  reliable"]
    for name in NETS:
        runs, theirs_takes = [document[name]["cpu"] for document in ours], theirs[name]["seconds_per_epoch"]
        ours_takes, floors = (mean(run[what] for run in runs) for what in ("seconds_per_epoch", "times_floor"))
        doubts = [doubt for run in runs for doubt in run["unreliable_reasons"]]
        rows.append(
            f"{name:8}{theirs_takes:>8.2f} s/e{ours_takes:>8.2f} s/e{theirs_takes / ours_takes:>7.1f}x{floors:>9.2f}"
            f"{runs[0]['accuracy']:>10.4f}  {'no: ' + doubts[0] if doubts else 'yes'}"
        )
    each = " and ".join(f"{seconds:.1f} s" for seconds in fast)
    rows.append(f"command {slow:>9.1f} s, ours {each}: {mean(fast) / slow:.2f} of the notebook's time")
    return "\n".join(rows)


def main() -> int:
    """Print the table; 0."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the four uncompressed MNIST files")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", help="also the mean accuracy over these, such as 0,1,2, in a run of its own")
    parser.add_argument("--notebook", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.notebook:
        options.notebook.write_text(json.dumps(notebook(options.data, options.epochs)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        before, other, after, seeds = (Path(folder) / name for name in ("before", "notebook", "after", "seeds"))
        common = ["--data", str(options.data), "--epochs", str(options.epochs)]
        program = [sys.executable, "-W", "ignore"]
        ours = [*program, "-m", "gpubench", *common, "--device", "cpu", "--json"]
        fast = [timed([*ours, str(before)])]
        slow = timed([*program, __file__, *common, "--notebook", str(other)])
        fast.append(timed([*ours, str(after)]))
        documents = [json.loads(file.read_text()) for file in (before, after, other)]
        print(table(documents[:2], documents[2], fast, slow))
        if options.seeds:
            timed([*ours, str(seeds), "--seed", options.seeds])
            for name in NETS:
                run = json.loads(seeds.read_text())[name]["cpu"]
                each = ", ".join(f"{value:.4f}" for value in run["accuracy_by_seed"])
                print(f"{name}: test accuracy {run['accuracy']:.4f}, the mean of seeds {options.seeds} ({each})")
    return 0


if __name__ == "__main__":
    sys.exit(main())

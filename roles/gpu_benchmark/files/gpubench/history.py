"""What was measured before on this machine, and whether a figure has changed by more than the noise. No torch here."""

from __future__ import annotations

import fcntl
import hashlib
import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

MOST_ENTRIES = 100
"""Entries that are kept, the latest ones: some 100 kB."""
LEAST_NOISE = 0.05
"""Two runs of the same work on an idle machine differ by up to this; nothing smaller is called a change."""
LONE_SPREAD = 0.05
"""Relative standard deviation that is assumed where one epoch was timed, so that nothing is known of its spread."""
SIGMAS = 3.0
"""A change is beyond the noise from this many standard deviations on: by chance, fewer than 3 runs in 1,000."""
MAD_TO_SIGMA = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""

TITLES = {"lenet": "LeNet-5", "mlp": "The MLP"}
PLACES = {"cpu": "the CPU", "cuda": "the GPU"}
LOOK = {
    "cpu": "see with top what else runs on the host, and whether its CPU is shared or out of credits",
    "cuda": "see with nvidia-smi -q -d PERFORMANCE,CLOCK,PIDS what holds the GPU back",
}
KEPT = ("style", "epochs", "seconds_per_epoch", "images_per_second", "walls", "threads", "reliable")

Entry = dict[str, Any]
"""A line of the history: finished, torch, cpu_model, gpu, driver, program; runs[net][device] with the KEPT fields."""


def runs(nets: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """(net, device, run) for every device that a net of a document, or of an entry's runs, was timed on."""
    for net in TITLES:
        for device in PLACES:
            run = (nets.get(net) or {}).get(device)
            if run:
                yield net, device, run


def program() -> str:
    """What tells this version of the program from another one: a hash over its files, 16 hex digits."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.[pch]*")):
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def entry(document: Mapping[str, Any], version: str) -> Entry:
    """What the history keeps of a result; `version` is the program's."""
    kept: dict[str, dict[str, Any]] = {}
    for net, device, run in runs(document):
        kept.setdefault(net, {})[device] = {name: run[name] for name in KEPT if name in run}
    gpus = document.get("gpus") or [{}]
    return {
        "finished": document.get("finished"),
        "torch": document.get("torch"),
        "cpu_model": document.get("cpu_model"),
        "gpu": (document.get("device_found") or {}).get("name"),
        "driver": gpus[0].get("driver"),
        "program": version,
        "runs": kept,
    }


def read(path: Path) -> list[Entry]:
    """The entries, oldest first; lines that are none (an editor was here) are passed over. Missing file: []."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return []
    found = []
    for line in lines:
        try:
            parsed = json.loads(line)
        except ValueError:
            continue
        if isinstance(parsed, dict) and isinstance(parsed.get("runs"), dict):
            found.append(parsed)
    return found


def append(path: Path, document: Mapping[str, Any]) -> None:
    """Add a result to the file of JSON lines, in one step; the oldest beyond MOST_ENTRIES go. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with path.with_name(path.name + ".lock").open("w") as lock:
        # Two programs that end together must not lose each other's entry.
        fcntl.flock(lock, fcntl.LOCK_EX)
        entries = [*read(path), entry(document, program())][-MOST_ENTRIES:]
        part.write_text("".join(json.dumps(one) + "\n" for one in entries))
        part.replace(path)


def same_work(then: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether two runs of a net on a device did the same work in the same way."""
    return all(then.get(name) == now.get(name) for name in ("style", "epochs"))


def sound(run: Mapping[str, Any]) -> bool:
    """Whether a run's figure can be trusted, and is one."""
    seconds = run.get("seconds_per_epoch")
    return run.get("reliable") is True and isinstance(seconds, int | float) and math.isfinite(seconds) and seconds > 0


def pairs(before: Entry, now: Entry) -> Iterator[tuple[str, str, Mapping[str, Any], Mapping[str, Any]]]:
    """(net, device, run then, run now) for all in two entries that did the same work."""
    for net, device, run in runs(now["runs"]):
        then = (before["runs"].get(net) or {}).get(device)
        if then and same_work(then, run):
            yield net, device, then, run


def previous(path: Path, document: Mapping[str, Any]) -> Entry | None:
    """The latest entry of the same CPU, GPU and work, one that can be judged if there is any; None without any."""
    now, latest = entry(document, ""), None
    for found in reversed(read(path)):
        if any(found.get(name) != now[name] for name in ("cpu_model", "gpu")):
            continue
        together = list(pairs(found, now))
        if any(sound(then) and sound(run) for _net, _device, then, run in together):
            return found
        latest = latest or (found if together else None)
    return latest


def spread(walls: Sequence[float]) -> float:
    """Relative standard deviation of an epoch's time (seconds each), from the median: one slow epoch does not count."""
    if len(walls) < 2:
        return LONE_SPREAD
    middle = median(walls)
    return MAD_TO_SIGMA * median(abs(wall - middle) for wall in walls) / middle


def noise(then: Sequence[float], now: Sequence[float]) -> float:
    """Relative difference of two runs that chance explains; their epochs' times in seconds."""
    return max(LEAST_NOISE, SIGMAS * math.hypot(spread(then), spread(now)))


def changes(before: Entry | None, document: Mapping[str, Any], version: str = "") -> list[dict[str, Any]]:
    """How each figure that can be trusted stands to the one before, as the document's history has it. Pure.

    ratio: seconds per epoch now over then. `version`: the program's now; "" where it is not known.
    """
    if before is None:
        return []
    now = entry(document, version or str(before.get("program")))
    found = []
    for net, device, then, run in pairs(before, now):
        if not (sound(then) and sound(run)):
            continue
        ratio = run["seconds_per_epoch"] / then["seconds_per_epoch"]
        margin = noise(then.get("walls") or [], run.get("walls") or [])
        beyond = abs(math.log(ratio)) > math.log1p(margin)
        said = f"{TITLES[net]} on {PLACES[device]} {_compared(ratio, beyond, margin)} {_then(before, then, run)}"
        said += f": {_advice(device, _differences(before, now, then, run))}." if beyond and ratio > 1 else "."
        found.append({"net": net, "device": device, "ratio": ratio, "beyond_noise": beyond, "sentence": said})
    return found


def _compared(ratio: float, beyond: bool, margin: float) -> str:
    if not beyond:
        return f"takes as long per epoch, within {margin:.0%}, as"
    if ratio > 1:
        return f"takes {ratio:.2f} times as long per epoch as"
    return f"takes {ratio:.2f} of the time per epoch of the run"


def _then(before: Entry, then: Mapping[str, Any], run: Mapping[str, Any]) -> str:
    day = str(before.get("finished") or "")[:10]
    when = f"on {day}" if day else "before"
    return f"{when} ({_seconds(run)} now, {_seconds(then)} then)"


def _seconds(run: Mapping[str, Any]) -> str:
    return f"{run['seconds_per_epoch']:.3g} s"


def _differences(before: Entry, now: Entry, then: Mapping[str, Any], run: Mapping[str, Any]) -> list[str]:
    """What else changed between the two, in words: the first suspects."""
    named = [
        ("PyTorch", before, now, "torch"),
        ("driver", before, now, "driver"),
        ("threads", then, run, "threads"),
    ]
    told = [f"{what} {a.get(name)} became {b.get(name)}" for what, a, b, name in named if a.get(name) != b.get(name)]
    return told + (["the training program changed"] if before.get("program") != now["program"] else [])


def _advice(device: str, differences: Sequence[str]) -> str:
    if not differences:
        return LOOK[device]
    told = " and ".join(part for part in (", ".join(differences[:-1]), differences[-1]) if part)
    return f"{told} meanwhile; if that is not why, {LOOK[device]}"


def note(path: Path, document: dict[str, Any]) -> None:
    """Fill document["history"] from the file, then add the document to the file.

    A file that cannot be used is said on stderr: what was measured is worth more than what it is compared with.
    """
    document["history"] = {"previous": None, "changes": []}
    try:
        before = previous(path, document)
        document["history"] = {"previous": _summary(before), "changes": changes(before, document, program())}
        append(path, document)
    except OSError as error:
        print(
            f"The history {path} cannot be kept ({error.strerror}), expected a file that this login may write: "
            "give another one with --history; the result is whole without it.",
            file=sys.stderr,
        )


def _summary(before: Entry | None) -> dict[str, Any] | None:
    """What the document says of the entry that it was compared with."""
    if before is None:
        return None
    seconds: dict[str, dict[str, float]] = {}
    for net, device, run in runs(before["runs"]):
        if "seconds_per_epoch" in run:
            seconds.setdefault(net, {})[device] = run["seconds_per_epoch"]
    return {"finished": before.get("finished"), "seconds_per_epoch": seconds}

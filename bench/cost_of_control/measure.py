"""provision.yml beside a plain amazon.aws playbook: wall time and API calls, first and unchanged, for 1 and 50 hosts.

    .venv/bin/python -m bench.cost_of_control.measure [--hosts 1,50] [--rounds 3] [--answer-seconds 0.1] [--json F]

Both make a key pair, a security group and the hosts, up to their addresses, one run after the other, each in an
embedded AWS of its own on this machine: moto looks through all instances for those of a tag, and neither way should
wait for the other's. provision.yml (its part on the control machine, `--limit localhost`) also plans, sets the guards
and sees to it that the hosts are known by their keys. moto answers in milliseconds where AWS takes tenths of seconds:
what is measured is the control machine's work, and the number of calls tells the rest. With --answer-seconds each
answer takes that much longer, which is nearer to what a user waits for.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rehearsal import environment, session, settings

PLAIN = Path(__file__).with_name("plain.yml")
ENOUGH_VCPUS = 100_000
G_QUOTA = "L-DB2E81BA"
"""Running On-Demand G and VT instances, https://docs.aws.amazon.com/general/latest/gr/ec2-service.html#limits_ec2"""
GOALS = {(1, "first"): 0.6, (1, "unchanged"): 0.5, (50, "first"): 0.35, (50, "unchanged"): 0.5}
"""Wall time of ours over the plain playbook's, at most."""


@dataclass(frozen=True)
class Run:
    """One playbook's run: seconds of wall time, of processor time, AWS calls by action, changed tasks."""

    seconds: float
    cpu: float
    calls: dict[str, int]
    changed: int


def ours(name: str, count: int) -> list[str]:
    """The command that provides `count` hosts by provision.yml."""
    return ["provision.yml", "--limit", "localhost", "-e", f"gpu_host_count={count}", "-e", f"deployment={name}"]


def plain(name: str, count: int, key: Path) -> list[str]:
    """The command that does it the plain way."""
    given = {"plain_name": name, "plain_count": count, "plain_key_file": str(key)}
    # Without the inventory, whose question to AWS is none of its business.
    return [str(PLAIN), "-i", "/dev/null", "-e", json.dumps(given)]


def play(url: str, command: list[str]) -> Run:
    """Run a playbook against the embedded AWS at `url`; RuntimeError with its last lines where it fails."""
    session.request(url, "calls", "DELETE")
    began, used = time.monotonic(), _children()
    done = subprocess.run(
        [str(settings.ROOT / ".venv/bin/ansible-playbook"), *command],
        cwd=settings.ROOT,
        env=environment.process(url),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    seconds, cpu = time.monotonic() - began, _children() - used
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {(done.stdout + done.stderr)[-3000:]}")
    calls: dict[str, int] = {}
    for call in session.request(url, "calls"):
        calls[call["action"]] = calls.get(call["action"], 0) + 1
    changed = done.stdout.rpartition("changed=")[2].split()[0]
    return Run(seconds, cpu, calls, int(changed))


def _children() -> float:
    """The processor seconds of all processes that this one has started and waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextmanager
def cloud(answer_seconds: float = 0.0) -> Iterator[str]:
    """The address of an embedded AWS without hosts and with room for all; gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        url = str(session.up(state=state, hosts=False)["url"])
        try:
            session.request(url, "quotas", "POST", {"code": G_QUOTA, "value": ENOUGH_VCPUS})
            if answer_seconds:
                slow = {"action": ".*", "mode": "delay", "seconds": answer_seconds, "times": 10**9}
                session.request(url, "faults", "POST", slow)
            yield url
        finally:
            session.down(state)


@contextmanager
def names() -> Iterator[str]:
    """A name for a deployment; what it leaves in this clone is removed afterwards."""
    name = f"bench-{uuid.uuid4().hex[:8]}"
    try:
        yield name
    finally:
        for folder in (settings.ROOT / ".gpulab" / name, settings.ROOT / "reports" / name):
            shutil.rmtree(folder, ignore_errors=True)


def pair(count: int, key: Path, answer_seconds: float) -> dict[str, dict[str, Run]]:
    """{"first" | "unchanged": {"plain" | "ours": Run}} for `count` hosts, the two ways by turns."""
    with names() as name, cloud(answer_seconds) as one, cloud(answer_seconds) as other:
        runs = {"plain": (one, plain(name, count, key)), "ours": (other, ours(name, count))}
        return {when: {way: play(*run) for way, run in runs.items()} for when in ("first", "unchanged")}


def summary(rounds: list[dict[str, dict[str, Run]]], count: int) -> list[dict[str, Any]]:
    """One row for "first" and one for "unchanged": median seconds, their ratios, the calls of the last round.

    On a machine that is busy with other things the processor's seconds tell more than those on the wall.
    """
    rows = []
    for when in ("first", "unchanged"):
        row: dict[str, Any] = {"hosts": count, "run": when, "goal": GOALS.get((count, when))}
        for way in ("plain", "ours"):
            runs = [one[when][way] for one in rounds]
            row[way] = {
                "seconds": round(median(run.seconds for run in runs), 2),
                "cpu_seconds": round(median(run.cpu for run in runs), 2),
                "calls": sum(runs[-1].calls.values()),
                "by_action": dict(sorted(runs[-1].calls.items())),
                "changed": runs[-1].changed,
            }
        row["ratio"] = round(row["ours"]["seconds"] / row["plain"]["seconds"], 3)
        row["cpu_ratio"] = round(row["ours"]["cpu_seconds"] / row["plain"]["cpu_seconds"], 3)
        rows.append(row)
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as text."""
    head = f"{'hosts':>5}  {'run':10}{'plain':>9}{'ours':>9}{'ratio':>7}{'goal':>7}{'CPU':>7}"
    lines = [f"{head}{'calls':>14}"]
    for row in rows:
        calls = f"{row['plain']['calls']} / {row['ours']['calls']}"
        goal = "-" if row["goal"] is None else f"{row['goal']:.2f}"
        lines.append(
            f"{row['hosts']:>5}  {row['run']:10}{row['plain']['seconds']:>7.1f} s{row['ours']['seconds']:>7.1f} s"
            f"{row['ratio']:>7.2f}{goal:>7}{row['cpu_ratio']:>7.2f}{calls:>14}"
        )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.cost_of_control.measure", description=__doc__)
    parser.add_argument("--hosts", default="1,50", help="numbers of hosts, with commas")
    parser.add_argument("--rounds", type=int, default=1, help="how often; medians are shown")
    parser.add_argument("--json", type=Path, help="also write the figures there")
    parser.add_argument("--answer-seconds", type=float, default=0.0, help="how much longer than moto AWS takes")
    options = parser.parse_args(arguments)
    # One that is ended takes its cloud along.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        key = Path(folder) / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        for count in (int(number) for number in options.hosts.split(",")):
            runs = [pair(count, key.with_suffix(".pub"), options.answer_seconds) for _ in range(options.rounds)]
            rows += summary(runs, count)
    print(table(rows))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

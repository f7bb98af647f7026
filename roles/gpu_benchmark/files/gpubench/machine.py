"""What the machine gives this process: CPU model, cores and quota. Parsing is pure; no torch here."""

from __future__ import annotations

import contextlib
import os
import platform
from pathlib import Path


def quota_cores(cpu_max: str) -> float | None:
    """Cores that a cgroup v2 `cpu.max` text ("QUOTA PERIOD", microseconds, or "max PERIOD") allows; None: no limit."""
    fields = cpu_max.split()
    if len(fields) != 2 or fields[0] == "max":
        return None
    return int(fields[0]) / int(fields[1])


def cgroup_files(cgroup: str, root: Path) -> list[Path]:
    """The limit files that apply to a process, from its /proc/self/cgroup text: own group first, root last."""
    files = []
    for line in cgroup.splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            base, name = root, "cpu.max"
        elif "cpu" in controllers.split(","):
            base, name = root / "cpu", "cpu.cfs_quota_us"
        else:
            continue
        group = base / path.lstrip("/")
        files += [folder / name for folder in (group, *group.parents) if folder.is_relative_to(base)]
    return files


def limit_text(path: Path) -> str:
    """The limit in `cpu.max` form from a v2 or v1 file; a v1 quota of -1 means none. Missing file: no limit."""
    try:
        text = path.read_text().strip()
        if path.name == "cpu.max":
            return text
        period = path.with_name("cpu.cfs_period_us").read_text().strip()
    except OSError:
        return "max 100000"
    return f"{'max' if text.startswith('-') else text} {period}"


def usable_threads(affinity: int, limits: list[str]) -> int:
    """Threads worth starting: the cores we may run on, less when a cgroup quota is tighter; at least one."""
    quotas = [cores for cores in map(quota_cores, limits) if cores is not None]
    return max(1, int(min([float(affinity), *quotas])))


def thread_count() -> int:
    """Usable threads of this process; torch would take every core of the machine, even in a limited container."""
    try:
        groups = Path("/proc/self/cgroup").read_text()
    except OSError:
        groups = ""
    limits = [limit_text(path) for path in cgroup_files(groups, Path("/sys/fs/cgroup"))]
    return usable_threads(len(os.sched_getaffinity(0)), limits)


def waited_seconds(tasks: Path = Path("/proc/self/task")) -> float | None:
    """Seconds that this process's threads, all together, were ready to run and had no core; None: not known."""
    waited, told = 0, False
    for task in tasks.iterdir():
        # A thread may end meanwhile; where no task has the file, the kernel keeps no such account.
        with contextlib.suppress(FileNotFoundError):
            # Nanoseconds on a core, nanoseconds waiting for one, turns: Linux, Documentation/scheduler/sched-stats.
            waited += int((task / "schedstat").read_text().split()[1])
            told = True
    return waited / 1e9 if told else None


def cpu_model() -> str:
    """The processor's own name from /proc/cpuinfo, or the architecture where it has none (arm)."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()

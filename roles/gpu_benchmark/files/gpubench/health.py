"""Is the GPU well? Findings from what was read and measured; pure functions over the result's parts, no torch here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from . import peaks

Finding = dict[str, str]

THROTTLED = {
    "hw slowdown": "the hardware halves its clock or worse, for heat or for power",
    "hw thermal slowdown": "it is too hot and halves its clock or worse",
    "sw thermal slowdown": "it is too hot and the driver lowers its clock",
    "hw power brake": "the host's power supply asks it to brake",
}
"""NVML's reasons that a healthy GPU does not have under load, and what they mean (NVML API reference)."""

DRIVERS = {13: "580", 12: "525.60.13", 11: "450.80.02"}
"""CUDA's major version: the oldest Linux driver that runs it (NVIDIA, CUDA compatibility, minor versions)."""

ELSEWHERE = "on EC2 type `ansible-playbook stop.yml`, then `ansible-playbook start.yml`, which brings other hardware"

AGAIN = f"see with `nvidia-smi` that nothing else runs on it, run it again, and if it stays so {ELSEWHERE}"


def findings(
    *,
    torch_version: str,
    torch_cuda: str | None,
    cuda_available: bool,
    gpus: Sequence[Mapping[str, Any]],
    probes: Mapping[str, Mapping[str, Any]],
    device_files: Iterable[str],
) -> list[Finding]:
    """What is wrong, the gravest first: {"code", "severity": failed|warning, "sentence"} each; [] when all is well.

    `torch_cuda` is torch.version.cuda, `gpus` and `probes` are the result's parts, `device_files` what the host has in
    /dev (paths).
    """
    found = [
        *_unusable(torch_version, torch_cuda, cuda_available, gpus, list(device_files)),
        *(finding for gpu in gpus for finding in _sick(gpu)),
        *(finding for device, probe in probes.items() for finding in _slow(device, probe, gpus)),
    ]
    return sorted(found, key=lambda finding: finding["severity"] != "failed")


def _finding(code: str, severity: str, sentence: str) -> Finding:
    return {"code": code, "severity": severity, "sentence": sentence}


def _called(gpu: Mapping[str, Any]) -> str:
    return f"GPU {gpu['index']} ({gpu['name'] or 'unknown'})"


def _unusable(
    version: str, cuda: str | None, available: bool, gpus: Sequence[Mapping[str, Any]], files: Sequence[str]
) -> Iterator[Finding]:
    """A GPU is there and PyTorch cannot use it, or uses it and nothing can be read of it."""
    nodes = sorted(path for path in files if re.fullmatch(r"/dev/nvidia\d+", path))
    if not cuda and (gpus or nodes):
        there = ", ".join(gpu["name"] or "a GPU" for gpu in gpus) or nodes[0]
        yield _finding(
            "cpu_build",
            "failed",
            f"torch {version} is the CPU build, expected one with CUDA on a host that has {there}: "
            "type `ansible-playbook benchmark.yml -e gpu_benchmark_torch_build=cuda`.",
        )
    elif cuda and not available and gpus:
        yield _no_cuda(version, cuda, gpus[0])
    elif available and not gpus:
        yield _finding(
            "unread",
            "warning",
            "CUDA works, and NVML says nothing of the GPU's clocks, heat and link, expected it to: type "
            "`pip install nvidia-ml-py` in PyTorch's environment, then `nvidia-smi -q`.",
        )


def _no_cuda(version: str, cuda: str, gpu: Mapping[str, Any]) -> Finding:
    """PyTorch with CUDA finds no GPU, though NVML does."""
    needed, driver = DRIVERS.get(int(cuda.split(".")[0])), gpu["driver"]
    seen = f"torch {version} finds no GPU, though NVML sees {gpu['name'] or 'one'} with driver {driver or 'unknown'}"
    if needed and driver and _numbers(driver) >= _numbers(needed):
        return _finding(
            "cuda_unavailable",
            "failed",
            f"{seen}, which is new enough for CUDA {cuda}, expected it to work: "
            "type `ansible-playbook repair-drivers.yml`, which names the cause.",
        )
    expected = f"{needed} or newer" if needed else "the one that this CUDA asks for"
    return _finding(
        "driver_too_old",
        "failed",
        f"{seen}, expected {expected} for CUDA {cuda}: type `ansible-playbook repair-drivers.yml`.",
    )


def unsupported(name: str, capability: tuple[int, int], architectures: Iterable[str]) -> str | None:
    """Why this PyTorch has no code for a GPU, one sentence; None when it has.

    Arguments as torch.cuda's get_device_name, get_device_capability and get_arch_list give them. Machine code (sm_86)
    runs on its own generation from its number on, with an "a" on that very one; PTX (compute_90) on all from it on.
    """
    for kind, major, minor, suffix in re.findall(r"\b(sm|compute)_(\d+)(\d)([af]?)\b", " ".join(architectures)):
        compiled = int(major), int(minor)
        if capability == compiled or (
            suffix != "a" and capability > compiled and (kind == "compute" or capability[0] == compiled[0])
        ):
            return None
    return (
        f"PyTorch has no code for {name} (compute capability {capability[0]}.{capability[1]}), expected one of "
        f"{', '.join(sorted(architectures)) or 'those of a CUDA build'}: choose a newer GPU, "
        "or the environment of an older profile."
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))


def _sick(gpu: Mapping[str, Any]) -> Iterator[Finding]:
    """What NVML says of one GPU."""
    yield from _throttled(gpu)
    yield from _link(gpu)
    if gpu["ecc_uncorrected"]:
        yield _finding(
            "ecc",
            "failed",
            f"{_called(gpu)} counts {gpu['ecc_uncorrected']} uncorrected memory error(s) since its driver was loaded, "
            f"expected none: {ELSEWHERE}.",
        )
    if gpu["other_processes"]:
        count = len(gpu["other_processes"])
        pids = ", ".join(str(process["pid"]) for process in gpu["other_processes"] if process["pid"] is not None)
        yield _finding(
            "busy",
            "warning",
            f"{_called(gpu)} is also used by {count} other process{'es' if count > 1 else ''}"
            f"{f' (pid {pids})' if pids else ''}, expected none beside the benchmark: "
            "see `nvidia-smi`, end them (a notebook's kernel: shut it down in Jupyter) and run it again.",
        )


def _throttled(gpu: Mapping[str, Any]) -> Iterator[Finding]:
    reasons = gpu["throttle_reasons"] or []
    clocks = f"{_or_unknown(gpu['sm_clock_mhz'])} of {_or_unknown(gpu['sm_clock_max_mhz'])} MHz"
    grave = [reason for reason in THROTTLED if reason in reasons]
    if grave:
        yield _finding(
            "throttled",
            "failed",
            f"{_called(gpu)} is throttled to {clocks} at {_or_unknown(gpu['temperature_c'])} degrees Celsius "
            f"({', '.join(grave)}: {THROTTLED[grave[-1]]}), expected no such limit: {ELSEWHERE}; "
            "on a machine of your own see to its fans and power.",
        )
    # At the power it is made for a healthy GPU lowers its clock in every long GEMM; a lower limit is somebody's doing.
    limit, normal = gpu["power_limit_w"], gpu.get("power_limit_default_w")
    if "sw power cap" in reasons and (limit is None or normal is None or limit < normal):
        yield _finding(
            "throttled",
            "warning",
            f"{_called(gpu)} is held to {clocks} by its power limit of {_or_unknown(limit)} W, expected "
            f"the {'limit' if normal is None else f'{normal:g} W'} that it comes with: "
            f"type `sudo nvidia-smi -i {gpu['index']} -pl {'WATTS' if normal is None else f'{normal:g}'}`.",
        )


def _or_unknown(value: float | None) -> str:
    return "unknown" if value is None else f"{value:g}"


def _link(gpu: Mapping[str, Any]) -> Iterator[Finding]:
    """Lanes that are missing while the GPU works; idle GPUs sleep on fewer, and a lower generation then is normal too.

    Half the lanes are a warning: hosts exist whose slots have no more, and a guest cannot tell those from a loose card.
    """
    width, most = gpu["pcie_link"]["width"], gpu["pcie_link"]["width_max"]
    if gpu.get("under_load", True) and width and most and width < most:
        yield _finding(
            "link_width",
            "failed" if 2 * width < most else "warning",
            f"{_called(gpu)} works on {width} PCIe lanes, so that data reaches it {most / width:g} times slower, "
            f"expected {most}: {ELSEWHERE}; "
            "on a machine of your own put the card in anew, or into another slot.",
        )


def _slow(device: str, probe: Mapping[str, Any], gpus: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """Rates below what this GPU should reach."""
    gpu = _of_probe(device, probe, gpus)
    entry = peaks.row(gpu["name"]) if gpu else None
    if gpu is None or entry is None:
        return
    for precision, gflops in probe["gemm_gflops"].items():
        least = peaks.least_tflops(entry, precision)
        if gflops is not None and least is not None and gflops / 1000 < least:
            yield _finding(
                "slow_gemm",
                "failed",
                f"{_called(gpu)} multiplies {precision} matrices at {gflops / 1000:.3g} TFLOP/s, "
                f"{gflops / 1000 / entry[precision]:.0%} of its data sheet's {entry[precision]:g}, expected at least "
                f"{least:.3g}: {AGAIN}.",
            )
    copied, peak, least = probe["copy_gbytes_per_second"], entry[peaks.MEMORY], peaks.least_copy(entry)
    if copied is not None and least is not None and copied < least:
        yield _finding(
            "slow_copy",
            "failed",
            f"{_called(gpu)} copies its memory at {copied:.0f} GB/s, {copied / peak:.0%} of its data sheet's {peak:g}, "
            f"expected at least {least:.0f}: {AGAIN}.",
        )


def _of_probe(device: str, probe: Mapping[str, Any], gpus: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The GPU that a probe ran on: by its UUID, or the only one there is."""
    if not device.startswith("cuda"):
        return None
    same = [gpu for gpu in gpus if probe.get("uuid") and str(gpu["uuid"]).lower().endswith(probe["uuid"].lower())]
    return same[0] if same else gpus[0] if len(gpus) == 1 else None

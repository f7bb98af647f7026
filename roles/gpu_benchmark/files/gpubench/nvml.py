"""What NVML (pynvml, package nvidia-ml-py) says of the GPUs that this process may use.

Every query stands alone: what a GPU, a driver or a virtual GPU does not answer is None, and never guessed. Clocks,
power, throttling and the link mean something under load only, so a probe samples them with a `Watch` while it runs.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Collection, Sequence
from statistics import median
from typing import Any, NamedTuple

from . import peaks

GPU = dict[str, Any]

REASONS = {
    0x001: "gpu idle",
    0x002: "applications clocks setting",
    0x004: "sw power cap",
    0x008: "hw slowdown",
    0x010: "sync boost",
    0x020: "sw thermal slowdown",
    0x040: "hw thermal slowdown",
    0x080: "hw power brake",
    0x100: "display clock setting",
    0x200: "board limit",
    0x400: "reliability",
}
"""Bits of nvmlDeviceGetCurrentClocksEventReasons, named as nvidia-smi does (nvml.h, as in nvidia-ml-py 13.615)."""

CLOCK_SM, TEMPERATURE_GPU, ECC_UNCORRECTED, ECC_VOLATILE = 1, 0, 1, 0
"""NVML's enums. Volatile counts begin with the driver's load: older errors are repaired by row remapping."""


class Device(NamedTuple):
    """A GPU or a MIG slice of one: NVML's number of the GPU, the device's UUID and handle, the whole GPU's handle."""

    number: int
    uuid: str
    handle: Any
    whole: Any


# Pure parts.


def words(mask: int | None) -> list[str] | None:
    """The reasons in a bit mask as words, unknown bits as numbers; None when NVML did not say."""
    if mask is None:
        return None
    unknown = mask & ~sum(REASONS)
    return [name for bit, name in REASONS.items() if mask & bit] + ([f"unknown reason {unknown:#x}"] if unknown else [])


def text(value: str | bytes | None) -> str | None:
    """NVML's strings, which old versions of pynvml give as bytes."""
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def watts(milliwatts: int | None) -> float | None:
    """NVML counts power in milliwatts."""
    return None if milliwatts is None else milliwatts / 1000


def bare(uuid: str) -> str:
    """A UUID without NVML's GPU- or MIG-, in lower case, as PyTorch gives it."""
    return uuid.lower().removeprefix("gpu-").removeprefix("mig-")


def visible_devices(visible: str | None, devices: Sequence[Device]) -> list[Device]:
    """The devices that CUDA_VISIBLE_DEVICES (None: not set) leaves, in its order.

    Entries are GPU numbers or beginnings of UUIDs; as in CUDA the first that fits nothing ends the list. Numbers are
    NVML's, which are CUDA's where all GPUs are of a kind.
    """
    if visible is None:
        return list(devices)
    chosen = []
    for entry in map(str.strip, visible.split(",")):
        fits = [d for d in devices if (d.number == int(entry) if entry.isdigit() else _begins(d.uuid, entry))]
        if not fits:
            break
        chosen.append(fits[0])
    return chosen


def _begins(uuid: str, entry: str) -> bool:
    return bool(bare(entry)) and bare(uuid).startswith(bare(entry))


def others(running: Sequence[tuple[int, int | None]] | None, own: Collection[int], computing: bool) -> list[GPU] | None:
    """Processes (pid, bytes) on a GPU that are not ours; None when NVML did not say.

    In a container NVML may give the host's pids. When we are computing there and our pid is not in the list, one entry
    is ours and nobody can tell which: the others are then counted, without pid and size.
    """
    if running is None:
        return None
    foreign = [(pid, used) for pid, used in running if pid not in own]
    if computing and foreign and len(foreign) == len(running):
        return [{"pid": None, "megabytes": None}] * (len(foreign) - 1)
    return [{"pid": pid, "megabytes": None if used is None else round(used / 1e6)} for pid, used in foreign]


def folded(samples: Sequence[GPU]) -> GPU:
    """One set of readings from those taken under one load: the middle clock, the most of power, heat and link.

    A reason counts when more than half of the samples have it: a change of clocks shows as a slowdown for a moment.
    """
    masks = [sample["reasons"] for sample in samples if sample["reasons"] is not None]
    held = {reason for mask in masks for reason in mask if 2 * sum(reason in other for other in masks) > len(masks)}
    clocks = [sample["sm_clock_mhz"] for sample in samples if sample["sm_clock_mhz"] is not None]
    most = {key: _most(samples, key) for key in ("temperature_c", "power_w", "generation", "width")}
    return {
        **most,
        "sm_clock_mhz": round(median(clocks)) if clocks else None,
        "reasons": _ordered(held) if masks else None,
    }


def _most(samples: Sequence[GPU], key: str) -> Any:
    return max((sample[key] for sample in samples if sample[key] is not None), default=None)


def _ordered(reasons: Collection[str]) -> list[str]:
    known = [name for name in REASONS.values() if name in reasons]
    return known + sorted(set(reasons) - set(known))


# Asking.


@functools.cache
def _library() -> tuple[Any, str | None]:
    """pynvml, initialised once for the life of the process, or None and why there is none."""
    try:
        import pynvml
    except ImportError:
        return None, "pynvml is not installed, expected it beside PyTorch: type `pip install nvidia-ml-py`."
    try:
        pynvml.nvmlInit()
    except Exception as error:
        return None, f"NVML does not answer ({error}), expected a driver: type `ansible-playbook repair-drivers.yml`."
    return pynvml, None


def reason() -> str | None:
    """Why `read` has nothing to say, one sentence; None when NVML answers."""
    return _library()[1]


def _ask(library: Any, query: str, *arguments: Any) -> Any:
    """One query's answer, or None: not supported here, not permitted, or unknown to this driver or pynvml."""
    try:
        return getattr(library, query)(*arguments)
    except Exception:  # pynvml has several roots of exceptions, and one query must not cost the others.
        return None


def _devices(library: Any) -> list[Device]:
    """Every GPU, those cut into MIG slices as their slices."""
    found = []
    for index in range(_ask(library, "nvmlDeviceGetCount") or 0):
        gpu = _ask(library, "nvmlDeviceGetHandleByIndex", index)
        slices = [
            _ask(library, "nvmlDeviceGetMigDeviceHandleByIndex", gpu, number)
            for number in range(_ask(library, "nvmlDeviceGetMaxMigDeviceCount", gpu) or 0)
        ]
        for handle in [part for part in slices if part is not None] or [gpu]:
            found.append(Device(index, text(_ask(library, "nvmlDeviceGetUUID", handle)) or "", handle, gpu))
    return found


def _moving(library: Any, gpu: Any) -> GPU:
    """The readings that depend on the load."""
    mask = _ask(library, "nvmlDeviceGetCurrentClocksEventReasons", gpu)
    if mask is None:  # A driver before 535 knows it by its old name only.
        mask = _ask(library, "nvmlDeviceGetCurrentClocksThrottleReasons", gpu)
    return {
        "sm_clock_mhz": _ask(library, "nvmlDeviceGetClockInfo", gpu, CLOCK_SM),
        "temperature_c": _ask(library, "nvmlDeviceGetTemperature", gpu, TEMPERATURE_GPU),
        "power_w": watts(_ask(library, "nvmlDeviceGetPowerUsage", gpu)),
        "reasons": words(mask),
        "generation": _ask(library, "nvmlDeviceGetCurrPcieLinkGeneration", gpu),
        "width": _ask(library, "nvmlDeviceGetCurrPcieLinkWidth", gpu),
    }


def _running(library: Any, handle: Any) -> list[tuple[int, int | None]] | None:
    for query in ("nvmlDeviceGetComputeRunningProcesses", "nvmlDeviceGetComputeRunningProcesses_v2"):
        processes = _ask(library, query, handle)
        if processes is not None:
            return [(process.pid, process.usedGpuMemory) for process in processes]
    return None


class Watch:
    """Collects readings while a load runs: hand `sample` to `probes.probe(during=...)`, then the watch to `read`."""

    def __init__(self) -> None:
        self.samples: dict[str, list[GPU]] = {}

    def sample(self, uuid: str) -> None:
        """Read the GPU with this UUID (as PyTorch gives it), now."""
        library, _ = _library()
        if library is None:
            return
        for device in _devices(library):
            if bare(device.uuid) == bare(uuid):
                self.samples.setdefault(bare(uuid), []).append(_moving(library, device.whole))


def read(visible: str | None = None, watch: Watch | None = None) -> list[GPU]:
    """The GPUs of this process as the result's `gpus`; [] without NVML, and `reason` says why.

    `visible` is in the syntax of CUDA_VISIBLE_DEVICES and taken from the environment when None. Of a GPU that `watch`
    has seen under load the moving readings are those, and `under_load` is true. MHz, degrees C, watts, 10^6 bytes.
    """
    library, _ = _library()
    if library is None:
        return []
    driver = text(_ask(library, "nvmlSystemGetDriverVersion"))
    seen = watch.samples if watch else {}
    chosen = visible_devices(os.environ.get("CUDA_VISIBLE_DEVICES") if visible is None else visible, _devices(library))
    return [_gpu(library, device, driver, seen.get(bare(device.uuid), [])) for device in chosen]


def _gpu(library: Any, device: Device, driver: str | None, samples: Sequence[GPU]) -> GPU:
    moving = folded(samples or [_moving(library, device.whole)])
    name = text(_ask(library, "nvmlDeviceGetName", device.handle))
    ecc = _ask(library, "nvmlDeviceGetTotalEccErrors", device.whole, ECC_UNCORRECTED, ECC_VOLATILE)
    return {
        "index": device.number,
        "name": name,
        "uuid": device.uuid or None,
        "driver": driver,
        "under_load": bool(samples),
        "sm_clock_mhz": moving["sm_clock_mhz"],
        "sm_clock_max_mhz": _ask(library, "nvmlDeviceGetMaxClockInfo", device.whole, CLOCK_SM),
        "temperature_c": moving["temperature_c"],
        "power_w": moving["power_w"],
        "power_limit_w": watts(_ask(library, "nvmlDeviceGetEnforcedPowerLimit", device.whole)),
        "power_limit_default_w": watts(_ask(library, "nvmlDeviceGetPowerManagementDefaultLimit", device.whole)),
        "throttle_reasons": moving["reasons"],
        "ecc_uncorrected": ecc,
        "pcie_link": {
            "generation": moving["generation"],
            "generation_max": _ask(library, "nvmlDeviceGetMaxPcieLinkGeneration", device.whole),
            "width": moving["width"],
            "width_max": _ask(library, "nvmlDeviceGetMaxPcieLinkWidth", device.whole),
        },
        "other_processes": others(_running(library, device.handle), {os.getpid()}, bool(samples)),
        "peaks": peaks.named(name),
    }

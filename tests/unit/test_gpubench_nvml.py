"""The benchmark's NVML reader: pure conversions, and asking a fake pynvml. No GPU and no driver are needed."""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

FILES = Path(__file__).parents[2] / "roles/gpu_benchmark/files"
UUIDS = ["GPU-aaaa1111-2222-3333-4444-555566667777", "GPU-bbbb1111-2222-3333-4444-555566667777"]


@pytest.fixture(autouse=True)
def nvml(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(FILES))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    module = importlib.import_module("gpubench.nvml")
    module._library.cache_clear()
    yield module
    module._library.cache_clear()


class NotSupported(Exception):
    """What the fake raises for a query that it has no answer to, as pynvml does."""


class FakeNvml:
    """A stand-in for the module pynvml: two idle T4s whose answers look like a recorded host's.

    `answers` are by query, each a value for all handles or a dict by handle; a query that is not there is unknown.
    """

    def __init__(self, **changed: Any) -> None:
        self.answers: dict[str, Any] = {
            "nvmlInit": None,
            "nvmlSystemGetDriverVersion": "580.95.05",
            "nvmlDeviceGetCount": 2,
            "nvmlDeviceGetUUID": {"gpu0": UUIDS[0], "gpu1": UUIDS[1]},
            "nvmlDeviceGetName": "Tesla T4",
            "nvmlDeviceGetClockInfo": 300,
            "nvmlDeviceGetMaxClockInfo": 1590,
            "nvmlDeviceGetTemperature": 31,
            "nvmlDeviceGetPowerUsage": 13560,
            "nvmlDeviceGetEnforcedPowerLimit": 70000,
            "nvmlDeviceGetPowerManagementDefaultLimit": 70000,
            "nvmlDeviceGetCurrentClocksEventReasons": 0x1,
            "nvmlDeviceGetTotalEccErrors": 0,
            "nvmlDeviceGetCurrPcieLinkGeneration": 1,
            "nvmlDeviceGetMaxPcieLinkGeneration": 3,
            "nvmlDeviceGetCurrPcieLinkWidth": 16,
            "nvmlDeviceGetMaxPcieLinkWidth": 16,
            "nvmlDeviceGetComputeRunningProcesses": [],
            **changed,
        }

    def __getattr__(self, query: str) -> Any:
        if query not in self.answers:
            raise AttributeError(query)

        def ask(*arguments: Any) -> Any:
            if query == "nvmlDeviceGetHandleByIndex":
                return f"gpu{arguments[0]}"
            answer = self.answers[query]
            answer = answer.get(arguments[0], NotSupported()) if isinstance(answer, dict) else answer
            if isinstance(answer, Exception):
                raise answer
            return answer

        return ask


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> FakeNvml:
    fake = FakeNvml(nvmlDeviceGetHandleByIndex=None)
    monkeypatch.setitem(sys.modules, "pynvml", fake)
    return fake


def process(pid: int, used: int | None = 1_234_567_890) -> SimpleNamespace:
    return SimpleNamespace(pid=pid, usedGpuMemory=used)


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        (None, None),
        (0, []),
        (0x4, ["sw power cap"]),
        (0x48, ["hw slowdown", "hw thermal slowdown"]),
        (0x1 | 0x80 | 0x8000, ["gpu idle", "hw power brake", "unknown reason 0x8000"]),
    ],
)
def test_throttle_reasons_are_words(nvml: Any, mask: int | None, expected: list[str] | None) -> None:
    assert nvml.words(mask) == expected


def test_every_reason_is_a_bit_of_its_own(nvml: Any) -> None:
    assert sorted(nvml.REASONS) == [1 << bit for bit in range(len(nvml.REASONS))]
    assert len(set(nvml.REASONS.values())) == len(nvml.REASONS)


def test_old_and_new_strings_and_units(nvml: Any) -> None:
    assert (nvml.text(b"Tesla T4"), nvml.text("Tesla T4"), nvml.text(None)) == ("Tesla T4", "Tesla T4", None)
    assert (nvml.watts(13560), nvml.watts(None)) == (13.56, None)
    assert nvml.bare("GPU-AB12") == nvml.bare("MIG-ab12") == nvml.bare("ab12") == "ab12"


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (None, [0, 1, 2]),
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("0", [0]),
        ("1", [1]),
        (" 1 , 0 ", [1, 0]),
        ("0,7,1", [0]),
        ("GPU-bbbb", [2]),
        ("BBBB2222,GPU-aaaa", [2, 0]),
        ("MIG-cccc1111", [1]),
        ("GPU-", []),
    ],
)
def test_visible_devices_by_number_uuid_and_slice(nvml: Any, visible: str | None, expected: list[int]) -> None:
    devices = [
        nvml.Device(0, "GPU-aaaa2222-0", "a", "a"),
        nvml.Device(1, "MIG-cccc1111-0", "c", "b"),
        nvml.Device(1, "GPU-bbbb2222-0", "b", "b"),
    ]
    assert nvml.visible_devices(visible, devices) == [devices[number] for number in expected]


@pytest.mark.parametrize(
    ("running", "computing", "expected"),
    [
        (None, True, None),
        ([], True, []),
        ([(10, 5)], True, []),
        ([(10, 5), (11, 2_000_000), (12, None)], True, [(11, 2), (12, None)]),
        ([(11, 2_000_000)], False, [(11, 2)]),
        # Another pid namespace: ours is one of them.
        ([(4711, 5)], True, []),
        ([(4711, 5), (4712, 6), (4713, 7)], True, [(None, None), (None, None)]),
    ],
)
def test_other_processes(nvml: Any, running: Any, computing: bool, expected: Any) -> None:
    found = nvml.others(running, {10}, computing)
    assert (found and [(entry["pid"], entry["megabytes"]) for entry in found]) == expected


def sample(**changed: Any) -> dict[str, Any]:
    usual = {"sm_clock_mhz": 1590, "temperature_c": 60, "power_w": 69.0, "reasons": [], "generation": 3, "width": 16}
    return {**usual, **changed}


def test_samples_fold_to_the_middle_clock_and_the_most_of_the_rest(nvml: Any) -> None:
    samples = [
        sample(sm_clock_mhz=300, generation=1, reasons=["gpu idle"]),
        sample(sm_clock_mhz=900, temperature_c=70, reasons=["sw power cap"]),
        sample(sm_clock_mhz=1000, power_w=None, reasons=["hw slowdown", "sw power cap"]),
    ]
    assert nvml.folded(samples) == sample(sm_clock_mhz=900, temperature_c=70, reasons=["sw power cap"])


def test_a_reason_in_half_of_the_samples_is_a_change_of_clocks(nvml: Any) -> None:
    slow, fast = sample(reasons=["hw slowdown"]), sample()
    assert nvml.folded([slow, fast])["reasons"] == []
    assert nvml.folded([slow, fast, slow])["reasons"] == ["hw slowdown"]
    assert nvml.folded([slow, sample(reasons=None)])["reasons"] == ["hw slowdown"]


def test_what_no_sample_has_is_not_known(nvml: Any) -> None:
    nothing = dict.fromkeys(sample())
    assert nvml.folded([nothing, nothing]) == nothing


@pytest.mark.usefixtures("host")
def test_an_idle_host_is_read(nvml: Any) -> None:
    first, second = nvml.read()
    assert first == {
        "index": 0,
        "name": "Tesla T4",
        "uuid": UUIDS[0],
        "driver": "580.95.05",
        "under_load": False,
        "sm_clock_mhz": 300,
        "sm_clock_max_mhz": 1590,
        "temperature_c": 31,
        "power_w": 13.56,
        "power_limit_w": 70.0,
        "power_limit_default_w": 70.0,
        "throttle_reasons": ["gpu idle"],
        "ecc_uncorrected": 0,
        "pcie_link": {"generation": 1, "generation_max": 3, "width": 16, "width_max": 16},
        "other_processes": [],
        "peaks": {"float32": 8.1, "tf32": None, "bfloat16": None, "memory_gbytes_per_second": 320},
    }
    assert (second["index"], second["uuid"]) == (1, UUIDS[1])
    assert nvml.reason() is None


@pytest.mark.usefixtures("host")
def test_the_environment_hides_gpus(nvml: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert [gpu["index"] for gpu in nvml.read()] == [1]
    assert [gpu["index"] for gpu in nvml.read(visible=UUIDS[0])] == [0]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert nvml.read() == []


def test_every_query_may_be_refused_alone(nvml: Any, host: FakeNvml) -> None:
    needed = {"nvmlInit", "nvmlDeviceGetCount", "nvmlDeviceGetHandleByIndex"}
    paths = {
        "nvmlDeviceGetCurrPcieLinkWidth": "width",
        "nvmlDeviceGetMaxPcieLinkWidth": "width_max",
        "nvmlDeviceGetCurrPcieLinkGeneration": "generation",
        "nvmlDeviceGetMaxPcieLinkGeneration": "generation_max",
    }
    whole = nvml.read()[0]
    for query in sorted(host.answers.keys() - needed):
        answer, host.answers[query] = host.answers[query], NotSupported()
        less = nvml.read()[0]
        host.answers[query] = answer
        lost = {key for key in whole if less[key] != whole[key]}
        assert len(lost - {"peaks"}) == 1, query
        if query in paths:
            assert less["pcie_link"] == {**whole["pcie_link"], paths[query]: None}
        else:
            assert all(less[key] is None for key in lost)


def test_a_watch_keeps_what_was_read_under_load(nvml: Any, host: FakeNvml) -> None:
    watch = nvml.Watch()
    host.answers |= {
        "nvmlDeviceGetClockInfo": 1005,
        "nvmlDeviceGetTemperature": 66,
        "nvmlDeviceGetPowerUsage": 70100,
        "nvmlDeviceGetCurrentClocksEventReasons": 0x4,
        "nvmlDeviceGetCurrPcieLinkGeneration": 3,
    }
    for _ in range(2):
        watch.sample(UUIDS[1].removeprefix("GPU-"))
    watch.sample("another")
    host.answers = FakeNvml(nvmlDeviceGetHandleByIndex=None).answers
    idle, loaded = nvml.read(watch=watch)
    assert (idle["under_load"], idle["sm_clock_mhz"], idle["throttle_reasons"]) == (False, 300, ["gpu idle"])
    assert (loaded["under_load"], loaded["sm_clock_mhz"], loaded["throttle_reasons"]) == (True, 1005, ["sw power cap"])
    assert (loaded["temperature_c"], loaded["power_w"], loaded["pcie_link"]["generation"]) == (66, 70.1, 3)


def test_an_old_driver_knows_throttling_and_processes_by_their_old_names(nvml: Any, host: FakeNvml) -> None:
    for query in ("nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetComputeRunningProcesses"):
        host.answers[query] = NotSupported()
    host.answers["nvmlDeviceGetCurrentClocksThrottleReasons"] = 0x8
    host.answers["nvmlDeviceGetComputeRunningProcesses_v2"] = [process(os.getpid()), process(99)]
    gpu = nvml.read()[0]
    assert gpu["throttle_reasons"] == ["hw slowdown"]
    assert gpu["other_processes"] == [{"pid": 99, "megabytes": 1235}]


def test_a_slice_of_a_gpu_is_read_through_its_gpu(nvml: Any, host: FakeNvml) -> None:
    host.answers |= {
        "nvmlDeviceGetMaxMigDeviceCount": {"gpu1": 1},
        "nvmlDeviceGetMigDeviceHandleByIndex": {"gpu1": "slice"},
        "nvmlDeviceGetUUID": {"gpu0": UUIDS[0], "gpu1": UUIDS[1], "slice": "MIG-cccc"},
        "nvmlDeviceGetName": {"gpu0": "Tesla T4", "slice": "NVIDIA A100-SXM4-40GB MIG 1g.5gb"},
        "nvmlDeviceGetTemperature": {"gpu0": 30, "gpu1": 40},
        "nvmlDeviceGetComputeRunningProcesses": {"gpu0": [], "slice": [process(99)]},
    }
    gpu = nvml.read(visible="MIG-cccc")[0]
    assert (gpu["index"], gpu["uuid"], gpu["temperature_c"]) == (1, "MIG-cccc", 40)
    assert gpu["other_processes"] == [{"pid": 99, "megabytes": 1235}]
    assert gpu["peaks"] is None


def test_without_pynvml_there_is_a_reason(nvml: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    watch = nvml.Watch()
    assert nvml.read(watch=watch) == []
    assert "pip install nvidia-ml-py" in nvml.reason()
    watch.sample(UUIDS[0])
    assert watch.samples == {}


def test_without_a_driver_there_is_a_reason(nvml: Any, host: FakeNvml) -> None:
    host.answers["nvmlInit"] = NotSupported("Driver/library version mismatch")
    assert nvml.read() == []
    assert re.search("Driver/library version mismatch.*repair-drivers.yml", nvml.reason())

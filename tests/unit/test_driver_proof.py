"""driver_proof: each step's judgement of what was seen, and which steps rest on which."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import driver_proof
from hypothesis import given
from hypothesis import strategies as st

VERSION = "535.309.01"
WHERE = ["/proc/driver/nvidia/version", "modinfo", "libcuda.so.1", "libnvidia-ml.so.1", "nvidia-smi"]
NAMES = ["versions", "nvidia_smi", "devices", "cuda", "samples", "framework", "kernel_log", "next_boot"]
XID = "[   99.500000] NVRM: Xid (PCI:0000:00:1e): 79, pid=1, GPU has fallen off the bus.\n"


def found(**others: str | None) -> dict[str, str | None]:
    return {**dict.fromkeys(WHERE, VERSION), **others}


# Versions


@pytest.mark.parametrize("expected", ["", VERSION, "535"])
def test_same_version_everywhere(expected: str) -> None:
    assert driver_proof.versions(found(), expected)["ok"] is True


@pytest.mark.parametrize("where", WHERE)
def test_third_part_of_a_version_counts(where: str) -> None:
    step = driver_proof.versions({**found(), where: "535.309.02"}, "")
    assert step["ok"] is False
    assert f"{where} 535.309.02" in step["detail"]


@pytest.mark.parametrize("where", WHERE)
def test_a_version_that_is_missing_fails(where: str) -> None:
    assert driver_proof.versions({**found(), where: None}, "")["detail"] == f"No version of {where} was found."


@pytest.mark.parametrize("expected", ["535.309", "550", "535.309.010"])
def test_another_version_than_asked_for(expected: str) -> None:
    step = driver_proof.versions(found(), expected)
    assert (step["ok"], step["detail"]) == (False, f"The driver is {VERSION} everywhere, and {expected} was asked for.")


# nvidia-smi and devices

TWO = "GPU 0: Tesla T4 (UUID: GPU-1)\n  MIG 1g.5gb Device 0: (UUID: MIG-1)\nGPU 1: Tesla T4 (UUID: GPU-2)\n"


@pytest.mark.parametrize(
    ("rc", "listed", "gpus", "ok", "detail"),
    [
        (0, TWO, 2, True, "nvidia-smi lists 2 of 2 GPUs."),
        (0, TWO, 3, False, "nvidia-smi lists 2 of 3 GPUs."),
        (0, "", 0, False, "nvidia-smi lists 0 of 0 GPUs."),
        (18, "", 2, False, "nvidia-smi ended with 18."),
        (None, "", 2, False, "nvidia-smi did not end."),
    ],
)
def test_nvidia_smi(rc: int | None, listed: str, gpus: int, ok: bool, detail: str) -> None:
    assert driver_proof.nvidia_smi(rc, listed, gpus) == driver_proof.step("nvidia_smi", ok, detail)


def test_devices() -> None:
    nodes = ["nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"]
    assert driver_proof.devices(["nvidia", "nvidia_uvm"], nodes, 2)["ok"] is True
    step = driver_proof.devices(["nvidia"], nodes[1:3], 2)
    assert (step["ok"], step["detail"]) == (False, "Missing: module nvidia_uvm, /dev/nvidia-uvm, /dev/nvidia0.")


# CUDA


def said(*lines: dict[str, Any]) -> str:
    return "".join(json.dumps(line) + "\n" for line in lines)


def answer(*copied: bool) -> str:
    devices = [{"name": "Tesla T4", "copied": good} for good in copied]
    return said({"call": "cuInit"}, {"answer": {"version": 12020, "devices": devices}})


@pytest.mark.parametrize(
    ("output", "gpus", "mig", "ok", "detail"),
    [
        (answer(True), 1, False, True, "CUDA 12.2: memory of Tesla T4 copied there and back."),
        (answer(True), 2, False, False, "CUDA shows 1 of 2 GPUs."),
        (answer(True), 2, True, True, "CUDA 12.2: memory of Tesla T4 copied there and back."),
        (answer(), 1, True, False, "CUDA shows 0 of 1 GPUs."),
        (answer(True, False), 2, False, False, "A pattern came back changed from the memory of GPU 1 (Tesla T4)."),
        (said({"failed": "cuInit", "code": 7777}), 1, False, False, "cuInit returned 7777."),
        (
            said({"failed": "libcuda.so.1", "reason": "no file"}),
            1,
            False,
            False,
            "libcuda.so.1 cannot be used: no file",
        ),
    ],
)
def test_cuda(output: str, gpus: int, mig: bool, ok: bool, detail: str) -> None:
    assert driver_proof.cuda(output, 0, gpus, mig) == driver_proof.step("cuda", ok, detail)


@pytest.mark.parametrize(
    ("code", "word"),
    [(100, "no CUDA device"), (803, "different versions"), (802, "fabricmanager"), (804, "compat"), (999, "uvm")],
)
def test_cuda_codes_have_a_cause(code: int, word: str) -> None:
    step = driver_proof.cuda(said({"call": "cuInit"}, {"failed": "cuInit", "code": code}), 0, 1, False)
    assert step["detail"].startswith(f"cuInit returned {code}: ")
    assert word in step["detail"]


@pytest.mark.parametrize(
    ("output", "rc", "detail"),
    [
        (said({"call": "cuInit"}), None, "CUDA did not come back from cuInit."),
        (said({"call": "cuInit"}, {"call": "cuMemAlloc_v2"}), -11, "CUDA was ended by signal 11 in cuMemAlloc_v2."),
        ("Traceback: no such module\n", 1, "CUDA ended with 1 in its start."),
        ("", None, "CUDA did not come back from its start."),
    ],
)
def test_cuda_that_hangs_or_crashes_names_the_call(output: str, rc: int | None, detail: str) -> None:
    assert driver_proof.cuda(output, rc, 1, False) == driver_proof.step("cuda", False, detail)


# Samples and framework


def test_samples() -> None:
    assert driver_proof.samples({})["skipped"]
    good = {"deviceQuery": (0, "Result = PASS\n"), "vectorAdd": (0, "Test PASSED\n")}
    assert driver_proof.samples(good)["ok"] is True
    assert (
        driver_proof.samples({**good, "vectorAdd": (0, "Result verification failed")})["detail"] == "vectorAdd failed."
    )
    assert driver_proof.samples({**good, "deviceQuery": (None, "PASS")})["ok"] is False


@pytest.mark.parametrize(
    ("rc", "text", "ok", "words"),
    [
        (0, "Warning: old\ntorch 2.9 multiplied on T4\n", True, "torch 2.9 multiplied on T4"),
        (1, "Traceback\nAssertionError: torch.cuda.is_available() is False\n", False, "is_available() is False"),
        (None, "", False, "/opt/python did not end: nothing"),
        (0, "skip: this Python has no torch\n", None, "this Python has no torch"),
        (0, "", False, "/opt/python failed: nothing"),
    ],
)
def test_framework(rc: int | None, text: str, ok: bool | None, words: str) -> None:
    step = driver_proof.framework("/opt/python", rc, text)
    assert step["ok"] is ok
    assert words in (step["skipped"] or "") + step["detail"]


# Kernel log


@pytest.mark.parametrize(
    ("line", "ok"),
    [
        (XID, False),
        ("[   99.5] NVRM: API mismatch: the client has the version 535.1, but\n", False),
        ("[   99.5] NVRM: GPU 0000:00:1e.0: RmInitAdapter failed! (0x62:0x56:1886)\n", False),
        ("Nov 22 06:00:00 host kernel: NVRM: API mismatch: the client has\n", False),
        ("[   99.5] NVRM: Xid (PCI:0000:00:1e): 31, pid=7, name=python, MMU Fault\n", True),
        ("[   49.5] NVRM: API mismatch: the client has the version 535.1, but\n", True),
        ("[   99.5] NVRM: loading NVIDIA UNIX x86_64 Kernel Module  535.309.01\n", True),
        ("", True),
    ],
)
def test_kernel_log_after_a_time(line: str, ok: bool) -> None:
    assert driver_proof.kernel_log(line, 50.0)["ok"] is ok


def test_kernel_log_that_cannot_be_read_is_no_failure() -> None:
    assert driver_proof.kernel_log(None, 0.0)["ok"] is None


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_only_what_came_later_counts(stamp: float, since: float) -> None:
    told = f"{stamp:12.6f}"
    step = driver_proof.kernel_log(f"[{told}] NVRM: API mismatch", since)
    assert step["ok"] is (float(told) <= since)


# Next boot


def kernel(name: str, nvidia: str | None) -> dict[str, Any]:
    return {"name": name, "build": True, "nvidia": nvidia}


@pytest.mark.parametrize(
    ("disk", "dkms", "detail"),
    [
        ((VERSION, VERSION), [], f"Version {VERSION} lies ready for 6.1.0-40 and 6.1.0-56."),
        ((VERSION, None), [], f"The module for kernel 6.1.0-56 is missing, not {VERSION}."),
        ((VERSION, "470.256.02"), [], f"The module for kernel 6.1.0-56 is of version 470.256.02, not {VERSION}."),
        ((VERSION, None), ["installed"], f"Version {VERSION} lies ready for 6.1.0-40 and 6.1.0-56."),
        ((VERSION, None), ["built"], f"The module for kernel 6.1.0-56 is missing, not {VERSION}."),
    ],
)
def test_next_boot(disk: tuple[str | None, str | None], dkms: list[str], detail: str) -> None:
    kernels = [kernel("6.1.0-40", disk[0]), kernel("6.1.0-56", disk[1])]
    entries = [{"module": "nvidia", "version": VERSION, "kernel": "6.1.0-56", "state": state} for state in dkms]
    assert driver_proof.next_boot(kernels, entries, "6.1.0-40", "6.1.0-56", VERSION)["detail"] == detail


def test_next_boot_without_libraries_proves_nothing() -> None:
    assert driver_proof.next_boot([kernel("6.1", None)], [], "6.1", "6.1", None)["ok"] is False


@pytest.mark.parametrize(
    ("images", "linked", "booting"),
    [
        ([], "", "6.1.0-56"),
        (["vmlinuz-6.1.0-9", "vmlinuz-6.1.0-40"], "", "6.1.0-40"),
        (["vmlinuz-6.1.0-9", "vmlinuz-6.1.0-40"], "boot/vmlinuz-6.1.0-9", "6.1.0-9"),
        (["vmlinuz-6.1.0-9"], "vmlinuz-gone", "6.1.0-9"),
    ],
)
def test_next_kernel(images: list[str], linked: str, booting: str) -> None:
    kernels = [kernel(name, None) for name in ("6.1.0-40", "6.1.0-56", "6.1.0-9")]
    assert driver_proof.next_kernel(kernels, images, linked, "5.10") == booting


def test_next_kernel_of_a_host_without_modules_is_the_running_one() -> None:
    assert driver_proof.next_kernel([], [], "", "5.10") == "5.10"


# All steps


def taken(**results: bool | None) -> list[dict[str, Any]]:
    """The steps of a host where each is good, but for those given."""

    def check(name: str) -> Callable[[], dict[str, Any]]:
        ok = results.get(name, True)
        made: dict[str, Any] = driver_proof.skip(name, "absent") if ok is None else driver_proof.step(name, ok, "")
        return lambda: made

    steps: list[dict[str, Any]] = driver_proof.take([(name, check(name)) for name in NAMES])
    return steps


def test_all_good_is_proven() -> None:
    assert driver_proof.proven(taken()) is True
    assert driver_proof.proven(taken(samples=None, framework=None, kernel_log=None)) is True


@pytest.mark.parametrize("name", NAMES)
def test_a_step_that_fails_proves_nothing(name: str) -> None:
    assert driver_proof.proven(taken(**{name: False})) is False


@pytest.mark.parametrize("name", driver_proof.NEEDED)
def test_a_needed_step_may_not_be_skipped(name: str) -> None:
    assert driver_proof.proven(taken(**{name: None})) is False


def test_what_rests_on_a_failure_is_skipped_and_the_rest_is_taken() -> None:
    steps = {step["name"]: step for step in taken(devices=False)}
    assert list(steps) == NAMES
    assert [name for name in NAMES if steps[name]["ok"] is None] == ["cuda", "samples", "framework"]
    assert steps["cuda"]["skipped"] == "it rests on devices, which failed"
    assert steps["next_boot"]["ok"] is True

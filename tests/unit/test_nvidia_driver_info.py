"""nvidia_driver_info: one call from a host in a folder to diagnosis, versions, state and plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpulab.core.plugins.modules import nvidia_driver_info

from tests.support.fake_host import KERNEL, VERSION, FakeHost, put_on, rich, run_module


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    """A host whose driver works."""
    host = put_on(rich(tmp_path), monkeypatch)
    collect = nvidia_driver_info.driver_sources.collect
    monkeypatch.setattr(nvidia_driver_info.driver_sources, "collect", lambda timeout: collect(timeout, str(host.root)))
    host.prints("dkms", f"nvidia-current/{VERSION}, {KERNEL}, x86_64: installed\n")
    return host


def run(capsys: pytest.CaptureFixture[str], **options: Any) -> dict[str, Any]:
    return run_module(nvidia_driver_info, capsys, options)


@pytest.mark.usefixtures("host")
def test_a_host_that_works(capsys: pytest.CaptureFixture[str]) -> None:
    result = run(capsys)
    assert result["changed"] is False
    assert (result["diagnosis"]["verdict"], result["diagnosis"]["actions"]) == ("healthy", [])
    assert result["versions"] == {"loaded": VERSION, "on_disk": VERSION, "userspace": VERSION}
    assert result["evidence"]["uname.txt"] == KERNEL + "\n"
    assert result["state"]["gpus"] == [{"address": "00:1e.0", "id": "1eb8", "driver": "nvidia"}]
    assert result["plan"]["refused"] is None


def test_a_stale_module_is_named_with_both_versions(host: FakeHost, capsys: pytest.CaptureFixture[str]) -> None:
    host.file("/proc/driver/nvidia/version", "NVRM version: NVIDIA UNIX x86_64 Kernel Module  470.256.02  Oct\n")
    host.file("/sys/module/nvidia/version", "470.256.02\n")
    host.prints("nvidia-smi", "Failed to initialize NVML: Driver/library version mismatch\n", 18)
    result = run(capsys, _ansible_check_mode=True)
    assert result["diagnosis"]["verdict"] == "stale_loaded_module"
    assert result["diagnosis"]["actions"][0] == "reload_modules"
    assert result["versions"] == {"loaded": "470.256.02", "on_disk": VERSION, "userspace": VERSION}


@pytest.mark.usefixtures("host")
def test_a_version_that_the_gpu_cannot_have_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    result = run(capsys, wanted="367.57")
    assert "T4" in result["plan"]["refused"]
    assert result["diagnosis"]["verdict"] == "healthy"


def test_a_host_where_nothing_answers_gives_a_verdict(host: FakeHost, capsys: pytest.CaptureFixture[str]) -> None:
    for command in host.bin.iterdir():
        command.unlink()
        host.command(command.name, "exit 1")
    for path in ("proc/driver/nvidia/version", "sys/module/nvidia/version"):
        (host.root / path).unlink()
    assert run(capsys)["diagnosis"]["verdict"] == "unknown"

"""driver_state: a host's driver as data."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import driver_evidence, driver_sources, driver_state

from tests.support.fake_host import KERNEL, OLD_KERNEL, VERSION, put_on, rich


def test_state_and_versions_of_what_was_collected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = put_on(rich(tmp_path), monkeypatch)
    facts = driver_evidence.read(driver_sources.collect(5, str(host.root)))
    assert driver_state.versions(facts) == {"loaded": VERSION, "on_disk": VERSION, "userspace": VERSION}
    state = driver_state.state(facts)
    assert state["kernel"] == KERNEL
    assert state["kernels"][0] == {"name": "5.10.0-9-amd64", "build": False, "nvidia": None}
    assert state["dkms"] == [
        {"module": "nvidia-current", "version": VERSION, "kernel": OLD_KERNEL, "state": "installed"}
    ]
    assert {"name": "nvidia-smi", "version": "535.309.01-1~deb12u1", "status": "hi"} in state["packages"]
    assert state["gpus"] == [{"address": "00:1e.0", "id": "1eb8", "driver": "nvidia"}]
    assert state["modules"] == [
        {"name": "nvidia_uvm", "refcount": 0, "users": []},
        {"name": "nvidia", "refcount": 1, "users": ["nvidia_uvm"]},
    ]
    assert state["holders"] == [{"pid": 17, "command": "python"}]
    assert state["services"] == {"nvidia-persistenced": "active", "docker": "failed"}
    assert state["os"] == {"id": "debian", "version": "12"}
    assert state["runfile_installed"] is True
    assert state["held"] == ["nvidia-smi"]
    assert state["candidates"]["nvidia-driver"] == "535.309.01-1~deb12u1"


def test_state_of_nothing_is_empty() -> None:
    facts = driver_evidence.read({})
    assert driver_state.versions(facts) == {"loaded": None, "on_disk": None, "userspace": None}
    state = driver_state.state(facts)
    assert not any(value for key, value in state.items() if key != "os")
    assert state["os"] == {"id": "", "version": ""}


def test_libraries_are_the_first_of_64_bits() -> None:
    text = (
        "\tlibcuda.so.1 (libc6) => /usr/lib/i386-linux-gnu/libcuda.so.1 -> /usr/lib/i386-linux-gnu/libcuda.so.470.1.1\n"
        "\tlibcuda.so.1 (libc6,x86-64) => /opt/cuda/compat/libcuda.so.1 -> /opt/cuda/compat/libcuda.so.550.163.01\n"
        "\tlibcuda.so.1 (libc6,x86-64) => /usr/lib/libcuda.so.1 -> /usr/lib/libcuda.so.535.309.01\n"
    )
    assert driver_state.libraries(text) == {"cuda": "550.163.01"}

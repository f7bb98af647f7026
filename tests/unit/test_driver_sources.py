"""driver_sources: what is collected of a host, from commands and files that are there, absent, broken, or hang."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import (
    driver_commands,
    driver_evidence,
    driver_sources,
)
from ansible_collections.gpulab.core.plugins.module_utils.driver_diagnosis import diagnose

from tests.support.fake_host import KERNEL, OLD_KERNEL, VERSION, FakeHost, bare, ended, put_on, rich


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    """A host where every source has something to say."""
    return put_on(rich(tmp_path), monkeypatch)


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    """A host that has only a kernel's name."""
    return put_on(bare(tmp_path), monkeypatch)


def collect(host: FakeHost, timeout: float = 5) -> dict[str, str]:
    found: dict[str, str] = driver_sources.collect(timeout, str(host.root))
    return found


def test_every_source_that_is_there_is_collected(host: FakeHost) -> None:
    assert sorted(collect(host)) == [name for name in driver_sources.NAMES if name != "timeouts.txt"]


def test_names_are_those_of_the_doctor_and_more() -> None:
    # framework.txt is what a user captured of a program; nobody can collect it.
    assert set(driver_evidence.FILES) - set(driver_sources.NAMES) == {"framework.txt"}


def test_files_and_commands_keep_their_words(host: FakeHost) -> None:
    found = collect(host)
    assert found["uname.txt"] == KERNEL + "\n"
    assert found["sys-module-nvidia-version.txt"] == VERSION + "\n"
    assert found["dkms-status.txt"] == f"nvidia-current/{VERSION}, {OLD_KERNEL}, x86_64: installed\n"
    assert found["nvidia-smi.rc"] == "0\n"
    assert found["mokutil.txt"] == "SecureBoot disabled\n"
    assert found["runfile.txt"] == "/usr/bin/nvidia-uninstall\n"
    assert found["reboot-required.txt"] == "*** System restart required ***\nlinux-image-cloud-amd64\n"
    assert found["compiler.txt"] == "cc (Debian 12.2.0-14) 12.2.0\nLinux version 6.1.0 (gcc-12)\n"
    assert found["virt.txt"] == "amazon\ncontainer: no\n"
    assert found["services.txt"] == "nvidia-persistenced active\ndocker failed\n"
    assert found["dev.txt"].rstrip().endswith("/dev/nvidia0")


def test_modinfo_is_asked_for_the_running_kernel_and_debians_name(host: FakeHost) -> None:
    assert f"/lib/modules/{KERNEL}/updates/dkms/nvidia-current.ko" in collect(host)["modinfo.txt"]


def test_modinfos_complaint_is_kept_because_it_says_that_there_is_no_module(host: FakeHost) -> None:
    (host.root / f"lib/modules/{KERNEL}/modules.dep").write_text("")
    host.command("modinfo", 'echo "modinfo: ERROR: Module $3 not found."; exit 1')
    found = collect(host)
    assert found["modinfo.txt"] == "modinfo: ERROR: Module nvidia not found.\n"
    assert f"{KERNEL} build=yes nvidia=none\n" in found["kernels.txt"]


def test_modprobes_warnings_are_kept_and_what_it_would_do_is_not(host: FakeHost) -> None:
    assert collect(host)["modprobe.txt"] == "modprobe: WARNING: -n -v nvidia-current\n"
    host.command("modprobe", "echo insmod nvidia.ko")
    assert "modprobe.txt" not in collect(host)


def test_kernels_have_headers_and_a_module_or_not(host: FakeHost) -> None:
    assert collect(host)["kernels.txt"].splitlines() == [
        "5.10.0-9-amd64 build=no nvidia=none",
        f"{OLD_KERNEL} build=no nvidia=470.256.02",
        f"{KERNEL} build=yes nvidia={VERSION}",
    ]


def test_lspci_is_cut_to_display_controllers_and_nvidia(host: FakeHost) -> None:
    lines = collect(host)["lspci.txt"].splitlines()
    assert lines[0].startswith("0000:00:1e.0 3D controller [0302]: NVIDIA")
    assert lines[-1] == "\tKernel driver in use: nvidia"


def test_lspci_of_a_host_without_display_says_that_it_was_asked(host: FakeHost) -> None:
    host.prints("lspci", "0000:00:03.0 Ethernet controller [0200]: Amazon.com [1d0f:ec20]\n")
    assert collect(host)["lspci.txt"] == "0000:00:03.0 Ethernet controller [0200]: Amazon.com [1d0f:ec20]\n"


def pci(host: FakeHost, address: str, kind: str, vendor: str, device: str) -> None:
    folder = f"/sys/bus/pci/devices/{address}"
    for name, value in (("class", f"0x{kind}00"), ("vendor", vendor), ("device", device), ("revision", "0xa1")):
        host.file(f"{folder}/{name}", value + "\n")


def test_without_lspci_the_bus_is_read_from_sys(host: FakeHost) -> None:
    host.command("lspci", "exit 1")
    pci(host, "0000:00:03.0", "0200", "0x1d0f", "0xec20")
    pci(host, "0000:00:1e.0", "0302", "0x10de", "0x1eb8")
    host.link("/sys/bus/pci/devices/0000:00:1e.0/driver", "../../../bus/pci/drivers/nouveau")
    assert collect(host)["lspci.txt"] == (
        "0000:00:1e.0 3D controller [0302]: NVIDIA Corporation Device [10de:1eb8] (rev a1)\n"
        "\tKernel driver in use: nouveau\n"
    )


def test_a_bus_without_nvidia_is_no_gpu(empty: FakeHost) -> None:
    pci(empty, "0000:00:03.0", "0200", "0x1d0f", "0xec20")
    found = collect(empty)
    assert found["lspci.txt"] == "no NVIDIA device among 1 PCI devices\n"
    assert diagnose(found).verdict == "no_gpu"


def test_libraries_come_with_the_file_that_they_lead_to(host: FakeHost) -> None:
    lines = collect(host)["ldconfig.txt"].splitlines()
    folder = "/usr/lib/x86_64-linux-gnu"
    assert lines == [
        "812 libs found in cache `/etc/ld.so.cache'",
        f"libcuda.so.1 (libc6,x86-64) => {folder}/libcuda.so.1 -> {folder}/nvidia/current/libcuda.so.{VERSION}",
        f"libnvidia-ml.so.1 (libc6,x86-64) => {folder}/libnvidia-ml.so.1"
        f" -> {folder}/nvidia/current/libnvidia-ml.so.{VERSION}",
    ]


def test_packages_of_the_driver_without_those_that_only_a_name_is_known_of(host: FakeHost) -> None:
    found = collect(host)
    assert [line.split()[:2] for line in found["dpkg.txt"].splitlines()] == [
        ["||/", "Name"],
        ["ii", "libcuda1:amd64"],
        ["hi", "nvidia-smi"],
        ["iF", "nvidia-kernel-dkms"],
        ["rc", "nvidia-persistenced"],
    ]
    assert found["apt-holds.txt"] == "nvidia-smi\n"


def test_rpms_are_asked_where_dpkg_has_no_packages(host: FakeHost) -> None:
    host.command("dpkg", "exit 1")
    host.prints("rpm", "nvidia-driver-580.95.05-1.el9.x86_64\nbash-5-1.x86_64\nkernel-5.14.0-1.el9.x86_64\n")
    assert collect(host)["dpkg.txt"] == "kernel-5.14.0-1.el9.x86_64\nnvidia-driver-580.95.05-1.el9.x86_64\n"


def test_candidates_are_driver_packages_and_headers_of_the_running_kernel(host: FakeHost) -> None:
    lines = collect(host)["candidates.txt"].splitlines()
    assert lines[0] == "nvidia-driver 535.309.01-1~deb12u1"
    asked = lines[1].removeprefix("asked ").split("|")
    assert f"linux-headers-{KERNEL}" in asked
    assert f"linux-headers-{OLD_KERNEL}0" not in asked
    assert "bash" not in asked


def test_apt_is_not_asked_where_there_is_no_nvidia_hardware(host: FakeHost) -> None:
    host.prints("lspci", "0000:00:03.0 Ethernet controller [0200]: Amazon.com [1d0f:ec20]\n")
    assert "candidates.txt" not in collect(host)


def test_holders_are_those_with_a_device_open(host: FakeHost) -> None:
    assert collect(host)["holders.txt"] == "17 python\n"


def test_kernel_log_keeps_the_drivers_lines_and_no_identity(host: FakeHost) -> None:
    found = collect(host)
    assert [line[15:29] for line in found["dmesg.txt"].splitlines()] == ["NVRM: loading ", "NVRM: GPU at P"]
    assert "GPU-(masked)" in found["dmesg.txt"]
    assert "Serial Number : (masked)" in found["nvidia-smi.txt"]
    assert not any("7a5b1c2d" in text or "1320021030123" in text for text in found.values())


def test_kernel_log_is_the_last_400_lines(host: FakeHost) -> None:
    host.command("dmesg", 'i=0; while [ $i -lt 500 ]; do echo "[ 1.0] NVRM: $i"; i=$((i + 1)); done')
    lines = collect(host)["dmesg.txt"].splitlines()
    assert (lines[0], lines[-1], len(lines)) == ("[ 1.0] NVRM: 100", "[ 1.0] NVRM: 499", 400)


def test_journal_speaks_where_dmesg_is_restricted(host: FakeHost) -> None:
    host.command("dmesg", "echo 'dmesg: read kernel buffer failed: Operation not permitted'; exit 1")
    host.prints("journalctl", "[    7.000000] kernel: NVRM: from the journal\n")
    assert collect(host)["dmesg.txt"] == "[    7.000000] kernel: NVRM: from the journal\n"


def test_paths_of_compat_libraries(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/cuda/lib64")
    assert collect(host)["cuda-paths.txt"].splitlines() == [
        "LD_LIBRARY_PATH=/opt/cuda/lib64",
        "/etc/ld.so.conf.d/cuda.conf: # /usr/local/cuda-12/compat",
        "/etc/environment: LD_LIBRARY_PATH=/usr/local/cuda/compat",
    ]


@pytest.mark.parametrize(("value", "word"), [(b"\6\0\0\0\1", "enabled"), (b"\6\0\0\0\0", "disabled")])
def test_secure_boot_is_read_from_the_firmware_where_mokutil_is_absent(
    empty: FakeHost, value: bytes, word: str
) -> None:
    empty.command("mokutil", "exit 1")
    empty.file("/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c", value)
    assert collect(empty)["mokutil.txt"] == f"SecureBoot {word}\n"


# A log must not accuse a healthy host


def test_newest_log_of_a_build_that_left_the_running_kernel_without_a_module(host: FakeHost) -> None:
    assert collect(host)["build-log.txt"] == "new error\n" * 300


def test_no_log_when_the_module_is_installed_for_the_running_kernel(host: FakeHost) -> None:
    host.prints("dkms", f"nvidia-current/{VERSION}, {KERNEL}, x86_64: installed\n")
    assert "build-log.txt" not in collect(host)


FAILED = "ERROR: Failed to run `/usr/sbin/dkms build`\nERROR: Installation has failed.\n"


@pytest.mark.parametrize(
    ("text", "age", "counts"),
    [
        (FAILED, 60, True),
        (FAILED, 2 * 86400, False),
        ("ERROR: harmless\n-> Installation of the driver is now complete.\n", 60, False),
        ("-> all is well\n", 60, False),
    ],
)
def test_installers_log_counts_when_it_is_new_and_failed(empty: FakeHost, text: str, age: float, counts: bool) -> None:
    log = empty.file("/var/log/nvidia-installer.log", text)
    when = log.stat().st_mtime - age
    os.utime(log, (when, when))
    assert collect(empty).get("build-log.txt") == (text if counts else None)


# nvidia-smi


def test_nvidia_smi_is_not_asked_when_it_would_load_the_module(host: FakeHost) -> None:
    (host.root / "proc/driver/nvidia/version").unlink()
    host.command("nvidia-smi", f"touch {host.root}/asked")
    found = collect(host)
    assert "nvidia-smi.txt" not in found
    assert not (host.root / "asked").exists()


def test_nvidia_smi_is_asked_when_there_is_nothing_to_load(empty: FakeHost) -> None:
    empty.prints("nvidia-smi", "NVIDIA-SMI couldn't find libnvidia-ml.so library in your system.\n", 12)
    found = collect(empty)
    assert found["nvidia-smi.rc"] == "12\n"
    assert found["nvidia-smi.txt"].startswith("NVIDIA-SMI couldn't find libnvidia-ml.so")


def test_nvidia_smi_that_hangs_is_told_and_ended_with_its_children(host: FakeHost) -> None:
    host.command("nvidia-smi", f"echo begun; sleep 600 & echo $! >{host.root}/child; wait")
    found = collect(host, timeout=0.3)
    assert found["nvidia-smi.txt"] == "begun\ntimed out after 1.2 s\n"
    assert "nvidia-smi.rc" not in found
    assert ended((host.root / "child").read_text().strip())


def test_a_command_that_hangs_is_left_out_and_told(host: FakeHost) -> None:
    host.command("lspci", "sleep 600")
    found = collect(host, timeout=2)
    assert "lspci.txt" not in found
    assert found["timeouts.txt"] == "lspci -Dnnk timed out after 2 s\n"


def test_texts_are_cut(host: FakeHost) -> None:
    host.file("/proc/version", "x" * (driver_commands.LIMIT + 1000))
    assert len(collect(host)["compiler.txt"]) <= driver_commands.LIMIT

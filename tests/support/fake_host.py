"""A host in a folder: files below `root`, and commands that are shell scripts in a folder on the PATH."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.gpulab.core.plugins.module_utils import driver_commands

KERNEL = "6.1.0-56-cloud-amd64"
OLD_KERNEL = "6.1.0-40-cloud-amd64"
VERSION = "535.309.01"

COMMANDS = [
    *["lspci", "lsmod", "modinfo", "modprobe", "dkms", "dpkg", "rpm", "apt-cache", "ldconfig", "dmesg", "journalctl"],
    *["mokutil", "systemctl", "systemd-detect-virt", "df", "cc", "nvidia-smi"],
]
"""What is asked, beside `uname` and `ls`, which every host has."""

_T4 = """\
0000:00:03.0 Ethernet controller [0200]: Amazon.com, Inc. Elastic Network Adapter (ENA) [1d0f:ec20]
\tKernel driver in use: ena
0000:00:1e.0 3D controller [0302]: NVIDIA Corporation TU104GL [Tesla T4] [10de:1eb8] (rev a1)
\tSubsystem: NVIDIA Corporation Device [10de:12a2]
\tKernel driver in use: nvidia
0000:00:1f.0 Non-Volatile memory controller [0108]: Amazon.com, Inc. NVMe [1d0f:8061]
"""
_DPKG = """\
Desired=Unknown/Install/Remove/Purge/Hold
||/ Name                Version                Architecture Description
ii  bash                5.2.15-2+b8            amd64        GNU Bourne Again SHell
ii  libcuda1:amd64      535.309.01-1~deb12u1   amd64        NVIDIA CUDA Driver Library
hi  nvidia-smi          535.309.01-1~deb12u1   amd64        NVIDIA System Management Interface
iF  nvidia-kernel-dkms  535.309.01-1~deb12u1   amd64        NVIDIA binary kernel module DKMS source
rc  nvidia-persistenced 470.129.06-1           amd64        daemon to maintain persistent software state
un  nvidia-legacy-340xx <none>                 <none>       (no description available)
"""
_POLICY = """\
nvidia-driver:
  Installed: (none)
  Candidate: 535.309.01-1~deb12u1
  Version table:
     535.309.01-1~deb12u1 500
nvidia-tesla-470-driver:
  Installed: (none)
  Candidate: (none)
  Version table:
"""
_MODINFO = f"""\
filename:       /lib/modules/{KERNEL}/updates/dkms/nvidia-current.ko
version:        {VERSION}
license:        NVIDIA
vermagic:       {KERNEL} SMP preempt mod_unload modversions
parm:           NvSwitchRegDwords:charp
"""
_SMI = """\
| NVIDIA-SMI 535.309.01             Driver Version: 535.309.01   CUDA Version: 12.2     |
GPU UUID: GPU-7a5b1c2d-0011-2233-4455-66778899aabb
Serial Number : 1320021030123
"""
_DMESG = """\
[    0.000000] Linux version 6.1.0
[    5.100000] NVRM: loading NVIDIA UNIX x86_64 Kernel Module  535.309.01  Wed Oct 29 23:15:11 UTC 2025
[    5.200000] NVRM: GPU at PCI:0000:00:1e: GPU-7a5b1c2d-0011-2233-4455-66778899aabb
[    6.000000] usb 1-1: new device
"""
_SYSTEMCTL = """\
case "$1" in
status)
    printf '* nvidia-fabricmanager.service\\n  Loaded: loaded (/lib/systemd)\\n  Active: failed\\n'
    exit 3 ;;
show)
    shift 5
    for unit; do
        case $unit in
        nvidia-persistenced.*) echo LoadState=loaded; echo ActiveState=active ;;
        docker.*) echo ActiveState=failed; echo LoadState=loaded ;;
        *) echo LoadState=not-found; echo ActiveState=inactive ;;
        esac
        echo
    done ;;
esac"""


class FakeHost:
    """Files and commands of a host that is not there."""

    def __init__(self, folder: Path) -> None:
        self.root, self.bin = folder / "root", folder / "bin"
        self.root.mkdir()
        self.bin.mkdir()

    def file(self, path: str, text: str | bytes = "") -> Path:
        """Write a file below the root; returns its path here."""
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        return file

    def link(self, path: str, target: str) -> None:
        """Make a symbolic link below the root."""
        link = self.root / path.lstrip("/")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)

    def command(self, name: str, script: str) -> None:
        """Put a shell script on the PATH."""
        (self.bin / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.bin / name).chmod(0o755)

    def prints(self, name: str, text: str, rc: int = 0) -> None:
        """Put a command on the PATH that prints a text and ends."""
        (self.bin / f"{name}.says").write_text(text)
        self.command(name, f'cat "{self.bin}/{name}.says"; exit {rc}')

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which the host's commands are found before this machine's."""
        return {**os.environ, "PATH": f"{self.bin}:{os.environ['PATH']}", "ROOT": str(self.root)}


def bare(folder: Path) -> FakeHost:
    """A host without anything of NVIDIA, where every command fails."""
    host = FakeHost(folder)
    for name in COMMANDS:
        host.command(name, "echo broken; exit 1")
    host.prints("uname", KERNEL + "\n")
    return host


def rich(folder: Path) -> FakeHost:
    """A Debian 12 host with a T4, where every source has something to say; DKMS lacks the running kernel."""
    host = bare(folder)
    _commands(host)
    host.prints("nvidia-smi", _SMI)
    host.prints("lspci", _T4)
    host.prints("lsmod", "Module Size Used by\nnvidia 56446976 1 nvidia_uvm\nnvidia_uvm 1540096 0\n")
    host.prints("dmesg", _DMESG)
    host.file("/proc/driver/nvidia/version", "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.309.01  Oct\n")
    host.file("/sys/module/nvidia/version", VERSION + "\n")
    host.file("/proc/version", "Linux version 6.1.0 (gcc-12)\n")
    for pid, name, target in (("17", "python", "/dev/nvidia0"), ("9", "bash", "/dev/null")):
        host.file(f"/proc/{pid}/comm", name + "\n")
        host.link(f"/proc/{pid}/fd/0", "/dev/null")
        host.link(f"/proc/{pid}/fd/7", target)
    host.file("/dev/nvidia0")
    for kernel, name in ((KERNEL, "nvidia-current"), (OLD_KERNEL, "nvidia"), ("5.10.0-9-amd64", "nvidiafb")):
        dep = f"updates/dkms/{name}.ko: drivers/drm.ko\nupdates/dkms/{name}-uvm.ko: {name}.ko\nkernel/fs/ext4.ko:\n"
        host.file(f"/lib/modules/{kernel}/modules.dep", dep)
    host.file(f"/lib/modules/{KERNEL}/build/Makefile")
    for name in ("cuda", "nvidia-ml"):
        host.file(f"/usr/lib/x86_64-linux-gnu/nvidia/current/lib{name}.so.{VERSION}")
        host.link(f"/usr/lib/x86_64-linux-gnu/lib{name}.so.1", f"nvidia/current/lib{name}.so.{VERSION}")
    host.file("/etc/os-release", 'ID=debian\nVERSION_ID="12"\n')
    host.file("/usr/bin/nvidia-uninstall")
    host.file("/var/run/reboot-required", "*** System restart required ***\n")
    host.file("/var/run/reboot-required.pkgs", "linux-image-cloud-amd64\n")
    host.file("/etc/ld.so.conf.d/cuda.conf", "# /usr/local/cuda-12/compat\n/usr/lib\n")
    host.file("/etc/environment", "LD_LIBRARY_PATH=/usr/local/cuda/compat \n")
    make = host.file(f"/var/lib/dkms/nvidia-current/{VERSION}/build/make.log", "new error\n" * 400)
    old = host.file("/var/lib/dkms/nvidia-current/470.1/build/make.log", "old error\n")
    os.utime(old, (1, make.stat().st_mtime - 100))
    return host


def _commands(host: FakeHost) -> None:
    host.prints("dkms", f"nvidia-current/{VERSION}, {OLD_KERNEL}, x86_64: installed\n")
    host.prints("modinfo.whole", _MODINFO)
    host.command(
        "modinfo",
        f'case "$*" in\n'
        f'"-k {KERNEL} nvidia-current") cat "{host.bin}/modinfo.whole.says" ;;\n'
        f'"-k {OLD_KERNEL} -F version nvidia") echo 470.256.02 ;;\n'
        f'*) echo "modinfo: ERROR: Module $3 not found." >&2; exit 1 ;;\nesac',
    )
    host.command("modprobe", 'echo "insmod $3"; echo "modprobe: WARNING: $*" >&2')
    cuda = "\tlib%s.so%s (libc6,x86-64) => /usr/lib/x86_64-linux-gnu/lib%s.so.1\n"
    found = "".join(
        cuda % words
        for words in (("cudart", ".12", "cudart"), ("cuda", ".1", "cuda"), ("nvidia-ml", ".1", "nvidia-ml"))
    )
    host.prints("ldconfig", "812 libs found in cache `/etc/ld.so.cache'\n" + found)
    host.prints("dpkg.list", _DPKG)
    host.command(
        "dpkg",
        f'case "$1" in -l) cat "{host.bin}/dpkg.list.says" ;;\n'
        "*) printf 'bash\\t\\t\\tinstall\\nnvidia-smi\\t\\t\\thold\\n' ;;\nesac",
    )
    host.prints("policy", _POLICY)
    names = f"bash\\nnvidia-driver\\nnvidia-tesla-470-driver\\nlinux-headers-{KERNEL}\\nlinux-headers-{OLD_KERNEL}0\\n"
    host.command(
        "apt-cache",
        f"case \"$1\" in pkgnames) printf '{names}' ;;\n"
        f'*) cat "{host.bin}/policy.says"; shift; echo asked:; echo "  Candidate: $(echo $* | tr " " "|")" ;;\nesac',
    )
    host.prints("mokutil", "SecureBoot disabled\n")
    host.command("systemctl", _SYSTEMCTL)
    host.command("systemd-detect-virt", 'case "${1:-}" in --container) echo none; exit 1 ;; *) echo amazon ;; esac')
    host.prints("cc", "cc (Debian 12.2.0-14) 12.2.0\nCopyright\n")
    host.prints("df", "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/root 8 4 4 50% /\n")


def put_on(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    """Make a fake host's commands the first that this process finds."""
    for name, value in host.environment.items():
        monkeypatch.setenv(name, value)
    # What an administrator put on this machine does not come before the fake.
    monkeypatch.setattr(driver_commands, "FOLDERS", driver_commands.FOLDERS[1:])
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    return host


def ended(pid: str) -> bool:
    """Whether a process is gone, or dead and only not yet reaped."""
    status = Path(f"/proc/{pid}/status")
    return not status.exists() or "State:\tZ" in status.read_text()


def run_module(module: ModuleType, capsys: pytest.CaptureFixture[str], options: dict[str, Any]) -> dict[str, Any]:
    """Run an Ansible module in this process and return its result."""
    with patch_module_args(options), pytest.raises(SystemExit):
        module.main()
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer

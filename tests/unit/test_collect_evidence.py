"""bin/collect-evidence: the same files with the same texts as the module collects, in any POSIX shell, no more."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import driver_sources

from tests.support.fake_host import KERNEL, VERSION, FakeHost, bare, ended, put_on, rich

SCRIPT = Path(__file__).resolve().parents[2] / "bin/collect-evidence"
SHELLS = [words for words in (["sh"], ["dash"], ["bash", "--posix"], ["busybox", "sh"]) if shutil.which(words[0])]


def run(host: FakeHost, out: Path, shell: list[str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the script on a fake host."""
    return subprocess.run(
        [*(shell or ["sh"]), str(SCRIPT), str(out)],
        env={name: value for name, value in host.environment.items() if name != "LD_LIBRARY_PATH"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def texts(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text(errors="replace") for file in folder.iterdir()}


def old_installer(folder: Path) -> FakeHost:
    """A host that the installer left without a module, whose kernel log only root may read, with a bus in /sys only."""
    host = bare(folder)
    host.file("/var/log/nvidia-installer.log", "ERROR: Installation has failed.\n")
    host.prints("journalctl", "[    7.000000] kernel: NVRM: from the journal\n")
    host.prints("nvidia-smi", "NVIDIA-SMI couldn't find libnvidia-ml.so library in your system.\n", 12)
    host.prints("modinfo", "modinfo: ERROR: Module nvidia not found.\n", 1)
    host.prints("rpm", "nvidia-driver-580.95.05-1.el9.x86_64\nbash-5-1.x86_64\n")
    host.file("/run/.containerenv")
    host.file("/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c", b"\6\0\0\0\1")
    host.prints("mokutil", "")
    for name, value in (("class", "0x030000"), ("vendor", "0x10de"), ("device", "0x118a"), ("revision", "0xa1")):
        host.file(f"/sys/bus/pci/devices/0000:00:03.0/{name}", value + "\n")
    host.link("/sys/bus/pci/devices/0000:00:03.0/driver", "../../../bus/pci/drivers/nouveau")
    return host


def unloaded(folder: Path) -> FakeHost:
    """A host whose module is on disk and not loaded, with an old build log, and no headers."""
    host = rich(folder)
    (host.root / "proc/driver/nvidia/version").unlink()
    host.prints("dkms", f"nvidia-current/{VERSION}, {KERNEL}, x86_64: installed\n")
    shutil.rmtree(host.root / f"lib/modules/{KERNEL}/build")
    host.prints("lspci", "0000:00:03.0 Ethernet controller [0200]: Amazon.com [1d0f:ec20]\n")
    return host


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
@pytest.mark.parametrize("make", [rich, bare, old_installer, unloaded])
def test_it_writes_what_the_module_collects(
    make: Callable[[Path], FakeHost], shell: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = make(tmp_path)
    done = run(host, tmp_path / "out", shell)
    assert (done.returncode, done.stderr) == (0, "")
    put_on(host, monkeypatch)
    assert texts(tmp_path / "out") == driver_sources.collect(5, str(host.root))


def test_it_knows_every_file_that_the_module_knows_and_no_other() -> None:
    named = set(re.findall(r"\b[a-z][a-z0-9-]*\.(?:txt|rc)\b", SCRIPT.read_text())) - {"smi.rc"}
    assert named == set(driver_sources.NAMES)


def test_it_says_where_it_wrote_and_what_was_not_there(tmp_path: Path) -> None:
    out = tmp_path / "a folder"
    host = bare(tmp_path)
    folder, missing = run(host, out).stdout.splitlines()
    assert folder == str(out)
    told = missing.removeprefix("not there or not readable: ").split()
    there = {name.removesuffix(".txt") for name in texts(out)}
    assert {name.removesuffix(".txt") for name in driver_sources.NAMES} - there - {"timeouts"} == set(told)


def test_folder_is_its_owners_alone(tmp_path: Path) -> None:
    run(bare(tmp_path), tmp_path / "out")
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "out").iterdir()} == {0o600}


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine").write_text("precious")
    done = run(bare(tmp_path), out)
    assert done.returncode == 1
    assert done.stderr == f"{out} exists and is not an empty folder: give another name.\n"
    assert texts(out) == {"mine": "precious"}


def test_without_a_name_the_folder_is_called_after_host_and_date(tmp_path: Path) -> None:
    host = bare(tmp_path)
    host.prints("hostname", "gpu1\n")
    subprocess.run(
        ["sh", str(SCRIPT)], cwd=tmp_path, env=host.environment, capture_output=True, check=True, timeout=120
    )
    (made,) = tmp_path.glob("nvidia-evidence-*")
    assert re.fullmatch(r"nvidia-evidence-gpu1-\d{8}-\d{6}", made.name)
    assert (made / "uname.txt").read_text() == KERNEL + "\n"


def test_what_hangs_is_ended_and_told(tmp_path: Path) -> None:
    host = rich(tmp_path)
    host.command("lspci", "exec sleep 600")
    host.command("nvidia-smi", f"echo begun; echo $$ >{host.root}/pid; exec sleep 600")
    # As patient as the real one would make this test slow; its shell has no other difference.
    script = tmp_path / "collect-evidence"
    script.write_text(SCRIPT.read_text().replace("SECONDS_EACH=5", "SECONDS_EACH=1"))
    out = tmp_path / "out"
    subprocess.run(["sh", str(script), str(out)], env=host.environment, capture_output=True, check=True, timeout=120)
    found = texts(out)
    assert found["nvidia-smi.txt"] == "begun\ntimed out after 4 s\n"
    assert "lspci -Dnnk timed out after 1 s\n" in found["timeouts.txt"]
    assert "nvidia-smi.rc" not in found
    assert ended((host.root / "pid").read_text().strip())


def test_it_changes_nothing_on_the_host(tmp_path: Path) -> None:
    host = rich(tmp_path)

    def everything() -> list[tuple[str, int, float]]:
        files = [Path(folder) / name for folder, _, names in os.walk(host.root) for name in names]
        return sorted((str(file), file.lstat().st_size, file.lstat().st_mtime) for file in files)

    before = everything()
    run(host, tmp_path / "out")
    assert everything() == before


def test_a_wish_that_is_no_folder_prints_the_usage() -> None:
    done = subprocess.run(["sh", str(SCRIPT), "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("Usage: ")


def test_it_is_plain_posix_shell() -> None:
    text = SCRIPT.read_text()
    assert text.startswith("#!/bin/sh\n")
    for bashism in (
        r"\[\[ ",
        r"\bfunction \w+",
        r"<<<",
        r"\$'",
        r"^\s*local ",
        r"^\s*source ",
        r"\becho -[en]",
        r"&>",
        r"\w\+=",
    ):
        assert not re.search(bashism, text, re.MULTILINE), bashism

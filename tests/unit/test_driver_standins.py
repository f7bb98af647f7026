"""The stand-in GPU and the stand-in runfile say what the real ones would: texts, exit codes, options, checksums."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from tests.driver import runfile

STAND_IN = Path(__file__).resolve().parents[1] / "driver/stand_in"
KERNEL = "6.1.0-56-cloud-amd64"
MAGIC = f"{KERNEL} SMP preempt mod_unload modversions"


@pytest.fixture(scope="module")
def parts() -> Iterator[SimpleNamespace]:
    """The stand-in's modules, which find one another in their own folder as they do on a host."""
    names = ("world", "loading", "smi", "kmod", "hardware", "control")
    sys.path.insert(0, str(STAND_IN))
    try:
        modules: dict[str, ModuleType] = {name: importlib.import_module(name) for name in names}
        yield SimpleNamespace(**modules)
    finally:
        sys.path.remove(str(STAND_IN))
        for name in names:
            sys.modules.pop(name, None)


def file(parts: SimpleNamespace, name: str, version: str = "535.309.01", magic: str = MAGIC) -> object:
    return parts.loading.File(name, version, magic, "NVIDIA", (), False, 4096)


def with_driver(parts: SimpleNamespace, version: str = "535.309.01", **facts: object) -> object:
    world = parts.world.World(KERNEL, **facts)
    for name in ("nvidia", "nvidia_uvm"):
        world, _ = parts.loading.load(world, file(parts, name, version))
    return world


# nvidia-smi


@pytest.mark.parametrize(
    ("loaded", "library", "code", "text"),
    [
        ("535.309.01", "535.309.01", 0, "Driver Version: 535.309.01"),
        ("535.309.01", "", 12, "couldn't find libnvidia-ml.so library"),
        ("", "535.309.01", 9, "couldn't communicate with the NVIDIA driver"),
        ("470.256.02", "535.309.01", 18, "version mismatch\nNVML library version: 535.309"),
        ("535.309.01", "470.256.02", 18, "Failed to initialize NVML: Driver/library version mismatch"),
    ],
)
def test_smi_answers_as_nvidias(parts: SimpleNamespace, loaded: str, library: str, code: int, text: str) -> None:
    world = with_driver(parts, loaded) if loaded else parts.world.World(KERNEL)
    assert parts.smi.answer(world, library, [])[0] == code
    assert text in parts.smi.answer(world, library, [])[1]


def test_smi_has_no_library_line_before_525(parts: SimpleNamespace) -> None:
    _, text = parts.smi.answer(with_driver(parts), "470.256.02", [])
    assert "NVML library version" not in text


def test_smi_answers_queries(parts: SimpleNamespace) -> None:
    world = with_driver(parts, gpus=("10de:1eb8", "10de:1eb8"))
    query = ["--query-gpu=driver_version,name,pci.bus_id", "--format=csv,noheader"]
    code, text = parts.smi.answer(world, "535.309.01", query)
    assert (code, text.splitlines()) == (
        0,
        ["535.309.01, Tesla T4, 00000000:00:1E.0", "535.309.01, Tesla T4, 00000000:00:1D.0"],
    )
    assert parts.smi.answer(world, "535.309.01", ["-L"])[1].count("GPU ") == 2


# Loading and unloading


@pytest.mark.parametrize(
    ("gpus", "version", "error", "message"),
    [
        ((), "535.309.01", "No such device", "NVRM: No NVIDIA GPU found."),
        (("10de:118a",), "535.309.01", "No such device", "supported through the NVIDIA 470.xx Legacy drivers"),
        (("10de:1eb8",), "367.57", "No such device", "is not supported by the 367.57"),
    ],
)
def test_module_without_a_gpu_of_its_own_is_refused(
    parts: SimpleNamespace, gpus: tuple[str, ...], version: str, error: str, message: str
) -> None:
    with pytest.raises(parts.loading.Refused) as refused:
        parts.loading.load(parts.world.World(KERNEL, gpus=gpus), file(parts, "nvidia", version))
    assert refused.value.error == error
    assert any(message in line for line in refused.value.messages)


def test_module_for_another_kernel_is_refused(parts: SimpleNamespace) -> None:
    other = file(parts, "nvidia", magic=MAGIC.replace("56", "55"))
    with pytest.raises(parts.loading.Refused, match="Exec format error") as refused:
        parts.loading.load(parts.world.World(KERNEL), other)
    assert refused.value.messages == (f"nvidia: version magic '{MAGIC.replace('56', '55')} ' should be '{MAGIC} '",)


def test_unsigned_module_is_refused_under_secure_boot(parts: SimpleNamespace) -> None:
    with pytest.raises(parts.loading.Refused, match="Key was rejected by service"):
        parts.loading.load(parts.world.World(KERNEL, secure_boot=True), file(parts, "nvidia"))


def test_module_that_does_not_fit_the_loaded_one_is_refused(parts: SimpleNamespace) -> None:
    world = with_driver(parts, "470.256.02").without("nvidia_uvm")
    with pytest.raises(parts.loading.Refused, match="Invalid argument") as refused:
        parts.loading.load(world, file(parts, "nvidia_uvm"))
    assert "disagrees about version of symbol" in refused.value.messages[0]


def test_module_in_use_stays(parts: SimpleNamespace) -> None:
    world = with_driver(parts, opened={"nvidia_uvm": 1})
    assert parts.loading.in_use(world, "nvidia") == "Module nvidia is in use by: nvidia_uvm"
    assert parts.loading.in_use(world, "nvidia_uvm") == "Module nvidia_uvm is in use"
    assert parts.loading.in_use(world, "nvidia_drm") == "Module nvidia_drm is not currently loaded"


def test_reference_counts_are_users_and_open_files(parts: SimpleNamespace) -> None:
    world = with_driver(parts, opened={"nvidia": 2})
    assert (world.references("nvidia"), world.references("nvidia_uvm")) == (3, 0)
    assert parts.world.proc_modules(world).splitlines()[1].startswith("nvidia 4096 3 nvidia_uvm, Live ")


def test_open_device_files_are_counted(parts: SimpleNamespace, tmp_path: Path) -> None:
    folder = tmp_path / "17/fd"
    folder.mkdir(parents=True)
    for number, target in enumerate(("/dev/nvidia0", "/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/null")):
        (folder / str(number)).symlink_to(target)
    assert parts.world.opened(tmp_path) == {"nvidia": 2, "nvidia_uvm": 1}


def test_first_library_in_the_cache_counts(parts: SimpleNamespace) -> None:
    cache = """\
2 libs found in cache `/etc/ld.so.cache'
\tlibcuda.so.1 (libc6,x86-64) => /opt/compat/libcuda.so.1
\tlibcuda.so.1 (libc6) => /usr/lib32/libcuda.so.1
\tlibcuda.so.1 (libc6,x86-64) => /lib/x86_64-linux-gnu/libcuda.so.1
"""
    assert parts.world.libraries(cache) == {"libcuda.so.1": "/opt/compat/libcuda.so.1"}


def test_removal_commands_are_read_from_modprobes_configuration(parts: SimpleNamespace) -> None:
    config = "alias x y\nremove nvidia-modeset modprobe -r -i nvidia-drm nvidia-modeset\ninstall nvidia true\n"
    assert parts.kmod.removal_commands(config) == {"nvidia_modeset": "modprobe -r -i nvidia-drm nvidia-modeset"}


# The runfile


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stand-in runfile with libraries of a few bytes: what is in them is the compiler's."""
    path = tmp_path_factory.mktemp("runfile") / "NVIDIA-Linux-x86_64-367.57.run"
    libraries = {"libcuda": b"\x7fELF cuda", "libnvidia-ml": b"\x7fELF ml"}
    path.write_bytes(runfile.assemble("367.57", runfile.payload("367.57", "6.1", libraries)))
    return path


def sh(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", path, *arguments], cwd=path.parent, capture_output=True, text=True, check=False)


def test_runfile_is_the_same_each_time(made: Path) -> None:
    libraries = {"libcuda": b"\x7fELF cuda", "libnvidia-ml": b"\x7fELF ml"}
    assert made.read_bytes() == runfile.assemble("367.57", runfile.payload("367.57", "6.1", libraries))


def test_runfile_checks_itself(made: Path, tmp_path: Path) -> None:
    good = sh(made, "--check")
    assert (good.returncode, good.stdout) == (0, "check sums and md5 sums are ok\n")
    content = made.read_bytes()
    broken = tmp_path / "broken.run"
    broken.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
    bad = sh(broken, "--check")
    assert bad.returncode == 2
    assert bad.stdout.startswith("Error in checksums ")


def test_runfile_extracts_and_only_that(made: Path) -> None:
    done = sh(made, "-x", "--target", "out")
    assert done.returncode == 0, done.stderr
    assert "Verifying archive integrity... OK" in done.stdout
    assert os.access(made.parent / "out/nvidia-installer", os.X_OK)
    assert 'PACKAGE_VERSION="367.57"' in (made.parent / "out/kernel/dkms.conf").read_text()
    again = sh(made, "-x", "--target", "out")
    assert again.returncode == 1
    assert "The directory 'out' already exists." in again.stdout


@pytest.mark.parametrize("option", ["--no-drm", "--skip-module-load", "-M", "--rubbish"])
def test_option_of_another_version_ends_the_installer(made: Path, option: str) -> None:
    done = sh(made, "--silent", "--dkms", option)
    assert done.returncode == 1
    assert f'unrecognized option: "{option}"' in done.stderr
    assert "Invalid commandline, please run `./nvidia-installer --help`" in done.stderr


@pytest.mark.parametrize(
    ("option", "version", "known"),
    [
        ("--no-drm", "367.57", False),
        ("--no-drm", "375.39", False),
        ("--no-drm", "375.66", True),
        ("--latest", "381.22", True),
        ("--latest", "384.90", False),
        ("--no-peermem", "470.57.02", False),
        ("--no-peermem", "470.86", True),
        ("--skip-module-load", "550.40.07", True),
        ("--no-check-for-alternate-installs", "367.57", True),
    ],
)
def test_options_are_those_of_the_version(option: str, version: str, known: bool) -> None:
    words = runfile.options(version, with_value=False).split() + runfile.options(version, with_value=True).split()
    assert (option in words) is known


def test_installer_is_posix_shell() -> None:
    for name in ("header.sh", "nvidia-installer", "nvidia-smi"):
        done = subprocess.run(["sh", "-n", runfile.SOURCES / name], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


def test_checksum_is_that_of_cksum(tmp_path: Path) -> None:
    data = bytes(range(256)) * 9
    (tmp_path / "data").write_bytes(data)
    done = subprocess.run(["cksum", tmp_path / "data"], capture_output=True, text=True, check=True)
    assert runfile.posix_sum(data) == int(done.stdout.split()[0])

"""nvidia_modules and driver_loading on a host in a folder: services, order, failures, what is told and put back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import driver_loading
from ansible_collections.gpulab.core.plugins.modules import nvidia_modules

from tests.support.fake_host import KERNEL, FakeHost, bare, put_on, run_module

VERSION = "535.309.01"
DEVICES = "Character devices:\n195 nvidia\n507 nvidia-uvm\n"
# Commands with a state: `loaded` lists the modules, `calls` what was asked for.
LSMOD = """
echo "Module Size Used by"
for name in $(cat {root}/loaded); do
    users=
    case $name in nvidia) all="nvidia_uvm nvidia_modeset" ;; nvidia_modeset) all=nvidia_drm ;; *) all= ;; esac
    count=0
    for user in $all; do
        if grep -qx $user {root}/loaded; then users=${{users:+$users,}}$user; count=$((count + 1)); fi
    done
    echo "$name 100 $count $users"
done"""
RMMOD = """
echo "rmmod $1" >>{root}/calls
if [ -e {root}/stuck ] && [ "$(cat {root}/stuck)" = "$1" ]; then
    echo "rmmod: ERROR: Module $1 is in use" >&2
    exit 1
fi
grep -vx "$1" {root}/loaded >{root}/next; mv {root}/next {root}/loaded"""
MODPROBE = """
echo "modprobe $1" >>{root}/calls
if [ -e {root}/refuse ] && [ "$(cat {root}/refuse)" = "$1" ]; then
    echo "modprobe: ERROR: could not insert '$1': Required key not available" >&2
    exit 1
fi
if ! grep -qx "$1" {root}/files; then
    echo "modprobe: FATAL: Module $1 not found in directory /lib/modules/6.1" >&2
    exit 1
fi
echo "$1" | sed 's/-current//; s/-/_/g' >>{root}/loaded"""
SYSTEMCTL = """
unit=${{2%.service}}
case $1 in
is-active) if grep -qx "$unit" {root}/active; then echo active; else echo inactive; exit 3; fi ;;
*) echo "$1 $unit" >>{root}/calls; ! [ "$1 $unit" = "start dcgm" ] ;;
esac"""
FILES = "nvidia nvidia-uvm nvidia-modeset nvidia-drm"


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    """A host with an old module loaded, the persistence daemon running, and another module on disk."""
    host = put_on(bare(tmp_path), monkeypatch)
    for name, script in (("lsmod", LSMOD), ("rmmod", RMMOD), ("modprobe", MODPROBE), ("systemctl", SYSTEMCTL)):
        host.command(name, script.format(root=host.root))
    host.command("nvidia-modprobe", f'echo "nvidia-modprobe $*" >>{host.root}/calls')
    host.command("modinfo", f'[ "$*" = "-k {KERNEL} -F version nvidia" ] && echo {VERSION}')
    host.file("/loaded", "nvidia_uvm\nnvidia_drm\nnvidia_modeset\nnvidia\nvideo\n")
    host.file("/files", FILES.replace(" ", "\n") + "\n")
    host.file("/active", "nvidia-persistenced\n")
    host.file("/calls")
    host.file(f"/lib/modules/{KERNEL}/modules.dep", "updates/dkms/nvidia.ko:\n")

    def there(services: list[str]) -> driver_loading.Host:
        return driver_loading.Host(services, str(host.root))

    monkeypatch.setattr(nvidia_modules, "Host", there)
    return host


def run(capsys: pytest.CaptureFixture[str], **options: Any) -> dict[str, Any]:
    """Run the module in this process and return its result."""
    return run_module(nvidia_modules, capsys, options)


def calls(host: FakeHost) -> list[str]:
    return (host.root / "calls").read_text().splitlines()


def holder(host: FakeHost, unit: str = "user.slice/session-1.scope") -> None:
    """Let a process hold the GPU."""
    host.file("/proc/4711/comm", "python\n")
    host.file("/proc/4711/cgroup", f"0::/{unit}\n")
    host.link("/proc/4711/fd/5", "/dev/nvidia0")


UNLOADS = ["rmmod nvidia_uvm", "rmmod nvidia_drm", "rmmod nvidia_modeset", "rmmod nvidia"]
LOADS = ["modprobe nvidia", "modprobe nvidia-modeset", "modprobe nvidia-drm", "modprobe nvidia-uvm"]


def test_reload_exchanges_all_modules_with_the_service_stopped(
    host: FakeHost, capsys: pytest.CaptureFixture[str]
) -> None:
    result = run(capsys, state="reloaded", expected_version=VERSION)
    assert calls(host) == [
        "stop nvidia-persistenced",
        *UNLOADS,
        *LOADS,
        "nvidia-modprobe -u -c0",
        "start nvidia-persistenced",
    ]
    assert result["unloaded"] == ["nvidia_uvm", "nvidia_drm", "nvidia_modeset", "nvidia"]
    assert result["loaded"] == ["nvidia", "nvidia_modeset", "nvidia_drm", "nvidia_uvm"]
    assert (result["changed"], result["blocked"], result["failed_services"]) == (True, None, [])


def test_reload_in_check_mode_says_so_and_does_nothing(host: FakeHost, capsys: pytest.CaptureFixture[str]) -> None:
    result = run(capsys, state="reloaded", _ansible_check_mode=True)
    assert calls(host) == []
    assert result["changed"] is True
    assert result["unloaded"] == ["nvidia_uvm", "nvidia_drm", "nvidia_modeset", "nvidia"]
    assert result["loaded"] == ["nvidia", "nvidia_modeset", "nvidia_drm", "nvidia_uvm"]


@pytest.mark.parametrize("check", [False, True])
def test_who_holds_the_gpu_is_told_and_nothing_is_touched(
    host: FakeHost, capsys: pytest.CaptureFixture[str], check: bool
) -> None:
    holder(host)
    result = run(capsys, state="reloaded", _ansible_check_mode=check)
    assert calls(host) == []
    assert result["changed"] is False
    assert result["holders"] == [{"pid": 4711, "command": "python"}]
    assert result["blocked"].startswith("Process 4711 (python) holds the GPU and is not ended by this playbook")


def test_a_holder_that_is_a_service_of_ours_is_stopped(host: FakeHost, capsys: pytest.CaptureFixture[str]) -> None:
    holder(host, "system.slice/nvidia-persistenced.service")
    stop = f'[ "$1" != stop ] || rm -r {host.root}/proc/4711\n'
    host.command("systemctl", stop + SYSTEMCTL.format(root=host.root))
    result = run(capsys, state="reloaded")
    assert (result["holders"], result["blocked"]) == ([], None)
    assert "rmmod nvidia" in calls(host)


def test_a_holder_of_the_display_device_counts(host: FakeHost, capsys: pytest.CaptureFixture[str]) -> None:
    for node, vendor in (("card0", "0x1a03"), ("card1", "0x10de")):
        host.file(f"/sys/class/drm/{node}/device/vendor", vendor + "\n")
    host.file("/proc/4711/comm", "Xorg\n")
    host.link("/proc/4711/fd/5", f"{host.root}/dev/dri/card1")
    assert run(capsys, state="reloaded")["holders"] == [{"pid": 4711, "command": "Xorg"}]


def test_wrong_module_on_disk_leaves_the_loaded_one(host: FakeHost, capsys: pytest.CaptureFixture[str]) -> None:
    result = run(capsys, state="reloaded", expected_version="550.163.01")
    assert calls(host) == []
    assert result["blocked"].startswith(
        f"The module on disk for kernel {KERNEL} is of version {VERSION}, not 550.163.01"
    )


def test_references_of_sys_count(host: FakeHost, capsys: pytest.CaptureFixture[str]) -> None:
    host.file("/sys/module/nvidia/refcnt", "9\n")
    result = run(capsys, state="reloaded")
    assert result["blocked"].startswith("Module nvidia is in use 7 times by what is no process")
    assert calls(host) == ["stop nvidia-persistenced", "start nvidia-persistenced"]
    assert result["changed"] is False


def test_a_module_that_will_not_go_brings_back_those_that_went(
    host: FakeHost, capsys: pytest.CaptureFixture[str]
) -> None:
    host.file("/stuck", "nvidia_modeset")
    result = run(capsys, state="unloaded")
    assert sorted((host.root / "loaded").read_text().split()) == sorted(
        ["nvidia", "nvidia_uvm", "nvidia_drm", "nvidia_modeset", "video"]
    )
    assert calls(host)[-1] == "start nvidia-persistenced"
    assert (
        "Module nvidia_modeset could not be unloaded (rmmod: ERROR: Module nvidia_modeset is in use)"
        in result["blocked"]
    )
    assert (result["changed"], result["unloaded"]) == (False, [])


def test_services_start_again_when_the_new_module_is_refused(
    host: FakeHost, capsys: pytest.CaptureFixture[str]
) -> None:
    host.file("/refuse", "nvidia")
    result = run(capsys, state="reloaded")
    assert result["failed"] is True
    assert result["msg"].endswith("modprobe: ERROR: could not insert 'nvidia': Required key not available")
    assert (result["changed"], result["loaded"]) == (True, [])
    assert calls(host)[-1] == "start nvidia-persistenced"


def test_a_service_that_does_not_start_again_is_told(host: FakeHost, capsys: pytest.CaptureFixture[str]) -> None:
    host.file("/active", "dcgm\n")
    result = run(capsys, state="reloaded")
    assert (result["failed_services"], result["blocked"]) == (["dcgm"], None)


def test_unloaded(host: FakeHost, capsys: pytest.CaptureFixture[str]) -> None:
    result = run(capsys, state="unloaded")
    assert (host.root / "loaded").read_text() == "video\n"
    assert (result["changed"], result["loaded"]) == (True, [])
    assert run(capsys, state="unloaded")["changed"] is False


def test_loaded_loads_what_is_missing_once(host: FakeHost, capsys: pytest.CaptureFixture[str]) -> None:
    host.file("/loaded", "video\n")
    result = run(capsys, state="loaded", expected_version=VERSION)
    assert (result["changed"], result["loaded"]) == (True, ["nvidia", "nvidia_uvm"])
    assert calls(host) == ["modprobe nvidia", "modprobe nvidia-uvm", "nvidia-modprobe -u -c0"]
    result = run(capsys, state="loaded", expected_version=VERSION)
    assert (result["changed"], result["loaded"]) == (False, [])


def test_uvm_alone(host: FakeHost, capsys: pytest.CaptureFixture[str]) -> None:
    host.file("/loaded", "nvidia\n")
    assert run(capsys, state="uvm")["loaded"] == ["nvidia_uvm"]
    assert calls(host)[0] == "modprobe nvidia-uvm"


def test_debians_file_names_are_tried(host: FakeHost, capsys: pytest.CaptureFixture[str]) -> None:
    host.file(f"/lib/modules/{KERNEL}/modules.dep", "updates/dkms/nvidia-current.ko:\n")
    host.file("/files", "nvidia-current\nnvidia-current-uvm\n")
    host.file("/loaded", "")
    assert run(capsys, state="loaded")["loaded"] == ["nvidia", "nvidia_uvm"]
    assert calls(host)[:2] == ["modprobe nvidia", "modprobe nvidia-current"]


def test_a_modprobe_that_is_turned_off_is_told(host: FakeHost, capsys: pytest.CaptureFixture[str]) -> None:
    host.file("/loaded", "")
    host.command("modprobe", "exit 0")
    result = run(capsys, state="loaded")
    assert result["msg"].endswith("the module is not loaded: look for a line on it in /etc/modprobe.d.")


def test_nodes_are_made_without_nvidia_modprobe(
    host: FakeHost, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[str, int]] = []

    def mknod(path: str, mode: int, device: int) -> None:
        made.append((path.removeprefix(str(host.root)), device))
        Path(path).parent.mkdir(exist_ok=True)
        Path(path).touch(mode & 0o777)

    # Only root may make a device.
    monkeypatch.setattr(driver_loading.os, "mknod", mknod)
    monkeypatch.setattr(driver_loading, "find", lambda _name: None)
    host.file("/proc/devices", DEVICES)
    host.file("/proc/driver/nvidia/gpus/0000:00:1e.0/information", "Model: T4\nDevice Minor: \t 3\n")
    result = run(capsys, state="loaded")
    major = driver_loading.os.makedev
    assert made == [
        ("/dev/nvidiactl", major(195, 255)),
        ("/dev/nvidia3", major(195, 3)),
        ("/dev/nvidia-uvm", major(507, 0)),
        ("/dev/nvidia-uvm-tools", major(507, 1)),
    ]
    assert result["nodes"] == ["/dev/nvidia-uvm", "/dev/nvidia-uvm-tools", "/dev/nvidia3", "/dev/nvidiactl"]
    assert result["changed"] is True
    assert run(capsys, state="loaded")["changed"] is False

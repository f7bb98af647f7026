"""What can be known of the harness without a machine: names, texts and the page that is written."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from rehearsal.podman import PodmanError
from tests.driver import module_cache
from tests.vm import disk, machine, recipe, scenario, transcript
from tests.vm.scenario import Run, Step

POLICY = """\
linux-headers-cloud-amd64:
  Installed: (none)
  Candidate: 6.1.192-2
  Version table:
     6.1.192-2 500
nvidia-kernel-dkms:
  Installed: (none)
  Candidate: 535.309.01-0+deb12u1
"""
STATUS = """\
nvidia-current/535.261.03, 6.1.0-56-cloud-amd64, x86_64: built
nvidia-current/535.309.01, 6.1.0-56-cloud-amd64, x86_64: installed
"""
OUTPUT = """\

PLAY [Diagnose the NVIDIA drivers and repair them] *****************************

TASK [nvidia_driver : diagnose | Collect the evidence and judge it] ************
ok: [gpu-vm]

TASK [nvidia_driver : tell | Tell the verdict] *********************************
ok: [gpu-vm] =>\x20
    msg: stale_module_on_disk

TASK [nvidia_driver : rebuild_modules | Build them] ****************************
ASYNC POLL on gpu-vm: jid=j1 started=True finished=False
changed: [gpu-vm]

PLAY RECAP *********************************************************************
gpu-vm                     : ok=3    changed=1    unreachable=0    failed=0
"""
BUILT = module_cache.Built(Path("abc.tar.gz"), "6.1.0-56-cloud-amd64", "nvidia-current", "535.309.01", {})


def test_versions_are_those_that_apt_would_install() -> None:
    expected = {"linux-headers-cloud-amd64": "6.1.192-2", "nvidia-kernel-dkms": "535.309.01-0+deb12u1"}
    assert module_cache.candidates(POLICY) == expected


def test_a_mirror_without_the_driver_is_named() -> None:
    without = POLICY.replace("535.309.01-0+deb12u1", "(none)")
    with pytest.raises(PodmanError, match="no nvidia-kernel-dkms: check that it carries contrib and non-free"):
        module_cache.candidates(without)


def test_the_installed_module_is_found_among_others() -> None:
    assert module_cache.installed(STATUS) == ("6.1.0-56-cloud-amd64", "535.309.01")


def test_a_build_that_installed_nothing_is_an_error() -> None:
    with pytest.raises(PodmanError, match="DKMS installed no nvidia-current"):
        module_cache.installed(STATUS.replace("installed", "built"))


def test_another_package_version_is_another_tarball() -> None:
    packages = module_cache.candidates(POLICY)
    assert module_cache.key(packages) != module_cache.key(packages | {module_cache.DRIVER: "535.999.01-1"})


def test_the_cache_gives_the_newest_whole_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module_cache, "CACHE", tmp_path)
    assert module_cache.cached() is None
    for age, version in enumerate(("newest", "older")):
        file = tmp_path / f"{module_cache.recipe_hash()}-{version}.json"
        file.write_text(json.dumps({"kernel": "k", "module": "m", "version": version, "packages": {}}))
        os.utime(file, (1000 - age, 1000 - age))
    (tmp_path / f"{module_cache.recipe_hash()}-older.tar.gz").touch()
    found = module_cache.cached()
    assert found is not None
    assert found.version == "older"  # the newest has no tarball: its build was cut short
    (tmp_path / f"{module_cache.recipe_hash()}-newest.tar.gz").touch()
    newest = module_cache.cached()
    assert newest is not None
    assert newest.version == "newest"


def test_another_qemu_or_module_is_another_machine() -> None:
    mine = recipe.recipe_hash("module-1", ["QEMU 7"])
    assert recipe.recipe_hash("module-1", ["QEMU 7"]) == mine
    assert len({mine, recipe.recipe_hash("module-2", ["QEMU 7"]), recipe.recipe_hash("module-1", ["QEMU 8"])}) == 3


def test_the_stale_module_is_another_version_than_any_that_is_built() -> None:
    built = module_cache.cached()
    assert built is None or built.version != recipe.STALE


def test_qemu_listens_on_the_loopback_only_and_shuts_the_guest_in(tmp_path: Path) -> None:
    line = " ".join(machine.command(tmp_path / "disk", "raw", tmp_path / "console", None))
    assert "restrict=on,hostfwd=tcp:127.0.0.1:0-:22" in line
    assert "-accel tcg" in line
    assert "-incoming" not in line
    assert line.count("hostfwd") == 1


def test_only_the_host_key_of_the_disk_is_accepted(tmp_path: Path) -> None:
    text = machine.ssh_config(2222, tmp_path)
    assert "StrictHostKeyChecking yes" in text
    assert f'UserKnownHostsFile "{tmp_path}/known_hosts"' in text


def test_grub_fits_before_the_partition(tmp_path: Path) -> None:
    with pytest.raises(machine.VmError, match="more than lie before the partition"):
        disk._write_disk(tmp_path, tmp_path / "disk.raw", b"x" * (disk.START * disk.SECTOR), b"")


def test_ansible_tasks_that_only_went_well_are_left_out() -> None:
    assert transcript.told(OUTPUT) == [
        "TASK tell | Tell the verdict",
        "ok: [gpu-vm] =>",
        "    msg: stale_module_on_disk",
        "TASK rebuild_modules | Build them",
        "changed: [gpu-vm]",
        "PLAY RECAP",
        "gpu-vm                     : ok=3    changed=1    unreachable=0    failed=0",
    ]


def test_the_repair_does_not_tell_the_plan_again() -> None:
    lines = transcript.told(OUTPUT, again=True)
    assert lines == [line for line in transcript.told(OUTPUT) if "tell |" not in line][2:]
    assert lines[0] == "TASK rebuild_modules | Build them"


def a_run() -> Run:
    typed = [*scenario.LOOK, scenario.typed("--check"), scenario.typed(), *scenario.AFTER]
    steps = [
        Step(
            "control" if line.startswith("ansible") else "guest", line, OUTPUT if line.startswith("ansible") else "x", 0
        )
        for line in typed
    ]
    return Run(steps, ("one", "two"), 1, BUILT, {})


def test_the_page_has_every_section_and_every_command_once() -> None:
    page = transcript.render(a_run())
    assert re.findall(r"^## .*$", page, re.MULTILINE) == list(transcript.TITLES.values())
    for step in a_run().steps:
        assert f"{transcript.PROMPTS[step.where]}{step.typed}\n" in page
    assert page.count("```") == 2 * len(transcript.TITLES)
    assert "restarted itself once: its boot id was `one` and is `two`" in page

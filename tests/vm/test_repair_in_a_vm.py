"""repair-drivers.yml on a host with a kernel of its own: real modules, a real load, a real restart, an honest end."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.gpulab.core.plugins.module_utils.driver_diagnosis import diagnose

from tests.vm import machine, recipe, scenario, transcript
from tests.vm.scenario import Run

pytestmark = [pytest.mark.vm, pytest.mark.hosts, pytest.mark.slow]

CHECK = scenario.typed("--check")
REPAIR = scenario.typed(nvidia_driver_allow_reboot="true")


@pytest.fixture(scope="module")
def run() -> Run:
    """One run for all tests: they look at different things in it."""
    return scenario.run()


def test_nvidias_own_program_says_what_is_wrong_before(run: Run) -> None:
    before = run.step("nvidia-smi")
    assert before.code == 18
    assert "Failed to initialize NVML: Driver/library version mismatch" in before.output
    assert run.step("cat /proc/driver/nvidia/version").output.find(recipe.STALE) > 0


def test_check_mode_tells_the_verdict_and_changes_nothing(run: Run) -> None:
    dry = run.step(CHECK)
    assert dry.code == 0, dry.output
    assert "verdict: stale_module_on_disk" in dry.output
    assert "rebuild_modules" in dry.output
    # The run after it finds the same: the stale module on disk and loaded.
    assert (
        dry.output.count(f"on_disk: {recipe.STALE}") == run.step(REPAIR).output.count(f"on_disk: {recipe.STALE}") == 1
    )


def test_the_stale_module_is_replaced_by_nvidias(run: Run) -> None:
    assert run.module.version != recipe.STALE
    assert run.step("modinfo -F version").output == run.module.version
    status = run.step("dkms status").output
    assert f"nvidia-current/{run.module.version}, {run.module.kernel}, x86_64: installed" in status
    assert f"nvidia-current/{recipe.STALE}, {run.module.kernel}, x86_64: installed" not in status


def test_the_program_that_holds_the_gpu_is_named_before_the_restart(run: Run) -> None:
    before, restart, _after = run.step(REPAIR).output.partition("reboot | Restart the host]")
    assert restart
    assert re.search(r"Process \d+ \(sleep\) holds the GPU", " ".join(before.split()))


def test_the_role_restarts_the_host_once(run: Run) -> None:
    assert run.restarts == 1
    assert run.boots[0] != run.boots[1]
    assert run.step(REPAIR).output.count("reboot | Restart the host]") == 1


def test_nvidias_module_is_loaded_and_finds_no_gpu(run: Run) -> None:
    assert "NVRM: No NVIDIA GPU found." in run.step("dmesg").output
    load = run.step("modprobe")
    assert load.code == 1
    assert "No such device" in load.output


def test_the_verdict_after_the_restart_is_not_that_it_works(run: Run) -> None:
    repair = run.step(REPAIR)
    assert repair.code == 2, repair.output
    assert "failed=1" in repair.output
    verdict = diagnose(run.evidence).verdict
    assert verdict not in ("healthy", "stale_module_on_disk", "stale_loaded_module")
    assert verdict in repair.output
    assert "NVRM: No NVIDIA GPU found." in run.evidence["dmesg.txt"]


def test_the_page_in_docs_is_of_such_a_run(run: Run) -> None:
    page, fresh = transcript.PAGE.read_text(), transcript.render(run)
    for line in fresh.splitlines():
        if line.startswith(("#", *transcript.PROMPTS.values())):
            assert line in page, f"not in {transcript.PAGE.name}: run python -m tests.vm.transcript"
    assert len(page.splitlines()) < 150
    assert json.dumps(str(recipe.HERE.parents[1])) not in page


LONG_LIVED = """
import time
from tests.vm import disk, machine

with disk.sole_user() as folder:
    frozen = disk.ensure(folder)
    copy = machine.overlay(frozen.disk, folder)
    with machine.Machine(copy, "qcow2", frozen.folder, folder, frozen.memory) as guest:
        print(guest.pid, flush=True)
        time.sleep(3600)
"""


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGINT])
def test_the_machine_ends_with_the_program_that_started_it(signal_number: int, run: Run) -> None:
    assert run.steps  # so that the machine is made by now
    line = [sys.executable, "-c", LONG_LIVED]
    root = recipe.HERE.parents[1]
    with subprocess.Popen(line, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as program:
        assert program.stdout is not None
        pid = int(program.stdout.readline())
        assert machine.QEMU in Path(f"/proc/{pid}/cmdline").read_text()
        os.kill(program.pid, signal_number)
        program.wait()
    deadline = time.monotonic() + machine.ANSWER_SECONDS
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline, f"process {pid} still runs"
        time.sleep(0.1)

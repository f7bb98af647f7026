"""The run: a host whose driver was upgraded by halves is diagnosed, repaired and restarted by repair-drivers.yml."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from rehearsal import settings
from tests.driver.module_cache import Built
from tests.vm import disk, machine, recipe
from tests.vm.machine import Machine

HOLDER = "training"
"""The unit that stands for a user's program with the GPU open."""
LOOK = (
    "uname -r",
    "cat /proc/driver/nvidia/version",
    "modinfo -F version nvidia-current",
    "dkms status",
    "ls /usr/lib/x86_64-linux-gnu/nvidia/current/*.so.535*",
    "nvidia-smi",
    f"systemd-run --unit {HOLDER} sh -c 'exec sleep infinity < /dev/nvidiactl'",
    "lsmod | grep -E '^Module|nvidia'",
)
AFTER = (
    "dmesg | grep NVRM",
    "modprobe nvidia-current",
    "modinfo -F version nvidia-current",
    "dkms status",
)
VARIABLES = {
    # Emulated processors need ten times what these take by default.
    "nvidia_driver_evidence_timeout": "120",
    "nvidia_driver_reboot_timeout": "600",
}
EVIDENCE = "reports/drivers"
"""Where the role saves what it saw of a host that it could not repair."""


class Step(NamedTuple):
    """What was typed, where (`guest` or `control`), what it said and its exit code."""

    where: str
    typed: str
    output: str
    code: int


class Run(NamedTuple):
    """The steps in order, the boot ids before and after, and how many kernels began on the console in between."""

    steps: list[Step]
    boots: tuple[str, str]
    restarts: int
    module: Built
    """NVIDIA's module that was there to be installed."""
    evidence: dict[str, str]
    """Text of the files that the role saved about a host it could not repair."""

    def step(self, line: str) -> Step:
        """The last step whose command line begins so."""
        return [step for step in self.steps if step.typed.startswith(line)][-1]


def run() -> Run:
    """Do it all, in a machine of its own. Raises PodmanError or VmError when there can be no machine."""
    with disk.sole_user() as folder:
        frozen = disk.ensure(folder)
        copy = machine.overlay(frozen.disk, folder)
        with Machine(copy, "qcow2", frozen.folder, folder, frozen.memory) as guest:
            guest.go_on()
            guest.wait_for_ssh()
            return _run(guest, folder, frozen.module)


def _run(guest: Machine, folder: Path, module: Built) -> Run:
    boot = _boot(guest)
    inventory = folder / "my-hosts.yml"
    inventory.write_text(json.dumps(_inventory(guest)))
    steps = [_look(guest, line) for line in LOOK]
    steps.append(_play(folder, typed("--check")))
    steps.append(_play(folder, typed(nvidia_driver_allow_reboot="true")))
    steps += [_look(guest, line) for line in AFTER]
    saved = {f.name: f.read_text() for f in (folder / EVIDENCE).rglob("*.*") if f.is_file()}
    return Run(steps, (boot, _boot(guest)), guest.boots(), module, saved)


def _boot(guest: Machine) -> str:
    return guest.ssh("cat /proc/sys/kernel/random/boot_id").strip()


def _look(guest: Machine, line: str) -> Step:
    *lines, code = guest.ssh(f"{line}\ncode=$?; echo; echo $code", check=False).splitlines()
    return Step("guest", line, "\n".join(lines).strip(), int(code))


def _inventory(guest: Machine) -> Mapping[str, object]:
    variables = {"ansible_ssh_common_args": f"-F {guest.config}", "ansible_python_interpreter": "/usr/bin/python3"}
    return {"all": {"hosts": {recipe.NAME: variables}}}


def typed(option: str = "", **variables: str) -> str:
    """The command line of the playbook, as a user would type it in the clone."""
    extra = [f"-e {name}={value}" for name, value in {**VARIABLES, **variables}.items()]
    return " ".join(["ansible-playbook", "repair-drivers.yml", "-i", "my-hosts.yml", *filter(None, [option]), *extra])


def _play(folder: Path, line: str) -> Step:
    """Type it, with nothing of the caller's Ansible settings; the inventory and the evidence are in `folder`."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("ANSIBLE_", "AWS_", "GPULAB_"))}
    _, *words = line.replace("my-hosts.yml", str(folder / "my-hosts.yml")).split()
    done = subprocess.run(
        [
            settings.ROOT / ".venv/bin/ansible-playbook",
            *words,
            "-e",
            f"nvidia_driver_evidence_folder={folder / EVIDENCE}",
        ],
        cwd=settings.ROOT,
        env=inherited | {"NO_COLOR": "1", "COLUMNS": "160", "ANSIBLE_HOME": str(settings.ROOT / ".ansible")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    output = done.stdout.replace(f"{folder}/", "").replace(f"{settings.ROOT}/", "")
    return Step("control", line, output, done.returncode)

"""What the role leaves on a host, and that it really waits for whoever works with dpkg."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import testinfra

PROJECT = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"])
SSH_CONFIG = PROJECT / ".cache/molecule/host_baseline/ssh_config"
UNITS = ("apt-daily.timer", "apt-daily-upgrade.timer", "unattended-upgrades.service")


@pytest.fixture(scope="module")
def host() -> Any:
    return testinfra.get_host("ssh://host-baseline", ssh_config=str(SSH_CONFIG))


@pytest.fixture
def holder(host: Any) -> Iterator[int]:
    """The pid of a process that holds dpkg's lock until a task has become root and some seconds have passed."""
    host.check_output("sudo systemd-run --quiet --collect --unit again python3 /usr/local/lib/hold_lock.py again")
    yield int(host.check_output("while [ ! -s /run/again.held ]; do sleep 0.1; done; cat /run/again.held"))
    # It may have ended by itself, and is unknown then.
    host.run("sudo systemctl stop again.service")
    host.check_output("sudo rm -f /run/again.held")


def wait_for_locks(timeout: int) -> tuple[int, dict[str, Any]]:
    """Run the module on the host as a playbook would, and return Ansible's exit code and the module's result."""
    inventory = os.environ["MOLECULE_INVENTORY_FILE"]
    module = ["--module-name", "gpulab.core.wait_for_package_locks", "--args", f"timeout={timeout}"]
    done = subprocess.run(
        ["ansible", "host-baseline", "--inventory", inventory, "--become", *module],
        cwd=PROJECT,
        env=os.environ
        | {"ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"), "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}
        | {"ANSIBLE_FORCE_COLOR": "false", "ANSIBLE_NOCOLOR": "true"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    told = done.stdout + done.stderr
    assert "=> {" in told, told
    result: dict[str, Any] = json.loads(told[told.index("=> {") + 3 : told.rindex("}") + 1])
    return done.returncode, result


def test_nothing_upgrades_by_itself(host: Any) -> None:
    found = [unit for unit in UNITS if host.file(f"/lib/systemd/system/{unit}").exists]
    assert set(found) >= {"apt-daily.timer", "apt-daily-upgrade.timer"}
    for unit in found:
        assert host.run(f"systemctl is-enabled {unit}").stdout.strip() == "masked"
        assert host.run(f"systemctl is-active {unit}").stdout.strip() == "inactive"


def test_apt_knows_it_too(host: Any) -> None:
    file = host.file("/etc/apt/apt.conf.d/99-gpulab-hold")
    assert (file.user, file.group, file.mode) == ("root", "root", 0o644)
    dump = host.check_output("apt-config dump APT::Periodic")
    assert 'APT::Periodic::Update-Package-Lists "0";' in dump
    assert 'APT::Periodic::Unattended-Upgrade "0";' in dump


def test_first_boot_is_over(host: Any) -> None:
    assert "status: done" in host.run("cloud-init status").stdout


def test_role_touched_nothing_before_dpkg_was_free(host: Any) -> None:
    released = float(host.check_output("stat --format %.Y /run/first-boot.released"))
    held = float(host.check_output("stat --format %.Y /etc/apt/apt.conf.d/99-gpulab-hold"))
    assert held > released


def test_free_locks_need_no_time_at_all() -> None:
    code, result = wait_for_locks(timeout=0)
    assert (code, result["changed"]) == (0, False)


def test_module_waits_for_the_lock(holder: int) -> None:
    assert holder > 0
    code, result = wait_for_locks(timeout=60)
    assert (code, result["changed"]) == (0, False)
    assert result["waited"] > 0


def test_module_gives_up_with_a_sentence_that_names_the_holder(holder: int) -> None:
    code, result = wait_for_locks(timeout=1)
    assert code == 2
    assert result["msg"].startswith(f"/var/lib/dpkg/lock-frontend is still held by process {holder} (")
    assert "hold_lock.py" in result["msg"]
    assert result["msg"].endswith("run this again when it is done.")

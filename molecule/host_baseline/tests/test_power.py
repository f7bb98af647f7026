"""The guards on a real host: what they see, and that they switch it off. Runs last, since the address changes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import testinfra

from rehearsal import machine
from rehearsal.podman import Container, Podman

PROJECT = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"])
STATE = PROJECT / ".cache/molecule/host_baseline"
NAME = "host-baseline"
TOKEN = "0123456789abcdef0123456789abcdef0123456789abcdef"
SERVER = (
    "systemd-run --quiet --uid ubuntu --unit gpulab-jupyter "
    "python3 /var/tmp/notebook_server.py 8888 /home/ubuntu/.local/share/gpulab/notebook-token /var/tmp/kernels.json"
)


@pytest.fixture
def host() -> Any:
    return testinfra.get_host(f"ssh://{NAME}", ssh_config=str(STATE / "ssh_config"))


def container() -> Container:
    return Podman(STATE / "podman").inspect([NAME])[0]


def wait_until_off() -> None:
    """Until the host has shut down, which has to take less than the two minutes that are waited."""
    deadline = time.monotonic() + 120
    while container().status != "exited":
        assert time.monotonic() < deadline, f"{NAME} is still up"
        time.sleep(0.5)


def start() -> None:
    """Start the host again, as its cloud would: at another address, which the ssh configuration then has."""
    Podman(STATE / "podman").start(NAME)
    deadline = time.monotonic() + 120
    while not machine.ready(container()):
        assert time.monotonic() < deadline, f"{NAME} does not come up"
        time.sleep(0.5)
    config = STATE / "ssh_config"
    config.write_text(re.sub(r"HostName \S+", f"HostName {container().address}", config.read_text()))


def signs(host: Any) -> list[dict[str, Any]]:
    """What the idle guard sees, but for the terminals that the test's own way onto the host makes."""
    told = host.check_output("sudo env PYTHONPATH=/usr/local/lib/gpulab python3 -B -m gpulab_idle signs")
    found: list[dict[str, Any]] = json.loads(told)
    return [sign for sign in found if "/dev/" not in sign["what"]]


def put(host: Any, path: str, text: str, owner: str = "root") -> None:
    """Write a file there."""
    host.check_output(f"echo '{text}' | sudo install -D -o {owner} -m 600 /dev/stdin {path}")


def test_the_deadline_of_user_data_is_armed_and_the_role_keeps_it(host: Any) -> None:
    assert host.check_output("systemctl is-active gpulab-deadline.timer") == "active"
    assert host.check_output("systemctl is-enabled gpulab-deadline.timer") == "enabled"
    # Ten hours from the moment that user data ran.
    assert 36000 - 3600 < int(host.check_output("sudo gpulab-deadline left")) <= 36000
    assert "gpulab" not in host.check_output("systemctl --failed --plain --no-legend")


def test_the_deadline_has_looked_by_itself(host: Any) -> None:
    ran = "systemctl show gpulab-deadline.service --property ExecMainExitTimestampMonotonic --value"
    host.check_output(f'while [ "$({ran})" = 0 ]; do sleep 0.5; done')
    # systemd's own lines about every look would bury what the guard has to say.
    assert "Finished" not in host.check_output("sudo journalctl --unit gpulab-deadline.service --output cat")


def test_the_idle_guard_runs_each_minute(host: Any) -> None:
    assert host.check_output("systemctl is-active gpulab-idle.timer") == "active"
    assert host.check_output("systemctl is-enabled gpulab-idle.timer") == "enabled"
    assert json.loads(host.check_output("cat /etc/gpulab/idle.json")) == {"idle_minutes": 60, "warn_minutes": 5}


def test_a_login_that_types_is_use(host: Any) -> None:
    command = ["ssh", "-F", STATE / "ssh_config", "-tt", NAME, "read line; tty; sleep 60"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as login:
        assert login.stdin is not None
        assert login.stdout is not None
        login.stdin.write("hello\n")
        login.stdin.flush()
        lines = [login.stdout.readline().strip() for _line in range(2)]
        terminal = next(line for line in lines if line.startswith("/dev/pts/"))
        told = host.check_output("sudo env PYTHONPATH=/usr/local/lib/gpulab python3 -B -m gpulab_idle signs")
        login.kill()
    (age,) = [sign["age"] for sign in json.loads(told) if sign["what"] == f"somebody typed in {terminal}"]
    # The kernel notes it to within eight seconds.
    assert age < 60


def test_a_notebook_that_computes_is_use_and_one_that_does_not_answer_as_well(host: Any) -> None:
    assert signs(host) == []
    server = PROJECT / "molecule/host_baseline/files/notebook_server.py"
    subprocess.run(["scp", "-q", "-F", STATE / "ssh_config", server, f"{NAME}:/var/tmp/"], check=True)
    put(host, "/etc/gpulab/jupyter/config.py", "# gpulab: http 8888")
    put(host, "/home/ubuntu/.local/share/gpulab/notebook-token", TOKEN, owner="ubuntu")
    kernel = {"id": "4f1c0a77-1", "execution_state": "busy", "last_activity": "2026-01-01T00:00:00.000000Z"}
    put(host, "/var/tmp/kernels.json", json.dumps([kernel]), owner="ubuntu")
    host.check_output(f"sudo {SERVER}")
    host.check_output("while ! ss --listening --tcp --numeric | grep --quiet :8888; do sleep 0.2; done")
    assert signs(host) == [{"what": "kernel 4f1c0a77 of a notebook is busy", "age": 0}]
    put(host, "/var/tmp/kernels.json", json.dumps([kernel | {"execution_state": "idle"}]), owner="ubuntu")
    (idle,) = signs(host)
    assert idle["age"] > 3600
    host.check_output("sudo systemctl kill --signal STOP gpulab-jupyter.service")
    (silent,) = signs(host)
    assert silent["age"] == 0
    assert "cannot be asked" in silent["what"]
    host.check_output("sudo systemctl kill --signal KILL gpulab-jupyter.service")
    host.check_output("while systemctl is-active --quiet gpulab-jupyter.service; do sleep 0.2; done")
    assert signs(host) == []


def test_what_is_installed_or_computed_is_use(host: Any) -> None:
    # Four, because the machine that the host is on may have other work.
    busy = "sudo systemd-run --quiet --unit busy-$n --uid ubuntu sh -c 'while :; do :; done'"
    host.check_output(f"for n in 1 2 3 4; do {busy}; done")
    host.check_output("sudo systemctl start gpulab-idle.service; sleep 2")
    assert [sign["what"][:12] for sign in signs(host)] == ["programs use"]
    host.check_output("sudo systemctl stop busy-1 busy-2 busy-3 busy-4")
    host.check_output("sudo systemd-run --quiet --unit installs bash -c 'exec -a apt-get sleep 60'")
    assert "apt-get is at work" in [sign["what"] for sign in signs(host)]
    host.check_output("sudo systemctl stop installs.service")


def test_a_host_that_nobody_uses_switches_itself_off(host: Any) -> None:
    # Nothing counts that is more than a tenth of a second old, so what this test types does not either.
    put(host, "/etc/gpulab/idle.json", '{"idle_minutes": 0.002, "warn_minutes": 0.002}')
    host.run("sudo systemd-run --quiet sh -c 'for look in 1 2 3 4 5; do sleep 2; systemctl start gpulab-idle; done'")
    wait_until_off()


def test_after_a_start_it_has_what_is_left_and_begins_to_be_idle_anew(host: Any) -> None:
    start()
    assert host.check_output("systemctl is-active gpulab-deadline.timer gpulab-idle.timer").split() == ["active"] * 2
    assert 36000 - 3600 < int(host.check_output("sudo gpulab-deadline left")) < 36000


def test_the_timer_switches_the_host_off_when_its_time_is_spent() -> None:
    where = [NAME, "--inventory", os.environ["MOLECULE_INVENTORY_FILE"]]
    role = ["--module-name", "include_role", "--args", "name=host_baseline tasks_from=deadline"]
    done = subprocess.run(
        ["ansible", *where, *role, "--extra-vars", "host_baseline_run_seconds=5"],
        cwd=PROJECT,
        env=os.environ | {"ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"), "ANSIBLE_ROLES_PATH": str(PROJECT / "roles")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    wait_until_off()

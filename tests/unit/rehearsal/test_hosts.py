"""The reconciler against a small cloud of our own: real podman hosts, real ssh, nothing left afterwards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from rehearsal import console, image, settings, traces
from rehearsal.podman import volatile_folder

pytestmark = pytest.mark.hosts

PATIENCE = 120.0
"""Seconds until a wait gives up; generous, because nothing here measures speed."""


class FakeCloud:
    """Serves `hosts` as the embedded AWS would, and keeps what is reported."""

    def __init__(self) -> None:
        self.hosts: list[dict[str, Any]] = []
        self.facts: dict[str, dict[str, Any]] = {}
        cloud = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(cloud.hosts)

            def do_POST(self) -> None:
                for name, facts in json.loads(self.rfile.read(int(self.headers["Content-Length"]))).items():
                    cloud.facts.setdefault(name, {}).update(facts)
                self._answer({})

            def _answer(self, value: object) -> None:
                body = json.dumps(value).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def up(self, name: str) -> bool:
        return bool(self.facts.get(name, {}).get("up"))

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Rehearsal:
    """A reconciler process on a state folder and bridge of its own."""

    def __init__(self, state: Path, cloud: FakeCloud) -> None:
        self.state, self.cloud = state, cloud
        self.key = state.parent / "id"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.key)], check=True)
        self.environment = {**os.environ, "GPULAB_REHEARSAL_STATE": str(state)}
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "rehearsal.hosts", "--state", str(self.state), "--url", self.cloud.url]
        with (self.state.parent / "hosts.log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=settings.ROOT, env=self.environment, stderr=log)
        return self.process

    def host(self, name: str, address: str, **more: Any) -> dict[str, Any]:
        return {
            "id": name,
            "region": "us-east-1",
            "state": "running",
            "public_address": address,
            "private_address": "172.31.4.5",
            "login": "ubuntu",
            "image_id": "ami-0",
            "public_keys": [self.key.with_suffix(".pub").read_text()],
            "user_data": "",
            "reboots": 0,
            "ingress": [{"cidr": "127.0.0.1/32", "from_port": 22, "to_port": 22}],
            **more,
        }

    def ssh(self, address: str, command: str, login: str = "ubuntu", check: bool = True) -> str:
        """Output of a command over ssh; the host key must be the one on the reported console."""
        name = next(host["id"] for host in self.cloud.hosts if host["public_address"] == address)
        known = self.state.parent / f"known_hosts.{name}"
        known.write_text("".join(f"{name} {key}\n" for key in console.host_keys(self.cloud.facts[name]["console"])))
        options = [f"UserKnownHostsFile={known}", f"HostKeyAlias={name}", "StrictHostKeyChecking=yes", "BatchMode=yes"]
        line = ["ssh", "-F", "none", "-i", str(self.key), *(f"-o{option}" for option in options), f"{login}@{address}"]
        done = subprocess.run([*line, command], check=False, capture_output=True, text=True, timeout=60)
        assert not check or done.returncode == 0, done.stderr
        return done.stdout.strip()

    def wait(self, what: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not what():
            assert time.monotonic() < deadline, (self.state.parent / "hosts.log").read_text()
            assert self.process.poll() is None, (self.state.parent / "hosts.log").read_text()
            time.sleep(0.05)

    def monitors(self) -> list[int]:
        """Process ids of the containers' monitors: one per host that runs."""
        home = self.state / "podman"
        return [pid for pid, line in traces.monitors().items() if f"{volatile_folder(home)}/" in line]

    def assert_nothing_left(self) -> None:
        ask = [
            sys.executable,
            "-c",
            "from rehearsal.podman import leftovers, settings; print(leftovers(settings.STATE))",
        ]
        assert subprocess.check_output(ask, cwd=settings.ROOT, env=self.environment, text=True) == "[]\n"


@pytest.fixture(autouse=True, scope="module")
def _image() -> None:
    image.ensure()


@pytest.fixture
def cloud() -> Iterator[FakeCloud]:
    fake = FakeCloud()
    yield fake
    fake.close()


@pytest.fixture
def rehearsal(tmp_path: Path, cloud: FakeCloud) -> Iterator[Rehearsal]:
    running = Rehearsal(tmp_path / "state", cloud)
    yield running
    running.process.terminate()
    running.process.wait(PATIENCE)
    running.assert_nothing_left()


def test_a_host_lives_as_its_instance_does(rehearsal: Rehearsal, cloud: FakeCloud) -> None:
    user_data = "IyEvYmluL3NoCmVjaG8gcmFuID4+IC92YXIvdG1wL3VzZXItZGF0YQo="  # #!/bin/sh, echo ran >> /var/tmp/user-data
    first, second = "127.61.7.1", "127.61.7.2"
    host = rehearsal.host("i-0a", first, user_data=user_data)
    cloud.hosts = [host]
    rehearsal.wait(lambda: cloud.up("i-0a"))
    assert rehearsal.ssh(first, "cat /var/tmp/user-data; hostname; sudo id -u").split() == ["ran", "ip-172-31-4-5", "0"]
    assert rehearsal.ssh(first, "systemctl is-system-running") == "running"

    host.update(state="stopped", public_address=None)
    rehearsal.wait(lambda: not cloud.up("i-0a") and not rehearsal.monitors())
    host.update(state="running", public_address=second)
    rehearsal.wait(lambda: cloud.up("i-0a"))
    # The same files behind another address, and user data is for the first boot only; the host key is checked by ssh().
    assert rehearsal.ssh(second, "cat /var/tmp/user-data") == "ran"

    boot = "systemctl show -p UserspaceTimestampMonotonic"
    before = rehearsal.ssh(second, boot)
    host["reboots"] = 1
    rehearsal.wait(lambda: not cloud.up("i-0a"))
    rehearsal.wait(lambda: cloud.up("i-0a"))
    assert rehearsal.ssh(second, boot) != before

    monitors = rehearsal.monitors()
    rehearsal.process.kill()
    rehearsal.process.wait()
    cloud.facts["i-0a"]["up"] = False
    rehearsal.start()
    rehearsal.wait(lambda: cloud.up("i-0a"))
    assert rehearsal.monitors() == monitors  # adopted: neither rebooted again nor made anew
    assert rehearsal.ssh(second, "cat /var/tmp/user-data") == "ran"

    before = rehearsal.ssh(second, boot)
    rehearsal.ssh(second, "sudo reboot", check=False)
    rehearsal.wait(lambda: not cloud.up("i-0a"))
    rehearsal.wait(lambda: cloud.up("i-0a"))
    assert rehearsal.ssh(second, boot) != before

    rehearsal.ssh(second, "sudo poweroff", check=False)
    rehearsal.wait(lambda: cloud.facts["i-0a"]["powered_off"])
    assert not cloud.up("i-0a")
    host.update(state="stopped", public_address=None)
    rehearsal.wait(lambda: not rehearsal.monitors())
    host.update(state="running", public_address=first)
    rehearsal.wait(lambda: cloud.up("i-0a"))
    assert not cloud.facts["i-0a"]["powered_off"]

    host.update(state="terminated", public_address=None)
    rehearsal.wait(lambda: not (rehearsal.state / "hosts" / "i-0a").exists())
    assert rehearsal.monitors() == []


def test_a_killed_host_is_started_again_and_a_stranger_is_removed(rehearsal: Rehearsal, cloud: FakeCloud) -> None:
    cloud.hosts = [rehearsal.host("i-0b", "127.61.7.3"), rehearsal.host("i-0c", "127.61.7.4")]
    rehearsal.wait(lambda: cloud.up("i-0b") and cloud.up("i-0c"))
    cloud.hosts = cloud.hosts[:1]
    rehearsal.wait(lambda: len(rehearsal.monitors()) == 1)
    children = Path(f"/proc/{rehearsal.monitors()[0]}/task/{rehearsal.monitors()[0]}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGKILL)
    rehearsal.wait(lambda: not cloud.up("i-0b"))
    rehearsal.wait(lambda: cloud.up("i-0b"))
    assert not cloud.facts["i-0b"]["powered_off"]


def test_a_dead_cloud_takes_its_hosts_along(tmp_path: Path, cloud: FakeCloud) -> None:
    running = Rehearsal(tmp_path / "state", cloud)
    try:
        cloud.hosts = [running.host("i-0d", "127.61.7.5")]
        running.wait(lambda: cloud.up("i-0d"))
        cloud.close()
        assert running.process.wait(PATIENCE) == 0
        running.assert_nothing_left()
    finally:
        running.process.terminate()
        running.process.wait(PATIENCE)


def test_only_the_security_groups_addresses_get_in(rehearsal: Rehearsal, cloud: FakeCloud) -> None:
    host = rehearsal.host("i-0e", "127.61.7.6")
    cloud.hosts = [host]
    rehearsal.wait(lambda: cloud.up("i-0e"))
    assert rehearsal.ssh("127.61.7.6", "echo in") == "in"
    host["ingress"] = [{"cidr": "10.9.9.9/32", "from_port": 22, "to_port": 22}]
    rehearsal.wait(lambda: rehearsal.ssh("127.61.7.6", "echo in", check=False) == "")
    host["ingress"] = [{"cidr": "127.0.0.0/8", "from_port": 0, "to_port": 65535}]
    rehearsal.wait(lambda: rehearsal.ssh("127.61.7.6", "echo in", check=False) == "in")


def test_a_single_host_needs_no_cloud(tmp_path: Path) -> None:
    key = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    state = tmp_path / "state"
    environment = {**os.environ, "GPULAB_REHEARSAL_STATE": str(state)}
    program = [sys.executable, "-m", "rehearsal.hosts"]
    options = ["--state", str(state), "box", "--login", "carnd", "--public-key", f"{key}.pub", "--mirror"]
    try:
        made = subprocess.check_output([*program, "create", *options], cwd=settings.ROOT, env=environment, text=True)
        answer = json.loads(made)
        assert answer["name"] == "box"
        known = tmp_path / "known_hosts"
        known.write_text("".join(f"{answer['address']} {line}\n" for line in answer["host_keys"]))
        ssh = ["ssh", "-F", "none", "-i", str(key), "-oBatchMode=yes", f"-oUserKnownHostsFile={known}"]
        check = f"id -un; curl -s -o /dev/null -w '%{{http_code}}' {answer['mirror']}/"
        done = subprocess.check_output([*ssh, f"carnd@{answer['address']}", check], text=True)
        assert done.split() == ["carnd", "200"]
    finally:
        subprocess.run([*program, "remove", "--state", str(state)], cwd=settings.ROOT, env=environment, check=True)
    assert not state.exists()
    assert str(state) not in " ".join(traces.monitors().values())

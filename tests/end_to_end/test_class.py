"""A class of fifty, five of them on real hosts: who gets in, what each is told, what it cost, and one that fails."""

from __future__ import annotations

import json
import re
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal import session
from tests.support.aws import Cloud
from tests.support.playbook import Deployment, Run

pytestmark = [pytest.mark.hosts, pytest.mark.slow]

STUDENTS = [f"s{number:02d}" for number in range(1, 51)]
REAL = STUDENTS[:5]
BROKEN = REAL[2]
"""Whose host nobody can log in to while it is configured."""
ENOUGH = {"code": "L-DB2E81BA", "value": 1000}
G4DN = "g4dn.xlarge"


class Class:
    """A deployment with its class file; each student's private key is `keys`/NAME."""

    def __init__(self, deployment: Deployment, keys: Path) -> None:
        self.deployment, self.keys = deployment, keys
        self.file = keys / "class.csv"
        lines = ["student,mail,budget,key"]
        for name in STUDENTS:
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(keys / name)], check=True)
            # The real ones have the smallest budget: they are launched first.
            lines.append(f"{name},{name}@example.org,{3 if name in REAL else 4},{name}.pub")
        self.file.write_text("\n".join(lines) + "\n")

    def play(self, book: str, *arguments: str) -> Run:
        """Run a playbook with the class at hand."""
        return self.deployment.play(book, "-e", f"class_file={self.file}", *arguments)

    def ids(self) -> dict[str, str]:
        """Instance ids by host, as the ssh config has them."""
        config = (self.deployment.local / "ssh_config").read_text()
        return dict(re.findall(r"^Host (\S+)$.*?HostKeyAlias (\S+)", config, re.MULTILINE | re.DOTALL))

    def ssh(self, host: str, command: str, key: str = "", *options: str) -> subprocess.CompletedProcess[str]:
        """Run a command on a host, with the deployment's key or a student's alone."""
        text = (self.deployment.local / "ssh_config").read_text()
        if key:
            text = re.sub(r'IdentityFile ".*"', f'IdentityFile "{self.keys / key}"', text)
        config = self.keys / "ssh_config"
        config.write_text(text)
        asked = ["ssh", "-F", str(config), "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", *options, host, command]
        return subprocess.run(asked, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)

    def sheet(self, name: str) -> Path:
        return self.deployment.reports / "access" / f"{name}.md"


@pytest.fixture(scope="module")
def fifty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Class]:
    """The class, provided up to its addresses."""
    home, state = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("cloud") / "state"
    try:
        cloud = Cloud(session.up(state=state, real_hosts=len(REAL))["url"])
        session.request(cloud.url, "quotas", "POST", ENOUGH)
        made = Class(Deployment(f"class-{uuid.uuid4().hex[:8]}", cloud, home), tmp_path_factory.mktemp("keys"))
        try:
            made.play("provision", "--limit", "localhost").ok()
            yield made
        finally:
            made.deployment.remove_files()
    finally:
        session.down(state)


def test_a_class_from_nine_to_noon(fifty: Class) -> None:
    deployment, cloud = fifty.deployment, fifty.deployment.cloud
    assert len(cloud.instances(deployment.name)) == len(STUDENTS)
    # One call for each budget.
    assert len(cloud.calls("RunInstances")) == 2
    # So many are known by certificates, and not by fifty consoles, until somebody is there to ask for their keys.
    assert cloud.calls("GetConsoleOutput") == []
    _sheets(fifty)
    _a_certificate_is_for_one_host_alone(fifty)
    _one_that_fails_stops_no_other(fifty)
    _who_was_reached_is_pinned(fifty)
    _everybody_gets_into_their_own_host_alone(fifty)
    _board(fifty)
    assert fifty.play("provision", "--limit", "localhost").ok().changed == {"localhost": 0}
    _receipt(fifty)


def _sheets(fifty: Class) -> None:
    """Fifty pages for their owners' eyes, each with its own host's address and no other's."""
    by_name = {name: fifty.sheet(name).read_text() for name in STUDENTS}
    assert sorted(path.stem for path in fifty.sheet("x").parent.iterdir()) == STUDENTS
    addresses = {name: re.findall(r"ubuntu@(127\.[\d.]+)", text) for name, text in by_name.items()}
    assert len({addresses[name][0] for name in STUDENTS}) == len(STUDENTS)
    for name, text in by_name.items():
        assert fifty.sheet(name).stat().st_mode & 0o777 == 0o600
        assert len(set(addresses[name])) == 1
        assert set(re.findall(r"\bs\d\d\b", text)) == {name}
        assert f"Budget: ${3 if name in REAL else 4}.00" in text
        assert "Until: 2" in text
        assert "ask for this sheet again before you log in" in text


def _a_certificate_is_for_one_host_alone(fifty: Class) -> None:
    mine, other = REAL[:2]
    assert fifty.ssh(mine, "true").returncode == 0
    passed_off = fifty.ssh(mine, "true", "", "-o", f"HostKeyAlias={fifty.ids()[other]}")
    assert passed_off.returncode == 255
    assert "name is not a listed principal" in passed_off.stderr


def _one_that_fails_stops_no_other(fifty: Class) -> None:
    stop = "sudo systemctl stop ssh.socket ssh.service 2>/dev/null; sudo systemctl stop sshd.service"
    fifty.ssh(BROKEN, stop)
    assert fifty.ssh(BROKEN, "true").returncode != 0, "the host that is to fail still lets one in"
    short = ("-e", "host_baseline_connect_timeout=10")
    run = fifty.play("provision", "--limit", ",".join(REAL), "--tags", "host_baseline", *short)
    assert run.code != 0
    recap = dict(re.findall(r"^(s\d\d)\s*: .*?unreachable=\d+\s+failed=(\d+)", run.output, re.MULTILINE))
    assert recap == {name: "1" if name == BROKEN else "0" for name in REAL}, run.output


def _who_was_reached_is_pinned(fifty: Class) -> None:
    """The key that the host itself showed through its certificate, in known_hosts and in the student's sheet."""
    assert fifty.play("provision", "--limit", "localhost").ok().changed == {"localhost": 1}
    pins = (fifty.deployment.local / "known_hosts").read_text()
    ids = fifty.ids()
    for name in REAL:
        own = re.search(rf"^{ids[name]} (ssh-ed25519 \S+)$", pins, re.MULTILINE)
        assert (own is None) == (name == BROKEN)
        assert (own is None) == (f"@cert-authority {ids[name]} " in pins)
        assert (own is None) == ("SHA256:" not in fifty.sheet(name).read_text())
        if own:
            assert own[1] in fifty.ssh(name, "cat /etc/ssh/ssh_host_ed25519_key.pub").stdout


def _everybody_gets_into_their_own_host_alone(fifty: Class) -> None:
    for name, other in zip(REAL, [*REAL[1:], REAL[0]], strict=True):
        if name == BROKEN:
            continue
        mine = fifty.ssh(name, "echo inside", key=name)
        assert mine.stdout.strip() == "inside", mine.stderr
        assert "Permission denied" in fifty.ssh(name, "echo inside", key=other).stderr


def _board(fifty: Class) -> None:
    told = fifty.play("status").ok().output
    for name in STUDENTS:
        assert re.search(rf"\b{name}\b", told), f"{name} is not on the board"


def _receipt(fifty: Class) -> None:
    """All gone, and one bill with a line for each."""
    fifty.play("teardown").ok()
    assert fifty.deployment.cloud.instances(fifty.deployment.name) == []
    receipt = fifty.deployment.reports / "receipt.json"
    told = json.loads(receipt.read_text())
    assert [(line["host"], line["student"], line["instance_type"]) for line in told["hosts"]] == [
        (name, name, G4DN) for name in STUDENTS
    ]
    assert all(line["seconds"] > 0 for line in told["hosts"])
    assert told["usd"] == pytest.approx(sum(line["usd"] for line in told["hosts"]), abs=0.01)
    assert "| 50 hosts |" in receipt.with_suffix(".md").read_text()
    assert receipt.stat().st_mode & 0o777 == 0o600

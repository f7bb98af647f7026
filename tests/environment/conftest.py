"""Fixtures: one host for all these tests, with the mirror, and roles run on it as a playbook runs them."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rehearsal import podman, settings
from tests.support.playbook import Run

LOGIN = "ubuntu"
ROOT = "/opt/gpulab/conda"
MARK = "result-in-base64:"
REQUIREMENTS = settings.ROOT / "roles/conda_env/files/modern/requirements-cpu.txt"


@dataclass(frozen=True)
class Host:
    """A Debian 12 host: its login user's shell, and Ansible's way to it. mirror, micromamba: as gpulab_* take them."""

    name: str
    state: Path
    mirror: str
    micromamba: str

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """A command in the login user's login shell (bash)."""
        ssh = ["ssh", "-F", self.state / "ssh_config", self.name, "bash", "-l", "-s"]
        return subprocess.run(ssh, input=command, capture_output=True, text=True, check=False)

    def sh(self, command: str) -> str:
        """What a command prints; it has to succeed."""
        done = self.run(command)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def command(self, role: str, work: Path, arguments: tuple[str, ...], variables: dict[str, Any]) -> list[str]:
        """The command line that runs a role with variables and tells its fact ROLE_result; `work` gets the playbook."""
        common = {"gpulab_mirror": self.mirror, "gpulab_micromamba": self.micromamba}
        # In one word, which Ansible's output does not fold.
        fact = {"msg": f"{MARK}{{{{ {role}_result | default({{}}) | to_json | b64encode }}}}"}
        keep = {"name": "Tell the result", "ansible.builtin.debug": fact}
        play = {"name": "Test", "hosts": "all", "gather_facts": False, "vars": common | variables}
        work.mkdir(parents=True, exist_ok=True)
        (work / "play.yml").write_text(json.dumps([play | {"roles": [role], "tasks": [keep]}]))
        program = str(settings.ROOT / ".venv/bin/ansible-playbook")
        return [program, f"--inventory={self.state / 'hosts.yml'}", *arguments, str(work / "play.yml")]

    def play(self, role: str, work: Path, *arguments: str, **variables: Any) -> Run:
        """Run a role on this host to its end; its fact ROLE_result is kept for `result`."""
        done = subprocess.run(
            self.command(role, work, arguments, variables),
            cwd=settings.ROOT,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        for told in re.findall(rf"{MARK}([A-Za-z0-9+/=]+)", done.stdout):
            (work / "result.json").write_bytes(base64.b64decode(told))
        return Run(done.returncode, done.stdout)


def environment() -> dict[str, str]:
    """The environment of ansible-playbook, without the caller's settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "GPULAB_", "ANSIBLE_"))}
    paths = {f"ANSIBLE_{kind.upper()}_PATH": str(settings.ROOT / kind) for kind in ("roles", "collections")}
    return kept | paths | {"ANSIBLE_HOME": str(settings.ROOT / ".ansible"), "ANSIBLE_NOCOLOR": "true", "COLUMNS": "160"}


def result(work: Path) -> dict[str, Any]:
    """The fact ROLE_result that the last successful run in `work` left."""
    fact: dict[str, Any] = json.loads((work / "result.json").read_text())
    return fact


def _hosts(state: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "rehearsal.hosts", arguments[0], f"--state={state}", *arguments[1:]],
        cwd=settings.ROOT,
        # A network of their own: its name and addresses come from the state folder.
        env=os.environ | {"GPULAB_REHEARSAL_STATE": str(state)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """One fresh host for all tests of this folder; nothing of it is left afterwards."""
    state = tmp_path_factory.mktemp("environment") / "state"
    state.mkdir()
    key = state / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    subprocess.run([sys.executable, "-m", "rehearsal.mirror"], cwd=settings.ROOT, check=True)
    try:
        public = f"--public-key={key}.pub"
        # Ansible shares connections by the host's name, so two runs of these tests must not have the same one.
        name = f"environment-{settings.state_id(state)}"
        facts = json.loads(_hosts(state, "create", name, f"--login={LOGIN}", public, "--mirror"))
        yield _configured(state, key, facts)
    finally:
        for name in ("id_ed25519", "id_ed25519.pub", "known_hosts", "ssh_config", "hosts.yml"):
            (state / name).unlink(missing_ok=True)
        _hosts(state, "remove")
        assert podman.leftovers(state) == []


def _configured(state: Path, key: Path, facts: dict[str, Any]) -> Host:
    """Write what ssh and Ansible need."""
    name = str(facts["name"])
    (state / "known_hosts").write_text("".join(f"{name} {line}\n" for line in facts["host_keys"]))
    options = {"HostName": facts["address"], "User": facts["login"], "IdentityFile": key, "IdentitiesOnly": "yes"}
    options |= {"HostKeyAlias": name, "UserKnownHostsFile": state / "known_hosts", "StrictHostKeyChecking": "yes"}
    options |= {"ControlMaster": "auto", "ControlPersist": "60s"}
    (state / "ssh_config").write_text(f"Host {name}\n" + "".join(f"  {k} {v}\n" for k, v in options.items()))
    variables = {"ansible_ssh_common_args": f'-F "{state / "ssh_config"}"'}
    (state / "hosts.yml").write_text(json.dumps({"all": {"hosts": {name: {}}, "vars": variables}}))  # JSON is YAML
    return Host(name, state, str(facts["mirror"]), str(facts["micromamba"]))

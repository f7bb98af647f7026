"""Run the root playbooks as a user does: by subprocess, in this clone, and read what they said."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.gpulab.core.plugins.module_utils.access_rules import RULE_PREFIX

from rehearsal import environment, settings
from tests.support.aws import Cloud, specification

RECAP = re.compile(r"^(\S+)\s*: ok=\d+\s+changed=(\d+)\s+unreachable=\d+\s+failed=\d+", re.MULTILINE)
PATIENCE = 120.0
"""Seconds until a wait gives up; generous, because nothing here measures speed."""


@dataclass(frozen=True)
class Run:
    """What one ansible-playbook did."""

    code: int
    output: str

    @property
    def changed(self) -> dict[str, int]:
        """Host to number of changed tasks, as the recap says."""
        return {host: int(changed) for host, changed in RECAP.findall(self.output)}

    @property
    def flat(self) -> str:
        """The output on one line: Ansible folds long sentences."""
        return re.sub(r"\s+", " ", self.output)

    def ok(self) -> Run:
        """Assert that it succeeded."""
        assert self.code == 0, self.output
        return self

    def refused(self, *words: str) -> Run:
        """Assert that it failed by one message of ours that contains all these words, and by no traceback."""
        assert self.code != 0, self.output
        messages = re.findall(r"^\[ERROR\]: (.*)$", self.output, re.MULTILINE)
        assert len(messages) == 1, self.output
        for word in words:
            assert word in messages[0], f"{word!r} is not in: {messages[0]}"
        assert "Traceback" not in self.output
        return self


@dataclass(frozen=True)
class Deployment:
    """A deployment's name with its cloud, and the HOME of the user who types."""

    name: str
    cloud: Cloud
    home: Path

    @property
    def local(self) -> Path:
        """Where the control machine keeps its key and ssh config."""
        return settings.ROOT / ".gpulab" / self.name

    @property
    def reports(self) -> Path:
        """Where its reports go."""
        return settings.ROOT / "reports" / self.name

    @property
    def tags(self) -> dict[str, str]:
        """The tags by which provision.yml finds the host of this deployment."""
        return {"gpulab:deployment": self.name, "gpulab:host": self.name, "gpulab:login": "ubuntu"}

    def environment(self, **changes: str | None) -> dict[str, str]:
        """The environment of a playbook of this deployment; None takes a variable out."""
        changes = {"GPULAB_DEPLOYMENT": self.name, "HOME": str(self.home), **changes}
        together = environment.process(self.cloud.url) | changes
        return {name: value for name, value in together.items() if value is not None}

    def make(self) -> tuple[str, str]:
        """Make by boto3 what provision.yml would have made; return the ids of instance and security group.

        A stand-in where the provisioning itself is not what is tested: it takes no time.
        """
        ec2, name, tags = self.cloud.ec2, f"gpulab-{self.name}", {"gpulab:deployment": self.name}
        key = self.local / "id_ed25519"
        self.local.mkdir(parents=True, mode=0o700)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        public = key.with_suffix(".pub").read_bytes()
        ec2.import_key_pair(KeyName=name, PublicKeyMaterial=public, TagSpecifications=[specification("key-pair", tags)])
        kind = specification("security-group", tags)
        group = str(ec2.create_security_group(GroupName=name, Description="test", TagSpecifications=[kind])["GroupId"])
        here = {"CidrIp": "127.0.0.1/32", "Description": f"{RULE_PREFIX} 127.0.0.1/32"}
        rule = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [here]}
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
        return self.cloud.launch(self.tags, KeyName=name, SecurityGroupIds=[group]), group

    def command(self, book: str, *arguments: str) -> list[str]:
        """The command line for a root playbook."""
        return [str(settings.ROOT / ".venv/bin/ansible-playbook"), f"{book}.yml", *arguments]

    def play(self, book: str, *arguments: str, **changes: str | None) -> Run:
        """Run a root playbook to its end; `changes` go to its environment."""
        done = subprocess.run(
            self.command(book, *arguments),
            cwd=settings.ROOT,
            env=self.environment(**changes),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return Run(done.returncode, done.stdout)

    def provision(self, *arguments: str, **changes: str | None) -> Run:
        """Run the part of provision.yml that talks to AWS: this cloud's instances are no hosts to log in to."""
        return self.play("provision", "--limit", "localhost", *arguments, **changes)

    def play_until(self, moment: Callable[[], Any], book: str, *arguments: str) -> None:
        """Run a root playbook, and kill -9 all its processes as soon as `moment` says so."""
        process = subprocess.Popen(
            self.command(book, *arguments),
            cwd=settings.ROOT,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            wait_until(moment, lambda: process.poll() is None)
        finally:
            for pid in self._processes():
                os.kill(pid, signal.SIGKILL)
            process.wait()
        assert process.returncode == -signal.SIGKILL, "the playbook had ended before it was to be killed"

    def _processes(self) -> list[int]:
        """Pids of everything that was started with this deployment's environment.

        Not by process group: since core 2.19 each worker of Ansible has a session of its own, and survives its parent.
        """
        mark = f"GPULAB_DEPLOYMENT={self.name}".encode()
        found = []
        for environ in Path("/proc").glob("[0-9]*/environ"):
            try:
                mine = mark in environ.read_bytes().split(b"\0")
            except OSError:  # it ended meanwhile, or is somebody else's
                continue
            if mine:
                found.append(int(environ.parent.name))
        return found

    def remove_files(self) -> None:
        """Remove what the playbooks left in the clone for this deployment."""
        shutil.rmtree(self.local, ignore_errors=True)
        shutil.rmtree(self.reports, ignore_errors=True)


def wait_until(moment: Callable[[], Any], going_on: Callable[[], bool] = lambda: True) -> None:
    """Wait until `moment` is true; AssertionError when it has not come and `going_on` says that it cannot any more."""
    deadline = time.monotonic() + PATIENCE
    while not moment():
        assert going_on(), "what was waited for can no longer come"
        assert time.monotonic() < deadline, f"what was waited for did not come in {PATIENCE:.0f} s"
        time.sleep(0.05)

"""What the stages of `bin/rehearse` are made with: a playbook's run, the embedded EC2, ssh to the host, the clock."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import boto3

from rehearsal import environment, settings

HOST = environment.DEPLOYMENT
RECAP = re.compile(r"^(\S+)\s*: ok=\d+\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", re.MULTILINE)


class Failed(Exception):
    """A stage did not do what it should; the sentence says what was found and what was expected."""


@dataclass
class Run:
    """One run: the cloud, the variables given to every playbook, what each stage took, facts from stage to stage."""

    url: str
    env: dict[str, str]
    extra: list[str] = field(default_factory=list)
    seen: dict[str, Any] = field(default_factory=dict)
    took: list[tuple[str, float, str]] = field(default_factory=list)
    verbose: int = 0
    said: list[str] = field(default_factory=list)

    def stage(self, name: str, act: Callable[[], str]) -> None:
        """Run one stage, print its heading and seconds, and keep the sentence it returns for the summary."""
        print(f"\n=== {name} ===", flush=True)
        began = time.monotonic()
        outcome = act()
        seconds = time.monotonic() - began
        self.took.append((name, seconds, outcome))
        print(f"--- {name}: {seconds:.1f} s. {outcome}", flush=True)

    def playbook(self, name: str, *arguments: str) -> dict[str, int]:
        """Run a root playbook with its output streamed; return host to number of changes, or raise Failed."""
        arguments += tuple(f"--extra-vars={given}" for given in self.extra)
        arguments += (f"-{'v' * self.verbose}",) * bool(self.verbose)
        command = [str(settings.ROOT / ".venv/bin/ansible-playbook"), f"{name}.yml", *arguments]
        print("$ ansible-playbook", f"{name}.yml", *arguments, flush=True)
        process = subprocess.Popen(
            command,
            cwd=settings.ROOT,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        lines = []
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            print(line, end="", flush=True)
        code = process.wait()
        if code:
            raise Failed(f"{name}.yml ended with code {code} where 0 was expected: its own words are above.")
        self.said += lines
        return {host: int(changed) for host, changed, _, _ in RECAP.findall("".join(lines))}

    def instances(self) -> list[dict[str, Any]]:
        """Return what the embedded EC2 says of the deployment's instances that are not gone."""
        ec2 = self.client("ec2")
        wanted = [{"Name": "tag:gpulab:deployment", "Values": [environment.DEPLOYMENT]}]
        found = [i for r in ec2.describe_instances(Filters=wanted)["Reservations"] for i in r["Instances"]]
        return [i for i in found if i["State"]["Name"] != "terminated"]

    def client(self, service: str) -> Any:
        """Return a boto3 client of the embedded AWS; credentials and endpoint are given, never looked up."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=settings.REGION,
            aws_access_key_id=self.env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.env["AWS_SECRET_ACCESS_KEY"],
        )

    def ssh(self, command: str) -> str:
        """Run a command on the host by its name, as the README says, and return its output."""
        config = settings.ROOT / ".gpulab" / environment.DEPLOYMENT / "ssh_config"
        done = subprocess.run(
            ["ssh", "-F", str(config), "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", HOST, command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Failed(f"ssh -F {config} {HOST} ended with code {done.returncode}: {done.stderr.strip()}")
        return done.stdout.strip()

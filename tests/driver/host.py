"""Driver test hosts: create some, remove all. What a host is made of is in image.py and stand_in/.

    python -m tests.driver.host create --state DIR [--image bare|packages] NAME ...
    python -m tests.driver.host remove --state DIR [NAME ...]      these, or all of them and the folder

DIR gets what ssh and Ansible need: id_ed25519, known_hosts, ssh_config and hosts.yml (an inventory). Several calls may
create hosts in one folder. A host may mount and reboot: its /proc and /sys show what its stand-in kernel has loaded.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import time
from pathlib import Path

from rehearsal import console, machine, settings, single
from rehearsal.image import runtime
from rehearsal.machine import Machine
from rehearsal.podman import Podman, PodmanError
from tests.driver import image

LOGIN = "ubuntu"
_READY_SECONDS = 180.0
_POLL_SECONDS = 0.1


class Capable(Podman):
    """podman whose hosts may mount, make device nodes and reboot (then they come back), and have the stand-in GPU."""

    def call(self, *arguments: str, timeout: float = 120.0) -> str:
        """As Podman.call; `run` gets what these hosts need beside."""
        if arguments[0] == "run":
            extra = (
                "--cap-add=SYS_ADMIN,MKNOD,SYS_BOOT",
                "--security-opt=apparmor=unconfined",  # its default profile forbids to mount
                "--restart=always",
                f"--volume={image.STAND_IN}:{image.MOUNT}:ro",
            )
            arguments = ("run", *extra, *arguments[1:])
        return super().call(*arguments, timeout=timeout)


def create(state: Path, names: list[str], kind: str) -> None:
    """Start these hosts, in place of those of the same names, and wait for all of them.

    Raises PodmanError, or RuntimeError when one is not ready in time.
    """
    reference = image.ensure()._asdict()[kind]
    key = state / "id_ed25519"
    if not key.exists():
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "gpulab-test", "-f", str(key)], check=True)
    podman = Capable(state / "podman")
    podman.prepare(runtime())
    hosts = [Machine(state, name, podman) for name in names]
    for host in hosts:
        podman.remove(host.name)
        host.create(reference, host.name, LOGIN, [key.with_suffix(".pub").read_text().strip()], b"")
    deadline = time.monotonic() + _READY_SECONDS
    for host in hosts:
        (container,) = podman.inspect([host.name])
        while not host.settled(container):
            if time.monotonic() > deadline or not machine.alive(container):
                raise RuntimeError(f"The host {host.name} did not come up: read {host.log} to see where it stopped.")
            time.sleep(_POLL_SECONDS)
        _note(state, host.name, container.address, console.host_keys(host.console()))
    _write_configuration(state)


def remove(state: Path, names: list[str]) -> None:
    """Remove these hosts, or all of the folder with everything that belongs to them."""
    if not names:
        single.remove(state)
        for name in ("id_ed25519", "id_ed25519.pub", "known_hosts", "ssh_config", "hosts.yml"):
            (state / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # there is more in it, or it is not there
            state.rmdir()
        return
    podman = Capable(state / "podman")
    for name in names:
        podman.remove(name)
        Machine(state, name, podman).forget()
    _write_configuration(state)


def _note(state: Path, name: str, address: str, keys: list[str]) -> None:
    facts = {"address": address, "keys": keys}
    (state / "hosts" / name / "facts.json").write_text(json.dumps(facts) + "\n")


def _write_configuration(state: Path) -> None:
    """ssh's and Ansible's files, for all hosts of the folder."""
    hosts = {file.parent.name: json.loads(file.read_text()) for file in sorted(state.glob("hosts/*/facts.json"))}
    (state / "known_hosts").write_text("".join(f"{name} {key}\n" for name in hosts for key in hosts[name]["keys"]))
    blocks = [
        f"""\
Host {name}
  HostName {facts["address"]}
  HostKeyAlias {name}
"""
        for name, facts in hosts.items()
    ]
    common = f"""\
Host *
  User {LOGIN}
  IdentityFile "{state / "id_ed25519"}"
  IdentitiesOnly yes
  UserKnownHostsFile "{state / "known_hosts"}"
  StrictHostKeyChecking yes
  ControlMaster auto
  ControlPersist 60s
"""
    (state / "ssh_config").write_text("".join([*blocks, common]))
    variables = {"ansible_ssh_common_args": f'-F "{state / "ssh_config"}"'}
    inventory = {"all": {"hosts": {name: {} for name in hosts}, "vars": variables}}
    (state / "hosts.yml").write_text(json.dumps(inventory, indent=1) + "\n")  # JSON is YAML


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.driver.host", description="Create or remove test hosts.")
    commands = parser.add_subparsers(dest="command", required=True)
    create_parser, remove_parser = commands.add_parser("create"), commands.add_parser("remove")
    create_parser.add_argument("--image", choices=image.Images._fields, default="bare")
    for command, number in ((create_parser, "+"), (remove_parser, "*")):
        command.add_argument("--state", type=Path, required=True)
        command.add_argument("names", nargs=number, metavar="NAME")
    options = parser.parse_args()
    if settings.STATE.resolve() != options.state.resolve():
        # The network's name and addresses come from it: hosts of two folders must not share one.
        sys.exit(
            f"host: these hosts need a network of their own: set GPULAB_REHEARSAL_STATE={options.state.resolve()}."
        )
    try:
        if options.command == "create":
            create(options.state.resolve(), options.names, options.image)
        else:
            remove(options.state.resolve(), options.names)
    except (OSError, PodmanError, RuntimeError) as error:
        sys.exit(f"host: {error}")


if __name__ == "__main__":
    main()

"""A thin, typed hand on podman: one storage, one network and one label per state folder. Nothing of it lies elsewhere.

Every state folder has a podman of its own (storage, run-time folder, locks), so rehearsals never wait for one another
and removing one is removing its folder. The host image is read from the shared store in the cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import resource
import shutil
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rehearsal import settings, traces

IMAGES = settings.CACHE / "containers" / "images"
"""The shared image store: read-only for every rehearsal, written only by rehearsal.image."""
RUNTIME_FILE = settings.CACHE / "containers" / "runtime"
"""The OCI runtime that was found to work on this machine (rehearsal.image writes it)."""

LABEL_STATE = "gpulab.state"
LABEL_INSTANCE = "gpulab.instance"

NOFILE = 16384
NPROC = 32768
STOP_SECONDS = 10
"""How long systemd may take to shut down before the host is switched off."""
_LONGEST_RUNROOT = 50
"""podman refuses a longer one ("the specified runroot is longer than 50 characters"), for the sake of socket paths."""
_PARALLEL = threading.BoundedSemaphore(4)
"""podman serialises on its own storage lock; more at once only wait in one another's way."""
_TIMEOUT = 120.0


class PodmanError(RuntimeError):
    """A podman command failed; the message is one sentence with podman's own last line."""


@dataclass(frozen=True)
class Container:
    """What podman knows about one container. `status` as podman words it: created, running, exited, ..."""

    id: str
    instance: str
    status: str
    pid: int
    address: str


def volatile_folder(home: Path) -> Path:
    """Where run-time state goes: `home`, or a short folder in /run (removed with the rest) when `home` is too long."""
    if len(str(home / "run")) <= _LONGEST_RUNROOT:
        return home
    return Path("/run") / f"gpulab-{hashlib.sha256(str(home).encode()).hexdigest()[:8]}"


def limit(wanted: int, hard: int) -> int:
    """`wanted`, or the machine's hard limit where that is lower: without CAP_SYS_RESOURCE nobody gets past it."""
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)


def containers_conf(tmp: Path, networks: Path, runtime: str, nofile: int, nproc: int) -> str:
    """containers.conf (TOML). JSON strings and lists are valid TOML, which spares the quoting."""
    return "\n".join(
        [
            "[containers]",
            f"default_ulimits = {json.dumps([f'nofile={nofile}:{nofile}', f'nproc={nproc}:{nproc}'])}",
            'log_driver = "k8s-file"',
            "[engine]",
            'cgroup_manager = "cgroupfs"',
            'events_logger = "none"',
            f"runtime = {json.dumps(runtime)}",
            'lock_type = "file"',
            f"tmp_dir = {json.dumps(str(tmp))}",
            f"image_copy_tmp_dir = {json.dumps(str(tmp))}",
            "[network]",
            'network_backend = "netavark"',
            f"network_config_dir = {json.dumps(str(networks))}",
            "",
        ]
    )


def network_definition(name: str, subnet: str, gateway: str) -> dict[str, Any]:
    """netavark's network file, written by us because podman 4.3 cannot name the bridge from its command line."""
    return {
        "name": name,
        "id": hashlib.sha256(name.encode()).hexdigest(),
        "driver": "bridge",
        "network_interface": name,
        "created": "2026-01-01T00:00:00Z",
        "subnets": [{"subnet": subnet, "gateway": gateway}],
        "ipv6_enabled": False,
        "internal": False,
        "dns_enabled": False,
        "ipam_options": {"driver": "host-local"},
    }


def parse_inspect(answer: str) -> list[Container]:
    """Containers from `podman inspect`'s JSON; those without our instance label are nobody's business here."""
    found = []
    for entry in json.loads(answer or "[]"):
        labels = entry["Config"].get("Labels") or {}
        if LABEL_INSTANCE not in labels:
            continue
        networks = (entry.get("NetworkSettings") or {}).get("Networks") or {}
        addresses = [network.get("IPAddress") or "" for network in networks.values()]
        state = entry["State"]
        running = state["Status"] == "running"
        found.append(
            Container(
                id=entry["Id"],
                instance=labels[LABEL_INSTANCE],
                status=state["Status"],
                pid=int(state.get("Pid") or 0) if running else 0,
                address=next((address for address in addresses if address), "") if running else "",
            )
        )
    return found


class Podman:
    """podman with the storage of one folder. Call `prepare` before anything else."""

    def __init__(self, home: Path, root: Path | None = None) -> None:
        self.home = home.resolve()
        self.volatile = volatile_folder(self.home)
        self.root = root or self.home / "root"
        self.conf = self.home / "containers.conf"
        self.state = settings.state_id(self.home.parent)

    def prepare(self, runtime: str) -> None:
        """Write the configuration and take note of what the machine looked like before. Idempotent."""
        self.home.mkdir(parents=True, exist_ok=True)
        traces.enter(self.home)
        for folder in (self.home / "networks", self.volatile / "tmp"):
            folder.mkdir(parents=True, exist_ok=True)
        self.volatile.chmod(0o700)
        nofile = limit(NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        nproc = limit(NPROC, resource.getrlimit(resource.RLIMIT_NPROC)[1])
        network = network_definition(settings.BRIDGE, settings.NETWORK, settings.GATEWAY)
        (self.home / "networks" / f"{settings.BRIDGE}.json").write_text(json.dumps(network, indent=1))
        self.conf.write_text(containers_conf(self.volatile / "tmp", self.home / "networks", runtime, nofile, nproc))

    def command(self, *arguments: str) -> list[str]:
        """The full command line."""
        line = ["podman", "--root", str(self.root), "--runroot", str(self.volatile / "run")]
        if self.root != IMAGES:
            line += ["--storage-opt", f"additionalimagestore={IMAGES}"]
        return [*line, *arguments]

    def call(self, *arguments: str, timeout: float = _TIMEOUT) -> str:
        """Standard output of one podman command. Raises PodmanError when it fails or takes over `timeout` seconds."""
        environment = {**os.environ, "CONTAINERS_CONF": str(self.conf)}
        what = f"podman {arguments[0]}"
        with _PARALLEL:
            try:
                done = subprocess.run(
                    self.command(*arguments),
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    errors="replace",
                    timeout=timeout,
                    check=False,
                )
            except FileNotFoundError as error:
                raise PodmanError(
                    "podman is not installed: install the package podman (bin/setup does, as root)."
                ) from error
            except subprocess.TimeoutExpired as error:
                raise PodmanError(
                    f"{what} did not end within {timeout:.0f} s: look at the machine's load and disk."
                ) from error
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines() or ["no message"]
            raise PodmanError(f"{what} failed with exit code {done.returncode}: {lines[-1]}")
        return done.stdout

    def run(self, image: str, instance: str, hostname: str, log: Path, mounts: Mapping[Path, str]) -> None:
        """Start a new host, in place of one of that name. `mounts`: folder here to folder there, read-only."""
        volumes = [f"--volume={source}:{target}:ro" for source, target in mounts.items()]
        self.call(
            "run",
            "--detach",
            "--replace",
            "--tty",  # makes /dev/console, whose text conmon then logs
            "--pull=never",
            "--systemd=always",
            f"--name={instance}",
            f"--hostname={hostname}",
            f"--label={LABEL_STATE}={self.state}",
            f"--label={LABEL_INSTANCE}={instance}",
            f"--network={settings.BRIDGE}",
            f"--log-opt=path={log}",
            f"--stop-timeout={STOP_SECONDS}",
            *volumes,
            image,
            "/sbin/init",
        )

    def start(self, instance: str) -> None:
        """Start a stopped host; its files are as it left them."""
        self.call("start", instance)

    def stop(self, instance: str) -> None:
        """Shut down as a power button does."""
        self.call("stop", f"--time={STOP_SECONDS}", instance)

    def restart(self, instance: str) -> None:
        """Stop, then start."""
        self.call("restart", f"--time={STOP_SECONDS}", instance)

    def remove(self, instance: str) -> None:
        """Switch off and delete, without a word if it is gone already."""
        self.call("rm", "--force", "--ignore", "--time=0", "--volumes", instance)

    def containers(self) -> list[Container]:
        """All hosts of this state folder, stopped ones included."""
        ids = self.call("ps", "--all", "--quiet", "--no-trunc", f"--filter=label={LABEL_STATE}={self.state}").split()
        return self.inspect(ids)

    def inspect(self, names: Sequence[str]) -> list[Container]:
        """Those containers. Raises PodmanError when one does not exist."""
        return parse_inspect(self.call("inspect", "--type=container", *names)) if names else []

    def dismantle(self) -> None:
        """Remove every host of this folder and all that podman made for them, here and elsewhere. Idempotent."""
        if not self.home.exists():
            return
        if self.conf.exists():
            with contextlib.suppress(PodmanError):  # a storage that is broken: what follows removes it all the same
                self.call("rm", "--all", "--force", "--time=0", "--volumes")
        traces.end_monitors(self.volatile)
        traces.unmount_below(self.home)
        traces.unmount_below(self.volatile)
        traces.remove_bridge(settings.BRIDGE)
        # podman's database remembers the run-time folder and refuses another; the shared store outlives this folder.
        for folder in {self.volatile, self.home, self.root / "libpod"}:
            shutil.rmtree(folder, ignore_errors=True)
        traces.leave(self.home)


def leftovers(state: Path) -> list[str]:
    """What is still there of a state folder's hosts, in words; [] once everything is gone. Changes nothing."""
    state = state.resolve()
    home = state / "podman"
    places = {home, volatile_folder(home)}
    found = [
        f"process {pid} ({line[:60]})" for pid, line in traces.processes().items() if _belongs(line, state, places)
    ]
    found += [str(folder) for folder in sorted({*places, state / "hosts"}) if folder.exists()]
    mounts = {point for place in places for point in traces.mounts_below(place)}
    found += [f"mount {point}" for point in sorted(mounts)]
    if traces.is_bridge_idle(settings.BRIDGE):
        found.append(f"network interface {settings.BRIDGE}")
    return found


def _belongs(line: str, state: Path, places: set[Path]) -> bool:
    own_programs = (f"rehearsal.{name}" for name in ("cloud", "hosts", "served"))
    if any(program in line for program in own_programs):
        return str(state) in line.split()
    return any(f"{place}/" in line for place in places) and "conmon" in line

"""What the cloud knows of its hosts beyond moto: whether they are up, their consoles, their addresses."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from rehearsal import catalogue, settings


@dataclass
class HostState:
    """One instance: `up` feeds its status checks, `console` what GetConsoleOutput answers; `real`: it has a host."""

    real: bool
    up: bool = False
    console: str = ""
    reboots: int = 0
    public_keys: list[str] = field(default_factory=list)


class Addresses:
    """Public addresses of this machine's loopback net, each given once until all are used up. Thread-safe."""

    def __init__(self, octet: int) -> None:
        self._octet = octet
        self._given: set[str] = set()
        self._lock = threading.Lock()

    def fresh(self) -> str:
        """An address 127.octet.x.y that nobody got before. RuntimeError when all are gone."""
        with self._lock:
            if len(self._given) > 60_000:
                raise RuntimeError("60000 public addresses were given out: restart the cloud with `bin/rehearse down`")
            while True:
                # Random and not counted up, because a second cloud of this clone draws from the same net.
                address = f"127.{self._octet}.{random.randrange(256)}.{random.randrange(1, 255)}"
                if address not in self._given:
                    self._given.add(address)
                    return address


class Emulation:
    """The state beside moto's. `lock` guards both: moto's models are not safe for several writers.

    `real_hosts`: how many instances at most get a host of their own, the first to be launched; None is all of them.
    The others are stand-ins: they are up at once, and nobody can log in.
    """

    def __init__(self, with_hosts: bool, real_hosts: int | None = None) -> None:
        self.with_hosts = with_hosts
        self._real_hosts = real_hosts if with_hosts else 0
        self.lock = threading.RLock()
        self.addresses = Addresses(settings.ADDRESS_OCTET)
        self._states: dict[str, HostState] = {}

    def state(self, instance_id: str) -> HostState:
        """The state of an instance; a new one has not booted. Without real hosts it has, and has printed its keys."""
        with self.lock:
            if instance_id not in self._states:
                taken = sum(state.real for state in self._states.values())
                real = self._real_hosts is None or taken < self._real_hosts
                console = "" if real else _stand_in_console(instance_id)
                self._states[instance_id] = HostState(real, up=not real, console=console)
            return self._states[instance_id]

    def launched(self, instance: Any) -> None:
        """Note what AWS fixes at launch: the key pair's public key, which may be deleted while the host boots."""
        pair = instance.ec2_backend.key_pairs.get(instance.key_name)
        self.state(instance.id).public_keys = [pair.public_key.strip()] if pair else []

    def booting(self, instance_id: str) -> None:
        """Forget the last boot: the status checks begin anew and the console is empty."""
        state = self.state(instance_id)
        if state.real:
            state.up, state.console = False, ""

    def halted(self, instance_id: str) -> None:
        """The host is going down; its console stays readable, as AWS's does."""
        state = self.state(instance_id)
        state.up = state.up and not state.real

    def described(self) -> list[dict[str, Any]]:
        """Every instance that has a host, of every region, in the form of the protocol with the reconciler."""
        with self.lock:
            found = [one for one in _instances() if self.state(one[1].id).real or not self.with_hosts]
            return [self._entry(region, instance) for region, instance in found]

    def report(self, updates: dict[str, dict[str, Any]]) -> None:
        """Take in what the reconciler saw: instance id -> up, console, powered_off (any of them)."""
        with self.lock:
            known = {instance.id: instance for _, instance in _instances()}
            for instance_id, update in updates.items():
                if instance_id in known:
                    self._take(known[instance_id], update)

    def _take(self, instance: Any, update: dict[str, Any]) -> None:
        state = self.state(instance.id)
        if "console" in update:
            state.console = str(update["console"])
        if "up" in update:
            # A report that crossed a StopInstances on the way must not make a stopped host healthy.
            state.up = bool(update["up"]) and instance.state == "running"
        if update.get("powered_off") and instance.state == "running":
            self._power_off(instance)

    def _power_off(self, instance: Any) -> None:
        """A shutdown from inside: stop or terminate, as InstanceInitiatedShutdownBehavior says."""
        if instance.instance_initiated_shutdown_behavior == "terminate":
            instance.terminate()
        else:
            instance.stop()
        # AWS names who did it: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_StateReason.html
        instance.state_reason.code = "Client.InstanceInitiatedShutdown"
        instance.state_reason.message = "Client.InstanceInitiatedShutdown: Instance initiated shutdown"

    def _entry(self, region: str, instance: Any) -> dict[str, Any]:
        state = self.state(instance.id)
        return {
            "id": instance.id,
            "region": region,
            "state": instance.state,
            "public_address": instance.public_ip,
            "private_address": instance.private_ip,
            "login": catalogue.login(region, instance.image_id),
            "image_id": instance.image_id,
            "public_keys": state.public_keys,
            "user_data": str(instance.user_data) if instance.user_data else "",
            "reboots": state.reboots,
            "ingress": _ingress(instance),
        }


def _instances() -> Iterator[tuple[str, Any]]:
    """(region, instance) of the account, terminated ones included."""
    from moto.ec2.models import ec2_backends

    for region, backend in list(ec2_backends[settings.ACCOUNT].items()):
        for instance in backend.all_instances():
            yield region, instance


def _ingress(instance: Any) -> list[dict[str, Any]]:
    """The IPv4 TCP rules of all security groups of an instance; protocol -1 opens every port."""
    groups = {group.id: group for group in instance.security_groups}
    for nic in instance.nics.values():
        groups.update({group.id: group for group in nic.group_set})
    rules = []
    for group in groups.values():
        for rule in group.ingress_rules:
            if rule.ip_protocol not in ("tcp", "-1") or not rule.cidr_ipv4:
                continue
            first, last = (0, 65535) if rule.ip_protocol == "-1" else (rule.from_port, rule.to_port)
            rules.append({"cidr": rule.cidr_ipv4, "from_port": first, "to_port": last})
    return rules


def _stand_in_console(instance_id: str) -> str:
    """A stand-in for a boot's console where there is no host: cloud-init's block with a new ed25519 host key."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    public = Ed25519PrivateKey.generate().public_key()
    line = public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
    return (
        f"[    0.000000] Linux version 6.8.0 (stand-in console of {instance_id})\n"
        f"-----BEGIN SSH HOST KEY KEYS-----\n{line} root@{instance_id}\n-----END SSH HOST KEY KEYS-----\n"
        "Cloud-init finished.\n"
    )

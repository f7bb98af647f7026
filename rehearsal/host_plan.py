"""What has to happen to the hosts: the cloud's list on one side, podman's on the other, actions out. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

ALIVE = frozenset({"pending", "running"})
STOPPED = frozenset({"stopping", "stopped"})

MOST_PORTS = 16
"""Listeners per host, and the widest range of ports that is opened port by port."""
USUAL_PORTS = (22, 80, 443, 8888)
"""What is opened of a wider range: ssh, web, Jupyter."""


@dataclass(frozen=True)
class Ingress:
    """One tcp rule of a security group; ports inclusive."""

    cidr: str
    from_port: int
    to_port: int


@dataclass(frozen=True)
class Desired:
    """One instance as the cloud sees it."""

    id: str
    state: str
    public_address: str | None
    private_address: str
    login: str
    public_keys: tuple[str, ...]
    user_data: str
    reboots: int
    ingress: tuple[Ingress, ...]

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> Desired:
        """From one entry of GET /_rehearsal/hosts. Raises KeyError when a field is missing."""
        return cls(
            id=entry["id"],
            state=entry["state"],
            public_address=entry["public_address"] or None,
            private_address=entry["private_address"] or "0.0.0.0",
            login=entry["login"],
            public_keys=tuple(entry["public_keys"]),
            user_data=entry["user_data"] or "",
            reboots=int(entry["reboots"]),
            ingress=tuple(
                Ingress(rule["cidr"], int(rule["from_port"]), int(rule["to_port"])) for rule in entry["ingress"]
            ),
        )


@dataclass(frozen=True)
class Actual:
    """One container. `ending`: how its last boot ended (console.ending); `off_told`: the cloud took note of that."""

    running: bool
    address: str = ""
    ending: str = ""
    reboots: int = 0
    off_told: bool = False


@dataclass(frozen=True, order=True)
class Action:
    """kind: create, start, stop, restart, remove, or tell_off (it shut itself down: report that, do not start it)."""

    kind: str
    id: str


@dataclass(frozen=True)
class Listener:
    """Where connections to one public address and port go, and who may make them."""

    target: str
    cidrs: tuple[str, ...]


def plan(desired: Mapping[str, Desired], actual: Mapping[str, Actual], busy: Iterable[str] = ()) -> list[Action]:
    """At most one action per host, hosts in `busy` (an action of theirs is under way) left out."""
    actions = []
    for name in sorted({*desired, *actual} - set(busy)):
        kind = _action(desired.get(name), actual.get(name))
        if kind:
            actions.append(Action(kind, name))
    return actions


def _action(want: Desired | None, have: Actual | None) -> str:
    if want is None or want.state not in ALIVE | STOPPED:
        return "remove" if have else ""
    if have is None:
        # Stopped without ever having run here: there is nothing to stop; it is made when it is started.
        return "create" if want.state in ALIVE else ""
    if want.state in STOPPED:
        return "stop" if have.running else ""
    if have.running:
        return "restart" if want.reboots > have.reboots else ""
    if have.ending == "poweroff" and not have.off_told:
        return "tell_off"
    return "start"


def ports(ingress: Iterable[Ingress]) -> dict[int, tuple[str, ...]]:
    """Ports to listen on, each with the CIDRs that may connect; at most MOST_PORTS, the usual ones first."""
    found: dict[int, set[str]] = {}
    for rule in ingress:
        width = rule.to_port - rule.from_port + 1
        if width <= MOST_PORTS:
            inside: Iterable[int] = range(max(rule.from_port, 1), rule.to_port + 1)
        else:
            inside = (port for port in USUAL_PORTS if rule.from_port <= port <= rule.to_port)
        for port in inside:
            found.setdefault(port, set()).add(rule.cidr)
    order = sorted(found, key=lambda port: (port not in USUAL_PORTS, port))
    return {port: tuple(sorted(found[port])) for port in order[:MOST_PORTS]}


def listeners(desired: Mapping[str, Desired], actual: Mapping[str, Actual]) -> dict[tuple[str, int], Listener]:
    """(public address, port) to listener, for every instance that runs on both sides."""
    found = {}
    for name, want in desired.items():
        have = actual.get(name)
        if want.state not in ALIVE or not want.public_address or have is None or not have.running or not have.address:
            continue
        for port, cidrs in ports(want.ingress).items():
            found[(want.public_address, port)] = Listener(have.address, cidrs)
    return found

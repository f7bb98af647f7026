"""A host's port when a program of this machine (mostly its own sshd) already listens on that port of every address.

Linux then refuses to listen on the port of a single 127.x address as well. So the forwarder listens SHIFT ports away
and one rule for that address alone brings connections there; whoever connects sees the usual port.
"""

from __future__ import annotations

import subprocess

from rehearsal import settings

Endpoint = tuple[str, int]
SHIFT = 20_000
MARK = settings.BRIDGE
"""Comment on our rules: they are found by it when the process that made them was killed."""


def shifted(endpoint: Endpoint) -> Endpoint:
    """Return where the forwarder listens instead of `endpoint`."""
    address, port = endpoint
    return address, port + SHIFT if port + SHIFT < 65_536 else port - SHIFT


def _iptables(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["iptables", "-w", "-t", "nat", *arguments], capture_output=True, text=True, check=False)


def _rule(endpoint: Endpoint) -> list[str]:
    address, port = endpoint
    match = ["-d", f"{address}/32", "-p", "tcp", "--dport", str(port), "-m", "comment", "--comment", MARK]
    return ["OUTPUT", *match, "-j", "DNAT", "--to-destination", ":".join(map(str, shifted(endpoint)))]


def add(endpoint: Endpoint) -> Endpoint:
    """Bring connections for `endpoint` to the endpoint returned. Raises OSError with iptables' own words."""
    if _iptables("-C", *_rule(endpoint)).returncode:
        done = _iptables("-I", *_rule(endpoint))
        if done.returncode:
            raise OSError(f"iptables refused to redirect {endpoint[0]}:{endpoint[1]}: {done.stderr.strip()}")
    return shifted(endpoint)


def remove(endpoint: Endpoint) -> None:
    """Take the rule of one endpoint back, if there is one."""
    while _iptables("-D", *_rule(endpoint)).returncode == 0:
        pass


def clear() -> None:
    """Take every rule of this clone back, whoever made it."""
    for rule in _iptables("-S", "OUTPUT").stdout.splitlines():
        words = rule.replace('"', "").split()
        if MARK in words:
            _iptables("-D", *words[1:])

"""How the hosts of one training find each other, and what a failed one's log means in one sentence. No torch here.

python -m gpubench.rendezvous --log LOG --hosts gpu-1,gpu-2 --rank 1 --address 10.0.0.5 --port 29500
"""

from __future__ import annotations

import argparse
import re
import sys
from ipaddress import IPv4Address
from pathlib import Path

MARK = "gpubench: "
"""What a worker's own sentence begins with, so that it is found among its launcher's lines."""

_UP = 0x1
"""The flag of a route that is in use (RTF_UP of linux/route.h)."""


def interface(routes: str, address: str) -> str:
    """The network interface by which `address` (IPv4) is reached, from the text of /proc/net/route; "" if none is.

    The host's own address gives the interface that its network is on: that is where the others come from.
    """
    target = IPv4Address(address)
    if target.is_loopback:
        return "lo"
    found = {}
    for line in routes.splitlines()[1:]:
        fields = line.split()
        network, mask = (_address(fields[column]) for column in (1, 7))
        if int(fields[3], 16) & _UP and int(target) & mask == network:
            found[mask] = fields[0]
    return found[max(found)] if found else ""


def _address(digits: str) -> int:
    """The number of an IPv4 address that the kernel printed: its bytes, read as a number of this machine."""
    return int.from_bytes(int(digits, 16).to_bytes(4, sys.byteorder), "big")


def explain(log: str, hosts: list[str], rank: int, meeting: str) -> str:
    """Why the training ended on host number `rank` of `hosts`, in one sentence; "" where the log does not tell.

    `log` is what PyTorch's launcher and its workers printed, `meeting` the ADDRESS:PORT of the first host. The patterns
    are the words of PyTorch 2.13.
    """
    own = [line[len(MARK) :] for line in log.splitlines() if line.startswith(MARK)]
    if own:
        return own[0]
    check = f"see what it says itself, and that the hosts reach {meeting} and each other by TCP (security group)"
    if re.search("EADDRINUSE|address already in use", log, re.IGNORECASE):
        return (
            f"Another program of {hosts[0]} listens on {meeting}: "
            "end it, or set gpu_benchmark_rendezvous_port to a port that is free."
        )
    waited = re.search(r"Timed out after (\d+) seconds waiting for clients\. (\d+)/\d+ clients joined", log)
    if waited:
        missing = f"{len(hosts) - int(waited[2])} of {', '.join(hosts[1:])}"
        return f"{hosts[0]} (rank 0) waited {waited[1]} s for the other hosts, and {missing} did not come: {check}."
    silent = re.search(r"wait timeout after (\d+)ms, keys: ", log)
    if silent:
        others = " or ".join(name for name in hosts if name != hosts[rank])
        return f"{hosts[rank]} waited {int(silent[1]) // 1000} s for {others}, which came and fell silent: {check}."
    first = f"{hosts[0]} (rank 0)"
    if rank and re.search("client socket has timed out|Connection refused|No route to host", log):
        return f"{hosts[rank]} waited for {first}, which does not answer: {check}."
    if rank and re.search("failed to recv, got 0 bytes|Broken pipe|Connection reset by peer", log):
        return f"{hosts[rank]} lost {first} while it worked with it: {check}."
    if "Watchdog caught collective operation timeout" in log:
        return f"{hosts[rank]} waited for the GPU of another host until NCCL's time limit: {check}."
    if "Cuda is not available" in log:
        return (
            f"PyTorch finds no usable CUDA device on {hosts[rank]}: "
            "see what nvidia-smi says there, or set gpu_benchmark_devices to cpu."
        )
    if re.search(r"SIGKILL|exitcode *: -9", log):
        return f"A worker on {hosts[rank]} was killed from outside: see with free and dmesg if its memory was full."
    return ""


def main(argv: list[str]) -> int:
    """Print the sentence; nothing where the log does not tell."""
    parser = argparse.ArgumentParser(prog="gpubench.rendezvous", description="Say why a training over hosts ended.")
    parser.add_argument("--log", type=Path, required=True, help="output of the launcher on this host")
    parser.add_argument("--hosts", required=True, help="names of all hosts by rank, with commas")
    parser.add_argument("--rank", type=int, required=True, help="this host's place among them")
    parser.add_argument("--address", required=True, help="where the first of them is reached")
    parser.add_argument("--port", type=int, required=True, help="its port")
    options = parser.parse_args(argv)
    log = options.log.read_text(errors="replace")
    print(explain(log, options.hosts.split(","), options.rank, f"{options.address}:{options.port}"))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

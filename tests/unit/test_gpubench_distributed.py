"""How hosts that train together find each other, and what a failed one's output means; no torch here."""

from __future__ import annotations

import importlib
import sys
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

FILES = Path(__file__).parents[2] / "roles/gpu_benchmark/files"
HOSTS = ["gpu-1", "gpu-2", "gpu-3"]
MEETING = "10.0.0.5:29500"


@pytest.fixture
def rendezvous(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(FILES))
    return importlib.import_module("gpubench.rendezvous")


def route(name: str, network: str, mask: str, flags: int = 0x1) -> str:
    """A line as the kernel prints it: bytes in the network's order, read as a number of this machine."""
    digits = [f"{int.from_bytes(IPv4Address(text).packed, sys.byteorder):08X}" for text in (network, mask)]
    return "\t".join([name, digits[0], "00000000", f"{flags:04X}", "0", "0", "0", digits[1], "0", "0", "0"])


ROUTES = "\n".join(
    [
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT",
        route("eth0", "0.0.0.0", "0.0.0.0", 0x3),
        route("docker0", "172.17.0.0", "255.255.0.0"),
        route("eth1", "10.0.0.0", "255.255.240.0"),
        route("eth2", "10.0.0.0", "255.0.0.0"),
        route("down0", "10.0.0.4", "255.255.255.254", 0x0),
    ]
)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("10.0.0.5", "eth1"),
        ("10.0.15.255", "eth1"),
        ("10.0.16.1", "eth2"),
        ("172.17.3.3", "docker0"),
        ("8.8.8.8", "eth0"),
        ("127.0.0.1", "lo"),
    ],
)
def test_the_interface_is_that_of_the_narrowest_route_in_use(rendezvous: Any, address: str, name: str) -> None:
    assert rendezvous.interface(ROUTES, address) == name


def test_no_route_is_no_interface(rendezvous: Any) -> None:
    assert rendezvous.interface(ROUTES.splitlines()[0], "10.0.0.5") == ""


def test_this_machines_own_routes_are_read(rendezvous: Any) -> None:
    text = Path("/proc/net/route").read_text()
    names = {line.split()[0] for line in text.splitlines()[1:]} | {"", "lo"}
    assert rendezvous.interface(text, "192.0.2.1") in names


SEEN = "Traceback (most recent call last):\n  File ...\n{}\n[W1122 13:36:52.38 socket.cpp:494] [c10d] noise\n"
"""Around a line of PyTorch 2.13's: as a fault was seen to print it, but NCCL's is known from public reports only."""
CHECK = f"see what it says itself, and that the hosts reach {MEETING} and each other by TCP (security group)."


@pytest.mark.parametrize(
    ("rank", "line", "sentence"),
    [
        (
            1,
            "[W1122] Broken pipe\ngpubench: The loss of LeNet-5 is nan.\ngpubench: no more",
            "The loss of LeNet-5 is nan.",
        ),
        (
            0,
            "torch.distributed.DistStoreError: Timed out after 181 seconds waiting for clients. 1/3 clients joined.",
            f"gpu-1 (rank 0) waited 181 s for the other hosts, and 2 of gpu-2, gpu-3 did not come: {CHECK}",
        ),
        (
            1,
            "torch.distributed.DistNetworkError: The client socket has timed out after 6000ms while trying to connect "
            "to (10.0.0.5, 29500).",
            f"gpu-2 waited for gpu-1 (rank 0), which does not answer: {CHECK}",
        ),
        (
            0,
            "torch.distributed.DistNetworkError: The server socket has failed to listen on any local network address. "
            "port: 29500, useIpv6: false, code: -98, name: EADDRINUSE, message: address already in use",
            f"Another program of gpu-1 listens on {MEETING}: "
            "end it, or set gpu_benchmark_rendezvous_port to a port that is free.",
        ),
        (
            0,
            "torch.distributed.DistStoreError: wait timeout after 180000ms, keys: /none/torchelastic/role_info/0",
            f"gpu-1 waited 180 s for gpu-2 or gpu-3, which came and fell silent: {CHECK}",
        ),
        (
            2,
            "torch.distributed.DistNetworkError: failed to recv, got 0 bytes",
            f"gpu-3 lost gpu-1 (rank 0) while it worked with it: {CHECK}",
        ),
        (
            0,
            "[rank0]:[E] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=3, OpType=ALLREDUCE)",
            f"gpu-1 waited for the GPU of another host until NCCL's time limit: {CHECK}",
        ),
        (
            1,
            "ValueError: Cuda is not available.",
            "PyTorch finds no usable CUDA device on gpu-2: "
            "see what nvidia-smi says there, or set gpu_benchmark_devices to cpu.",
        ),
        (
            1,
            "  exitcode  : -9 (pid: 4313)",
            "A worker on gpu-2 was killed from outside: see with free and dmesg if its memory was full.",
        ),
        (0, "ZeroDivisionError: division by zero", ""),
        (0, "Broken pipe", ""),
    ],
)
def test_a_log_becomes_one_sentence(rendezvous: Any, rank: int, line: str, sentence: str) -> None:
    assert rendezvous.explain(SEEN.format(line), HOSTS, rank, MEETING) == sentence


def test_the_command_prints_the_sentence(rendezvous: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "log").write_bytes(b"\xff\ngpubench: The data is damaged: fetch it again.\n")
    given = ["--hosts", "gpu-1,gpu-2", "--rank", "0", "--address", "10.0.0.5", "--port", "29500"]
    assert rendezvous.main(["--log", str(tmp_path / "log"), *given]) == 0
    assert capsys.readouterr().out == "The data is damaged: fetch it again.\n"

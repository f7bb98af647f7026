"""Forwarders on loopback addresses: they carry bytes both ways and keep strangers out."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import subprocess
import threading
from collections.abc import Iterator

import pytest

from rehearsal import redirect
from rehearsal.forward import Forwarder, allowed, listens_everywhere
from rehearsal.host_plan import Listener

INNER, OUTER, OTHER = "127.62.1.1", "127.62.1.2", "127.62.1.3"
ANY = ("127.0.0.0/8",)
HEAD = "  sl  local_address rem_address   st\n"


class Echo(socketserver.StreamRequestHandler):
    """Answers with everything it read, once the other side has finished sending."""

    def handle(self) -> None:
        self.wfile.write(b"got " + self.rfile.read())


class EchoServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


@pytest.fixture
def port() -> Iterator[int]:
    with EchoServer((INNER, 0), Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture
def forwarder() -> Iterator[Forwarder]:
    running = Forwarder()
    yield running
    running.close()


def ask(address: str, port: int, data: bytes) -> bytes:
    with socket.create_connection((address, port), timeout=10) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        return connection.makefile("rb").read()


def test_bytes_go_both_ways_and_half_closed_connections_work(forwarder: Forwarder, port: int) -> None:
    assert forwarder.apply({(OUTER, port): Listener(INNER, ANY)}) == {}
    data = b"x" * 3_000_000
    assert ask(OUTER, port, data) == b"got " + data


def test_a_stranger_is_cut_off(forwarder: Forwarder, port: int) -> None:
    forwarder.apply({(OUTER, port): Listener(INNER, ("10.0.0.0/8", "nonsense"))})
    with pytest.raises(OSError):  # noqa: PT011 - reset, broken pipe or not connected: it depends on who is quicker
        ask(OUTER, port, b"hello" * 100_000)
    forwarder.apply({(OUTER, port): Listener(INNER, ("127.0.0.1/32",))})
    assert ask(OUTER, port, b"hello") == b"got hello"


def test_an_address_that_is_taken_away_refuses_and_drops(forwarder: Forwarder, port: int) -> None:
    forwarder.apply({(OUTER, port): Listener(INNER, ANY)})
    with socket.create_connection((OUTER, port), timeout=10) as connection:
        connection.sendall(b"hello")
        forwarder.apply({(OTHER, port): Listener(INNER, ANY)})
        with contextlib.suppress(ConnectionResetError):  # or a plain end, if the forwarder had read all
            assert connection.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        ask(OUTER, port, b"hello")
    assert ask(OTHER, port, b"hello") == b"got hello"


def test_a_host_that_refuses_looks_so_from_outside(forwarder: Forwarder, port: int) -> None:
    forwarder.apply({(OUTER, port): Listener(OTHER, ANY)})
    with pytest.raises(OSError):  # noqa: PT011 - reset, broken pipe or not connected: it depends on who is quicker
        ask(OUTER, port, b"hello" * 100_000)


def test_a_taken_address_is_reported_and_opened_when_free(forwarder: Forwarder, port: int) -> None:
    with socket.create_server((OTHER, 0)) as somebody:
        taken = somebody.getsockname()[1]
        wanted = {(OUTER, port): Listener(INNER, ANY), (OTHER, taken): Listener(INNER, ANY)}
        problems = forwarder.apply(wanted)
    assert list(problems) == [(OTHER, taken)]
    assert problems[(OTHER, taken)].startswith(f"{OTHER}:{taken} cannot be opened (Address already in use")
    assert ask(OUTER, port, b"hello") == b"got hello"
    assert forwarder.apply(wanted) == {}


@pytest.mark.parametrize(
    ("peer", "cidrs", "expected"),
    [
        ("127.0.0.1", ("127.0.0.1/32",), True),
        ("127.0.0.2", ("127.0.0.1/32",), False),
        ("127.0.0.2", ("10.0.0.0/8", "127.0.0.9/8"), True),
        ("127.0.0.1", (), False),
        ("127.0.0.1", ("::/0", "what"), False),
    ],
)
def test_who_may_connect(peer: str, cidrs: tuple[str, ...], expected: bool) -> None:
    assert allowed(peer, cidrs) is expected


def test_listeners_on_all_addresses_are_found_in_the_kernels_tables() -> None:
    assert listens_everywhere(22, HEAD + "   0: 00000000:0016 00000000:0000 0A x\n")
    assert listens_everywhere(22, HEAD + f"   0: {'0' * 32}:0016 {'0' * 32}:0000 0A x\n")
    assert not listens_everywhere(22, HEAD + "   0: 0100007F:0016 00000000:0000 0A x\n")
    assert not listens_everywhere(22, HEAD + "   0: 00000000:0016 00000000:0000 01 x\n")


@pytest.mark.hosts
def test_a_port_that_somebody_listens_on_everywhere_still_is_the_hosts(forwarder: Forwarder) -> None:
    """A server's own sshd listens on port 22 of all addresses; its owner may rehearse all the same."""
    with EchoServer(("0.0.0.0", 0), Echo) as everywhere:
        threading.Thread(target=everywhere.serve_forever, daemon=True).start()
        port = everywhere.server_address[1]
        # The target is that same server: a stranger who is cut off has met the forwarder, and not the server itself.
        assert forwarder.apply({(OUTER, port): Listener(INNER, ("10.0.0.0/8",))}) == {}
        with pytest.raises(OSError):  # noqa: PT011 - reset, broken pipe or not connected: it depends on who is quicker
            ask(OUTER, port, b"hello" * 100_000)
        forwarder.apply({(OUTER, port): Listener(INNER, ANY)})
        assert ask(OUTER, port, b"hello") == b"got hello"
        forwarder.apply({})
        assert (
            redirect.MARK
            not in subprocess.run(["iptables-save", "-t", "nat"], capture_output=True, text=True, check=True).stdout
        )
        everywhere.shutdown()

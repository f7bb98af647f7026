"""Public addresses: TCP forwarders on 127.x.y.z, each with the security group's say on who may connect.

One asyncio loop in a thread of its own holds all listeners. A connection from outside the rule's CIDRs is reset at
once. A changed rule counts for new connections (EC2 tracks established ones too); a removed address drops its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import socket
import struct
import threading
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any

from rehearsal import redirect
from rehearsal.host_plan import Listener

Endpoint = tuple[str, int]
_CHUNK = 64 * 1024
_CONNECT_SECONDS = 10.0
_ACCEPT_PAUSE_SECONDS = 0.05
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER on, 0 s: close() then sends a reset, as from a port that nobody listens on."""


def allowed(peer: str, cidrs: tuple[str, ...]) -> bool:
    """Whether `peer` lies in one of the networks; a malformed network admits nobody."""
    address = ipaddress.ip_address(peer)
    for cidr in cidrs:
        with contextlib.suppress(ValueError):
            if address in ipaddress.ip_network(cidr, strict=False):
                return True
    return False


def listens_everywhere(port: int, tcp_tables: str) -> bool:
    """Whether /proc/net/tcp and tcp6 (their text) hold a listener (state 0A) on that port of all addresses."""
    for line in tcp_tables.splitlines():
        fields = line.split()
        if len(fields) > 3 and fields[3] == "0A":
            address, _, number = fields[1].partition(":")
            if not address.strip("0") and int(number, 16) == port:
                return True
    return False


def bind_sentence(endpoint: Endpoint, error: OSError) -> str:
    """One sentence about a public address that could not be listened on."""
    reason = error.strerror or str(error)
    where = f"{endpoint[0]}:{endpoint[1]}"
    return f"{where} cannot be opened ({reason}): free that address and port, it is then taken by itself."


def _tcp_tables() -> str:
    tables = ""
    for name in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            tables += (Path("/proc/net") / name).read_text()
    return tables


class Forwarder:
    """All forwarders of one rehearsal. `apply` may be called from any thread."""

    def __init__(self) -> None:
        self._targets: dict[Endpoint, Listener] = {}
        self._sockets: dict[Endpoint, socket.socket] = {}
        self._tasks: dict[Endpoint, set[asyncio.Task[None]]] = {}
        """Per endpoint: the one that accepts, and one for each open connection."""
        self._redirected: set[Endpoint] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="forward", daemon=True)
        self._thread.start()

    def apply(self, wanted: Mapping[Endpoint, Listener]) -> dict[Endpoint, str]:
        """Listen on exactly these endpoints. Returns a sentence for each that could not be opened."""
        return asyncio.run_coroutine_threadsafe(self._apply(dict(wanted)), self._loop).result()

    def close(self) -> None:
        """Stop listening, drop all connections, end the thread."""
        self.apply({})
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _apply(self, wanted: dict[Endpoint, Listener]) -> dict[Endpoint, str]:
        before, self._targets = self._targets, wanted
        for endpoint, listener in before.items():
            if endpoint not in wanted or wanted[endpoint].target != listener.target:
                await self._close(endpoint)
        problems = {}
        for endpoint in wanted:
            if endpoint not in self._sockets:
                try:
                    self._open(endpoint)
                except OSError as error:
                    problems[endpoint] = bind_sentence(endpoint, error)
        return problems

    def _open(self, endpoint: Endpoint) -> None:
        try:
            listening = socket.create_server(endpoint, backlog=128)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or not listens_everywhere(endpoint[1], _tcp_tables()):
                raise
            listening = socket.create_server(redirect.add(endpoint), backlog=128)
            self._redirected.add(endpoint)
        listening.setblocking(False)
        self._sockets[endpoint] = listening
        self._spawn(endpoint, self._accept(endpoint, listening))

    async def _close(self, endpoint: Endpoint) -> None:
        tasks = self._tasks.pop(endpoint, set())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if endpoint in self._sockets:
            self._sockets.pop(endpoint).close()
        if endpoint in self._redirected:
            self._redirected.remove(endpoint)
            redirect.remove(endpoint)

    def _spawn(self, endpoint: Endpoint, work: Coroutine[Any, Any, None]) -> None:
        tasks = self._tasks.setdefault(endpoint, set())
        task = self._loop.create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def _accept(self, endpoint: Endpoint, listening: socket.socket) -> None:
        """An accept loop of our own: asyncio.Server loses connections that come in while it is being closed."""
        while True:
            try:
                client, peer = await self._loop.sock_accept(listening)
            except OSError:  # the client gave up, or too many files are open: neither is a reason to stop
                await asyncio.sleep(_ACCEPT_PAUSE_SECONDS)
                continue
            listener = self._targets.get(endpoint)
            if listener is not None and allowed(peer[0], listener.cidrs):
                self._spawn(endpoint, self._serve(client, (listener.target, endpoint[1])))
            else:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                client.close()

    async def _serve(self, client: socket.socket, target: Endpoint) -> None:
        inner: asyncio.StreamWriter | None = None
        reader, writer = await asyncio.open_connection(sock=client)
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                inner_reader, inner = await asyncio.open_connection(*target)
            await asyncio.gather(_pipe(reader, inner), _pipe(inner_reader, writer))
        except (OSError, TimeoutError, asyncio.CancelledError):
            # A host that hangs up, or an address taken away: nothing more is delivered, and nobody awaits this task.
            writer.transport.abort()
            if inner is not None:
                inner.transport.abort()
        else:
            writer.close()
            inner.close()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the end of the stream and hand that end on, so that half-closed connections work."""
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        with contextlib.suppress(OSError):
            writer.write_eof()

"""Public addresses: TCP forwarders on 127.x.y.z, each with the security group's say on who may connect.

One asyncio loop in a thread of its own holds all listeners. A connection from outside the rule's CIDRs is aborted at
once. A changed rule counts for new connections (EC2 tracks established ones too); a removed address drops its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import threading
from collections.abc import Mapping
from pathlib import Path

from rehearsal.host_plan import Listener

Endpoint = tuple[str, int]
_CHUNK = 64 * 1024
_CONNECT_SECONDS = 10.0


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


def bind_sentence(endpoint: Endpoint, error: OSError, tcp_tables: str) -> str:
    """One sentence about a public address that could not be listened on."""
    address, port = endpoint
    if error.errno == errno.EADDRINUSE and listens_everywhere(port, tcp_tables):
        hint = " (for sshd: ListenAddress in sshd_config)" if port == 22 else ""
        return (
            f"{address}:{port} cannot be opened because another program listens on port {port} of all addresses of "
            f"this machine: bind that program to one address{hint}, or stop it while you rehearse."
        )
    reason = error.strerror or str(error)
    return f"{address}:{port} cannot be opened ({reason}): free that address and port, it is then taken by itself."


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
        self._servers: dict[Endpoint, asyncio.Server] = {}
        self._open: dict[Endpoint, set[asyncio.Task[None]]] = {}
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
        for endpoint in [known for known in self._servers if known not in wanted]:
            self._servers.pop(endpoint).close()
            await self._drop(endpoint)
        for endpoint, listener in wanted.items():
            before = self._targets.get(endpoint)
            if before is not None and before.target != listener.target:
                await self._drop(endpoint)
        self._targets = wanted
        problems = {}
        for endpoint in wanted:
            if endpoint not in self._servers:
                try:
                    self._servers[endpoint] = await self._listen(endpoint)
                except OSError as error:
                    problems[endpoint] = bind_sentence(endpoint, error, _tcp_tables())
        return problems

    async def _listen(self, endpoint: Endpoint) -> asyncio.Server:
        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._serve(endpoint, reader, writer)

        return await asyncio.start_server(accept, endpoint[0], endpoint[1], reuse_address=True)

    async def _serve(self, endpoint: Endpoint, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        listener = self._targets.get(endpoint)
        peer = writer.get_extra_info("peername")
        if listener is None or peer is None or not allowed(peer[0], listener.cidrs):
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None  # a coroutine of a stream server always runs in a task
        mine = self._open.setdefault(endpoint, set())
        mine.add(task)
        inner: asyncio.StreamWriter | None = None
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                inner_reader, inner = await asyncio.open_connection(listener.target, endpoint[1])
            await asyncio.gather(_pipe(reader, inner), _pipe(inner_reader, writer))
        except (OSError, TimeoutError):
            writer.transport.abort()  # to the client it looks like a host that hangs up
        except asyncio.CancelledError:
            writer.transport.abort()  # the address was taken away; nobody awaits this task's result
        finally:
            mine.discard(task)
            for end in (writer, inner):
                if end is not None:
                    end.close()

    async def _drop(self, endpoint: Endpoint) -> None:
        tasks = self._open.pop(endpoint, set())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=1)


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the end of the stream and hand that end on, so that half-closed connections work."""
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        with contextlib.suppress(OSError):
            writer.write_eof()

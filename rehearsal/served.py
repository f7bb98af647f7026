"""The mirror: the folder settings.MIRROR over plain HTTP at the bridge's own address, read-only.

Hosts get wheels and data sets from here, so a rehearsal leaves the machine for nothing. Integrity is the client's
business (hashes), as with any mirror.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import io
import os
import socket
import socketserver
import threading
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO

from rehearsal import ending, settings

PID_FILE = "served.pid"
_IP_FREEBIND = 15
"""linux/in.h; lets us bind the bridge's address before podman has made the bridge. Not in Python's socket module."""


class MirrorServer(ThreadingHTTPServer):
    """Serves `root`; one line per request goes to `log`."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], root: Path, log: Path) -> None:
        self.root = root.resolve()
        self.log = log
        super().__init__(address, functools.partial(_Handler, directory=str(self.root)))

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
        # Two rehearsals of one clone share the bridge and serve the same folder: either may answer.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        # Not HTTPServer's own: that one asks DNS for this machine's name.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]


class _Handler(SimpleHTTPRequestHandler):
    server: MirrorServer

    def send_head(self) -> io.BytesIO | BinaryIO | None:
        """As the base class, which drops `..`; and neither a symbolic link nor a NUL may lead out of the folder."""
        try:
            inside = Path(self.translate_path(self.path)).resolve().is_relative_to(self.server.root)
        except ValueError:  # embedded null byte
            inside = False
        if not inside:
            self.send_error(HTTPStatus.NOT_FOUND, "File not found")
            return None
        return super().send_head()

    def log_message(self, format: str, *args: object) -> None:
        with contextlib.suppress(OSError), self.server.log.open("a") as log:
            log.write(f"{self.log_date_time_string()} {self.client_address[0]} {format % args}\n")


def serve(log: Path, address: tuple[str, int] = (settings.GATEWAY, settings.MIRROR_PORT)) -> MirrorServer:
    """Start serving in a daemon thread. Raises OSError when the address is taken."""
    settings.MIRROR.mkdir(parents=True, exist_ok=True)
    server = MirrorServer(address, settings.MIRROR, log)
    threading.Thread(target=server.serve_forever, name="mirror", daemon=True).start()
    return server


def main() -> None:
    """`python -m rehearsal.served --state DIR`: serve until SIGTERM, with our pid in DIR/served.pid meanwhile."""
    parser = argparse.ArgumentParser(prog="python -m rehearsal.served", description=__doc__.splitlines()[0])
    parser.add_argument("--state", type=Path, required=True)
    state: Path = parser.parse_args().state
    state.mkdir(parents=True, exist_ok=True)
    stop = ending.when_told()
    server = serve(state / "mirror.log")
    pid_file = state / PID_FILE
    pid_file.write_text(f"{os.getpid()}\n")
    ending.wait_until(stop)
    server.shutdown()
    pid_file.unlink(missing_ok=True)


if __name__ == "__main__":
    main()

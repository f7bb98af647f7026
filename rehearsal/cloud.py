"""An AWS in one process: moto's application, behind a log of calls, faults by rule, and rules that moto does not have.

    python -m rehearsal.cloud --state DIR [--port N] [--without-hosts]

It writes DIR/cloud.json when it listens, and ends in order on SIGTERM.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from rehearsal import catalogue, control_paths, ending, pricing, regions, simulator, wire
from rehearsal.calls import CallLog
from rehearsal.clock import Clock
from rehearsal.emulation import Emulation
from rehearsal.faults import ROOM_HEADER, Faults
from rehearsal.quotas import Quotas
from rehearsal.scheduler import Scheduler
from rehearsal.supervisor import Supervisor

_log = logging.getLogger("rehearsal.cloud")
Answer = tuple[int, list[tuple[str, str]], bytes]
StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class Cloud:
    """The WSGI application. moto is imported by load(), in a thread, so that the port can be open long before."""

    def __init__(self, with_hosts: bool, real_hosts: int | None = None) -> None:
        self.clock = Clock()
        self.calls = CallLog()
        self.faults = Faults()
        self.emulation = Emulation(with_hosts, real_hosts)
        self.quotas = Quotas(self.clock)
        self.scheduler = Scheduler(self.emulation, self.clock)
        parts = (self.emulation, self.calls, self.faults, self.clock, self.quotas, self.scheduler)
        self.control = control_paths.ControlPaths(*parts)
        self._moto: Any = None
        self._loaded = threading.Event()

    def load(self) -> None:
        """Import moto and amend it. What it takes from the environment has to be there before that."""
        # moto reads its thousand-row list of images on import unless told of another.
        os.environ["MOTO_AMIS_PATH"] = str(catalogue.AMIS)
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

        from rehearsal import amends

        amends.install(self.emulation, self.clock, self.quotas)
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._loaded.set()

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request, control paths and AWS alike."""
        self._loaded.wait()
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")
        if path.startswith(control_paths.PREFIX):
            status, headers, answer = self.control.answer(method, path, body, environ.get("REMOTE_ADDR", ""))
        elif path.startswith("/moto-api/"):
            status, headers, answer = self._ask_moto(environ)
        else:
            call = wire.decode(method, _whole(path, environ), _headers(environ), body)
            status, headers, answer = self._serve(call, environ)
        start_response(f"{status} {'OK' if status < 400 else 'Error'}", headers)
        return [answer]

    def _serve(self, call: wire.Call | None, environ: dict[str, Any]) -> Answer:
        if call is None:
            text = "Request is missing Authentication Token: this cloud answers signed AWS requests."
            return wire.error("query", 403, "MissingAuthenticationToken", text)
        self.scheduler.fire()
        rule = self.faults.take(call.action, f"{call.region}\n{call.text}")
        mode = rule.mode if rule else None
        if rule and rule.mode == "delay":
            time.sleep(rule.seconds)
        if rule and rule.mode == "fewer":
            environ[f"HTTP_{ROOM_HEADER.upper().replace('-', '_')}"] = str(rule.count)
        if rule and rule.mode == "error":
            answer = wire.error(call.protocol, rule.status, rule.code, rule.message)
        elif call.region not in regions.known():
            answer = _unknown_region(call)
        else:
            answer = self._ask_about(call, environ)
        status, headers, body = answer
        names = {name.lower(): value for name, value in headers}
        self.calls.add(self.clock.now(), call, status, wire.error_code(names, body) if status >= 400 else None, mode)
        if rule and rule.mode == "hold":
            time.sleep(rule.seconds)
        if mode == "drop":
            # The write has happened; the answer is lost on the way. werkzeug passes over a ConnectionError in silence.
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            raise ConnectionResetError("dropped by a fault rule")
        return answer

    def _ask_about(self, call: wire.Call, environ: dict[str, Any]) -> Answer:
        """moto's answer, or ours for a service it lacks; what neither has becomes an error that clients can parse."""
        try:
            if call.iam == simulator.ACTION:
                return simulator.answer(call, self.faults)
            return pricing.answer(call) if call.service == "pricing" else self._ask_moto(environ)
        except Exception:
            _log.exception("%s failed inside the embedded AWS", call.iam)
            # 501 and not 500, because clients repeat a 500.
            text = f"The embedded AWS has no {call.iam}, or not in this form: its log has the cause."
            return wire.error(call.protocol, 501, "NotImplemented", text)

    def _ask_moto(self, environ: dict[str, Any]) -> Answer:
        seen: list[Any] = []

        def note(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
            seen[:] = [int(status.split()[0]), headers, exc_info]
            return lambda _: None

        with self.emulation.lock:
            chunks = self._moto(environ, note)
            body = b"".join(chunks)
            if hasattr(chunks, "close"):
                chunks.close()
        return seen[0], seen[1], body


def _unknown_region(call: wire.Call) -> Answer:
    """AWS has no endpoint there. What comes nearest, as the endpoint is given: what a region says that is not enabled.

    That is AuthFailure by EC2, InvalidClientTokenId by STS and IAM, UnrecognizedClientException by the JSON services.
    """
    text = "The security token included in the request is invalid."
    if call.protocol == "ec2":
        return wire.error("ec2", 401, "AuthFailure", "AWS was not able to validate the provided access credentials")
    if call.protocol == "query":
        return wire.error("query", 403, "InvalidClientTokenId", text)
    return wire.error(call.protocol, 400, "UnrecognizedClientException", text)


def _whole(path: str, environ: dict[str, Any]) -> str:
    """The path with the query behind it, if there is one."""
    return f"{path}?{environ['QUERY_STRING']}" if environ.get("QUERY_STRING") else path


def _headers(environ: dict[str, Any]) -> dict[str, str]:
    found = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")}
    return {**found, "content-type": environ.get("CONTENT_TYPE", "")}


class _QuietHandler(WSGIRequestHandler):
    """Without a line per request: the log of calls has it, and in a readable form."""

    protocol_version = "HTTP/1.1"

    def date_time_string(self, _timestamp: float | None = None) -> str:
        """The moment in every answer's Date header: the cloud's own time, by which clients may reckon."""
        # `app` is what listen() serves; werkzeug's types know a bare server only.
        return format_datetime(self.server.app.clock.now(), usegmt=True)  # type: ignore[attr-defined]

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


def listen(cloud: Cloud, port: int = 0) -> BaseWSGIServer:
    """Open the port on 127.0.0.1 (0 picks a free one); the caller serves. OSError when it is taken."""
    # Bound here, because werkzeug would print advice of its own and leave the process when the port is taken.
    with socket.socket() as opened:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(("127.0.0.1", port))
        number = opened.getsockname()[1]
        opened.listen(128)
        return make_server("127.0.0.1", number, cloud, threaded=True, request_handler=_QuietHandler, fd=opened.fileno())


def write_address(state: Path, port: int) -> Path:
    """Write DIR/cloud.json, 0600, in one step, and return its path."""
    state.mkdir(parents=True, exist_ok=True)
    final, draft = state / "cloud.json", state / "cloud.json.new"
    text = json.dumps({"pid": os.getpid(), "port": port, "url": f"http://127.0.0.1:{port}"})
    draft.touch(mode=0o600)
    draft.chmod(0o600)
    draft.write_text(text, encoding="utf-8")
    draft.replace(final)
    return final


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m rehearsal.cloud", description="The embedded AWS.")
    parser.add_argument("--state", type=Path, required=True, help="folder for cloud.json")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0, the default, picks a free one")
    parser.add_argument("--without-hosts", action="store_true", help="start no hosts: every running instance is up")
    parser.add_argument("--real-hosts", type=int, help="start hosts for so many instances alone, the first launched")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    told = ending.when_told()
    cloud = Cloud(with_hosts=not options.without_hosts, real_hosts=options.real_hosts)
    try:
        server = listen(cloud, options.port)
    except OSError as problem:
        text = f"Port {options.port} of 127.0.0.1 cannot be opened ({problem.strerror}): give another --port, or none."
        print(text, file=sys.stderr)
        return 1
    serving = threading.Thread(target=server.serve_forever, args=(0.1,), name="server", daemon=True)
    serving.start()
    address = write_address(options.state, server.port)
    try:
        cloud.load()
        supervisor = _reconciler(options.state, server.port) if cloud.emulation.with_hosts else None
        if supervisor:
            supervisor.start()
        ending.wait_until(told)
        if supervisor:
            # It still needs this server's answers while it removes its hosts.
            supervisor.stop()
    finally:
        address.unlink(missing_ok=True)
        server.shutdown()
    return 0


def _reconciler(state: Path, port: int) -> Supervisor:
    url = f"http://127.0.0.1:{port}"
    return Supervisor([sys.executable, "-m", "rehearsal.hosts", "--state", str(state), "--url", url])


if __name__ == "__main__":
    sys.exit(main())

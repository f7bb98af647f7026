"""The mirror serves its folder, and nothing else."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal.served import MirrorServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MirrorServer]:
    root = tmp_path / "mirror"
    (root / "wheels").mkdir(parents=True)
    (root / "wheels" / "a.whl").write_bytes(b"wheel")
    (tmp_path / "secret").write_text("secret")
    (root / "way-out").symlink_to(tmp_path / "secret")
    running = MirrorServer(("127.0.0.1", 0), root, tmp_path / "log")
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield running
    running.shutdown()
    running.server_close()


def get(server: MirrorServer, path: str, method: str = "GET") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    connection.request(method, path)
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_files_and_listings(server: MirrorServer, tmp_path: Path) -> None:
    assert get(server, "/wheels/a.whl") == (200, b"wheel")
    status, body = get(server, "/wheels/")
    assert (status, b'href="a.whl"' in body) == (200, True)
    assert "/wheels/a.whl" in (tmp_path / "log").read_text()


@pytest.mark.parametrize(
    "path", ["/../secret", "/%2e%2e/secret", "/way-out", "/wheels/../../secret", "/a%00b", "/nothing"]
)
def test_no_way_out(server: MirrorServer, path: str) -> None:
    status, body = get(server, path)
    assert status == 404
    assert b"secret" not in body


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
def test_read_only(server: MirrorServer, method: str) -> None:
    assert get(server, "/wheels/a.whl", method)[0] == 501


def test_the_bridges_address_can_be_taken_before_the_bridge_is_there(tmp_path: Path) -> None:
    # 192.0.2.0/24 is reserved for documentation (RFC 5737), so no interface of this machine should have it.
    MirrorServer(("192.0.2.77", 0), tmp_path, tmp_path / "log").server_close()

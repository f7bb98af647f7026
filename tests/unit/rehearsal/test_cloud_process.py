"""The cloud as a process: its address file, its end, its exit codes."""

from __future__ import annotations

import json
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal import settings


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A cloud without hosts; state in tmp_path/state. It is gone after the test whatever happens."""
    command = [sys.executable, "-m", "rehearsal.cloud", "--state", str(tmp_path / "state"), "--without-hosts"]
    process = subprocess.Popen(command, cwd=settings.ROOT, text=True, stderr=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


def address(state: Path) -> dict[str, object]:
    end = time.monotonic() + 60
    while not (state / "cloud.json").exists():
        assert time.monotonic() < end, "the cloud did not write its address"
        time.sleep(0.02)
    value: dict[str, object] = json.loads((state / "cloud.json").read_text())
    return value


def test_it_says_where_it_listens_and_leaves_nothing(cloud: subprocess.Popen[str], tmp_path: Path) -> None:
    found = address(tmp_path / "state")
    assert found == {"pid": cloud.pid, "port": found["port"], "url": f"http://127.0.0.1:{found['port']}"}
    assert stat.S_IMODE((tmp_path / "state/cloud.json").stat().st_mode) == 0o600
    with urllib.request.urlopen(f"{found['url']}/_rehearsal/ready", timeout=60) as answer:
        assert json.loads(answer.read())["account"] == settings.ACCOUNT
    cloud.send_signal(signal.SIGTERM)
    assert cloud.wait(60) == 0
    assert list((tmp_path / "state").iterdir()) == []


def test_a_taken_port_is_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "rehearsal.cloud", "--state", str(tmp_path), "--port", port]
        ended = subprocess.run(command, cwd=settings.ROOT, text=True, capture_output=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert ended.stderr.startswith(f"Port {port} of 127.0.0.1 cannot be opened")
    assert not (tmp_path / "cloud.json").exists()

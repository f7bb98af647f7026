"""The module mnist_data, run as Ansible runs it, against a server and folders of its own. Small made files stand in."""

from __future__ import annotations

import gzip
import hashlib
import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.gpulab.core.plugins.module_utils import idx_files
from ansible_collections.gpulab.core.plugins.modules import mnist_data

CONTENT = {name: name.encode() * 3 for name in idx_files.NAMES}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing: a test's output is its result."""


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, raw in CONTENT.items():
        monkeypatch.setitem(idx_files.SIZES, name, len(raw))
        monkeypatch.setitem(idx_files.SHA256, name, hashlib.sha256(raw).hexdigest())


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    for name, raw in CONTENT.items():
        (folder / name).write_bytes(raw)
    return folder


@pytest.fixture
def server(source: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(source))) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


def run(capsys: pytest.CaptureFixture[str], dest: Path, sources: list[str], check: bool = False) -> dict[str, Any]:
    arguments = {"dest": str(dest), "sources": sources, "timeout": 5, "_ansible_check_mode": check}
    with patch_module_args(arguments | {"_ansible_remote_tmp": str(dest.parent)}), pytest.raises(SystemExit):
        mnist_data.main()
    return json.loads(capsys.readouterr().out)


def test_plain_files_from_a_server_and_a_second_run(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, server: str
) -> None:
    first = run(capsys, tmp_path / "d", [server])
    assert first["changed"] is True
    assert first["files"] == {name: f"{server}/{name}" for name in CONTENT}
    assert {path.name: path.read_bytes() for path in (tmp_path / "d").iterdir()} == CONTENT
    second = run(capsys, tmp_path / "d", ["http://127.0.0.1:1"])
    assert (second["changed"], set(second["files"].values())) == (False, {"present"})


def test_compressed_files_are_preferred(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, server: str, source: Path
) -> None:
    for name, raw in CONTENT.items():
        (source / f"{name}.gz").write_bytes(gzip.compress(raw))
        (source / name).unlink()
    result = run(capsys, tmp_path / "d", [server])
    assert result["files"] == {name: f"{server}/{name}.gz" for name in CONTENT}
    assert {path.name: path.read_bytes() for path in (tmp_path / "d").iterdir()} == CONTENT


def test_a_dead_server_then_a_folder(capsys: pytest.CaptureFixture[str], tmp_path: Path, source: Path) -> None:
    result = run(capsys, tmp_path / "d", ["http://127.0.0.1:1", str(source)])
    assert result["files"] == {name: f"{source}/{name}" for name in CONTENT}


def test_only_the_wrong_file_is_replaced(capsys: pytest.CaptureFixture[str], source: Path, tmp_path: Path) -> None:
    run(capsys, tmp_path / "d", [str(source)])
    wrong = idx_files.NAMES[1]
    (tmp_path / "d" / wrong).write_bytes(b"damaged")
    result = run(capsys, tmp_path / "d", [str(source)])
    assert [name for name, where in result["files"].items() if where != "present"] == [wrong]
    assert (tmp_path / "d" / wrong).read_bytes() == CONTENT[wrong]


def test_check_mode_says_so_and_writes_nothing(
    capsys: pytest.CaptureFixture[str], source: Path, tmp_path: Path
) -> None:
    result = run(capsys, tmp_path / "d", [str(source)], check=True)
    assert (result["changed"], set(result["files"].values())) == (True, {"missing"})
    assert not (tmp_path / "d").exists()


def test_every_source_fails_with_its_reason(
    capsys: pytest.CaptureFixture[str], source: Path, server: str, tmp_path: Path
) -> None:
    first = idx_files.NAMES[0]
    (source / first).write_bytes(CONTENT[first][:-1])
    result = run(capsys, tmp_path / "d", [server, str(tmp_path / "none")])
    assert result["failed"] is True
    assert f"{server}/{first}.gz (HTTP Error 404" in result["msg"]
    assert f"expected {idx_files.SHA256[first]}" in result["msg"]
    assert f"{tmp_path}/none/{first} (No such file or directory)" in result["msg"]
    assert not (tmp_path / "d" / first).exists()

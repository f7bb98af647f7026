"""The module conda_env_info as Ansible runs it, over environments in folders of this machine."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpulab.core.plugins.modules import conda_env_info

from tests.support.fake_host import run_module

LOCK = "tqdm==4.70.1 --hash=sha256:aa\n"
PROGRAM = b"a program"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No environments of this machine's user."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def look(folder: Path, capsys: pytest.CaptureFixture[str], **options: Any) -> dict[str, Any]:
    given = {
        "prefix": str(folder / "root/envs/x"),
        "profile": "modern",
        "build": "cpu",
        "imports": ["json"],
        "specs": ["python", "pip"],
        "channels": ["http://m/conda"],
        "requirements": {"cpu": LOCK, "cuda": "other"},
        "megabytes": {"cpu": 1, "cuda": 1},
        "pin": {"version": "2.9.0-0", "url": "", "arch": {}, "sha256": {}},
        "micromamba": f"http://m/micromamba#sha256={hashlib.sha256(PROGRAM).hexdigest()}",
    }
    return run_module(conda_env_info, capsys, given | options)


def make(folder: Path, key: str) -> Path:
    """An environment as the role leaves it, with this machine's Python."""
    path = folder / f"root/envs/x-{key[:12]}"
    site = path / "lib/python3.11/site-packages"
    for made in (path / "bin", path / "conda-meta", site / "tqdm-4.70.1.dist-info"):
        made.mkdir(parents=True)
    (path / "bin/python").symlink_to(sys.executable)
    marker = {"key": key, "conda": {}, "pip": {"tqdm": "4.70.1"}}
    (path / "gpulab.json").write_text(json.dumps(marker))
    (folder / "root/envs/x").symlink_to(path)
    return path


def test_absent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = look(tmp_path, capsys)
    assert (said["verdict"], said["changed"], said["prefix_ready"], said["root_is_ours"]) == (
        "absent",
        False,
        False,
        False,
    )
    assert said["plan"]["prefix"] == f"{tmp_path}/root/envs/x-{said['key'][:12]}"
    assert LOCK in said["plan"]["script"]
    assert (said["imports"], said["findings"]) == ({}, [])
    assert list(tmp_path.iterdir()) == []


def test_ready(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = make(tmp_path, look(tmp_path, capsys)["key"])
    said = look(tmp_path, capsys)
    assert (said["verdict"], said["plan"]["prefix"], said["prefix_ready"]) == ("ready", str(path), True)
    assert set(said["imports"]) == {"json"}
    assert said["findings"] == []
    assert (said["packages"]["pip"], said["extras"]) == ({"tqdm": "4.70.1"}, [])
    assert said["pip_install"][0] == f"{path}/bin/python"
    assert str(path) in said["conda_install"]


def test_build_decides_what_is_wanted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path, look(tmp_path, capsys)["key"])
    said = look(tmp_path, capsys, build="cuda")
    assert (said["verdict"], said["build"], said["locked"]) == ("outdated", "cuda", [])


def test_module_that_does_not_import_is_a_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path, look(tmp_path, capsys)["key"])
    (finding,) = look(tmp_path, capsys, imports=["json", "no_such_module"])["findings"]
    assert finding["module"] == "no_such_module"


def test_program_counts_as_there_when_it_is_the_very_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert look(tmp_path, capsys)["tool"]["there"] is False
    program = tmp_path / "root/bin/micromamba"
    program.parent.mkdir(parents=True)
    program.write_bytes(PROGRAM)
    assert look(tmp_path, capsys)["tool"]["there"] is True
    program.write_bytes(PROGRAM + b" that was changed")
    assert look(tmp_path, capsys)["tool"]["there"] is False


def test_files_beside_it_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "same").write_text("text\n")
    files = {str(tmp_path / "same"): "text\n", str(tmp_path / "missing"): "text\n"}
    assert look(tmp_path, capsys, files=files)["files"] == [str(tmp_path / "missing")]


def test_tool_that_cannot_be_chosen_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = look(tmp_path, capsys, micromamba="http://m/micromamba")
    assert said["failed"] is True
    assert "expected URL#sha256=HEX" in said["msg"]

"""The checks on MNIST's bytes. Small made files stand in for the real ones: the tables are replaced."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
from pathlib import Path

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import idx_files

ROOT = Path(__file__).parents[2]
RAW = bytes(range(200))


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(idx_files.SIZES, "x", len(RAW))
    monkeypatch.setitem(idx_files.SHA256, "x", hashlib.sha256(RAW).hexdigest())


@pytest.mark.parametrize("body", [RAW, gzip.compress(RAW)])
def test_checked_takes_plain_and_gzip(body: bytes) -> None:
    assert idx_files.checked("x", body) == RAW


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (RAW[:-1], r"\(199 bytes\), expected [0-9a-f]{64} \(200 bytes\)"),
        (RAW[:-1] + b"\0", "sha256 [0-9a-f]{64}"),
        (b"", r"\(0 bytes\)"),
        (b"<html>no such file</html>", "expected"),
        (gzip.compress(RAW + b"x"), r"\(201 bytes\)"),
        (gzip.compress(RAW)[:20], "expected"),
        (b"\x1f\x8b\x08\0rubbish rubbish", "gzip data is damaged"),
        (gzip.compress(bytes(10_000_000)), r"\(201 bytes\)"),
    ],
)
def test_checked_refuses_everything_else(body: bytes, sentence: str) -> None:
    with pytest.raises(idx_files.IdxError, match=sentence):
        idx_files.checked("x", body)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("http://m/mnist", [("url", "http://m/mnist/x.gz"), ("url", "http://m/mnist/x")]),
        ("http://m/mnist/", [("url", "http://m/mnist/x.gz"), ("url", "http://m/mnist/x")]),
        ("/data", [("path", "/data/x.gz"), ("path", "/data/x")]),
        ("file:///data/", [("path", "/data/x.gz"), ("path", "/data/x")]),
    ],
)
def test_locations(source: str, expected: list[tuple[str, str]]) -> None:
    assert idx_files.locations(source, "x") == expected


def test_all_failed_lists_each_source() -> None:
    sentence = idx_files.all_failed("x", [("http://a/x", "HTTP 404"), ("/b/x", "No such file")])
    assert "http://a/x (HTTP 404); /b/x (No such file)" in sentence
    assert "no source is given" in idx_files.all_failed("x", [])


def test_the_program_on_the_host_knows_the_same_hashes() -> None:
    path = ROOT / "roles/gpu_benchmark/files/gpubench/data.py"
    spec = importlib.util.spec_from_file_location("gpubench_data", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert {name: idx_files.SHA256[name] for name in idx_files.NAMES} == module.SHA256

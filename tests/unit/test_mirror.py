"""The mirror of wheels and MNIST: its pure parts, its swap, and what it does with a wrong archive. No network."""

from __future__ import annotations

import hashlib
import io
import tarfile
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote

import pytest

from rehearsal import mirror, settings

SMALL = {"a-ubyte": b"images", "b-ubyte": b"labels"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(settings, "CACHE", tmp_path)
    monkeypatch.setattr(settings, "MIRROR", tmp_path / "mirror")
    return tmp_path / "mirror"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    known: ModuleType = mirror.idx_files()
    monkeypatch.setattr(known, "NAMES", tuple(SMALL))
    monkeypatch.setattr(known, "SIZES", {name: len(raw) for name, raw in SMALL.items()})
    monkeypatch.setattr(known, "SHA256", {name: hashlib.sha256(raw).hexdigest() for name, raw in SMALL.items()})
    monkeypatch.setattr(mirror, "idx_files", lambda: known)


def archive(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, raw in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(raw)
            tar.addfile(member, io.BytesIO(raw))
    return path


def test_ensure_makes_once_and_again_for_another_recipe(folder: Path) -> None:
    made: list[str] = []

    def make(part: Path) -> None:
        made.append(part.name)
        (part / "file").write_text(str(len(made)))

    assert mirror.ensure("things", "one", make) is True
    assert mirror.ensure("things", "one", make) is False
    assert mirror.ensure("things", "two", make) is True
    assert (folder / "things/file").read_text() == "2"
    assert [path.name for path in folder.iterdir()] == ["things"]


def test_a_failed_making_leaves_the_old_folder(folder: Path) -> None:
    mirror.ensure("things", "one", lambda part: (part / "file").touch())

    def fail(part: Path) -> None:
        (part / "half").touch()
        raise mirror.MirrorError("no network.")

    with pytest.raises(mirror.MirrorError):
        mirror.ensure("things", "two", fail)
    assert (folder / "things/file").exists()
    assert not (folder / "things/half").exists()
    mirror.ensure("things", "two", lambda part: (part / "new").touch())
    assert sorted(path.name for path in (folder / "things").iterdir()) == [".key", "new"]


def test_recipe_keys_differ_with_any_part() -> None:
    keys = [mirror.recipe_key(*parts) for parts in (("a", "b"), ("ab",), ("a", "c"), ("b", "a"))]
    assert len(set(keys)) == 4
    assert mirror.recipe_key("a", "b") == keys[0]


def test_index_page_links_survive_a_plus() -> None:
    names = ["torch-2.13.0+cpu-cp311-cp311-linux_x86_64.whl", "sympy-1.14.0-py3-none-any.whl"]
    links: list[str] = []

    class Links(HTMLParser):
        def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
            links.extend(value or "" for key, value in attributes if (tag, key) == ("a", "href"))

    Links().feed(mirror.index_page(names))
    assert sorted(unquote(link) for link in links) == sorted(names)
    assert not any("+" in link for link in links)


def test_pip_fetches_for_the_hosts_whatever_runs_it(tmp_path: Path) -> None:
    command = mirror.pip_download(tmp_path, ["--extra-index-url", "http://x"])
    pairs = list(pairwise(command))
    assert ("--python-version", "3.11") in pairs
    assert ("--abi", "cp311") in pairs
    assert ("--platform", "manylinux_2_28_x86_64") in pairs
    assert "--require-hashes" in command
    assert command[-2:] == ["--extra-index-url", "http://x"]


@pytest.mark.usefixtures("small")
def test_unpack_takes_the_known_files_only(tmp_path: Path) -> None:
    files = {f"package/data/{name}": raw for name, raw in SMALL.items()} | {"package/install.js": b"x", "../out": b"x"}
    target = tmp_path / "mnist"
    target.mkdir()
    mirror.unpack_mnist(archive(tmp_path / "m.tgz", files), target)
    assert {path.name: path.read_bytes() for path in target.iterdir()} == SMALL


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"package/data/a-ubyte": b"images"}, "has no package/data/b-ubyte"),
        ({"package/data/a-ubyte": b"damage", "package/data/b-ubyte": b"labels"}, "a-ubyte: sha256 [0-9a-f]{64}"),
        ({"package/data/a-ubyte": b"images and more", "package/data/b-ubyte": b"labels"}, "expected [0-9a-f]{64}"),
    ],
)
def test_unpack_refuses_a_wrong_archive(tmp_path: Path, files: dict[str, bytes], sentence: str) -> None:
    with pytest.raises(mirror.MirrorError, match=sentence):
        mirror.unpack_mnist(archive(tmp_path / "m.tgz", files), tmp_path)


def test_run_gives_the_last_line_of_a_failure(tmp_path: Path) -> None:
    assert mirror.run(["sh", "-c", "exit 0"], tmp_path) == ""
    assert mirror.run(["sh", "-c", "echo first >&2; echo last >&2; exit 3"], tmp_path) == "last"
    assert mirror.run(["sh", "-c", "exit 3"], tmp_path) == "exit code 3"
    assert mirror.run(["no-such-command-here"], tmp_path) == "no-such-command-here is not installed"


def test_every_requirement_is_pinned_with_a_hash() -> None:
    for name in ("requirements-cpu.txt", "requirements-cuda.txt"):
        lines = (mirror.REQUIREMENTS.parent / name).read_text().splitlines()
        pins = [number for number, line in enumerate(lines) if line and not line.startswith((" ", "#"))]
        assert len(pins) >= 10
        assert all("==" in lines[number] and "--hash=sha256:" in lines[number + 1] for number in pins)

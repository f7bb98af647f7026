"""The mirror of wheels and MNIST: its pure parts, its swap, and what it does with a wrong archive. No network."""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote

import pytest

from rehearsal import making, mirror, settings, wheels
from rehearsal.making import MirrorError
from rehearsal.wheels import WheelSet

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

    assert making.ensure(folder / "things", "one", make) is True
    assert making.ensure(folder / "things", "one", make) is False
    assert making.ensure(folder / "things", "two", make) is True
    assert (folder / "things/file").read_text() == "2"
    assert [path.name for path in folder.iterdir()] == ["things"]


def test_a_failed_making_leaves_the_old_folder(folder: Path) -> None:
    making.ensure(folder / "things", "one", lambda part: (part / "file").touch())

    def fail(part: Path) -> None:
        (part / "half").touch()
        raise MirrorError("no network.")

    with pytest.raises(MirrorError):
        making.ensure(folder / "things", "two", fail)
    assert (folder / "things/file").exists()
    assert not (folder / "things/half").exists()
    making.ensure(folder / "things", "two", lambda part: (part / "new").touch())
    assert sorted(path.name for path in (folder / "things").iterdir()) == [".key", "new"]


def test_recipe_keys_differ_with_any_part() -> None:
    keys = [making.recipe_key(*parts) for parts in (("a", "b"), ("ab",), ("a", "c"), ("b", "a"))]
    assert len(set(keys)) == 4
    assert making.recipe_key("a", "b") == keys[0]


def test_index_page_links_survive_a_plus() -> None:
    names = ["torch-2.13.0+cpu-cp311-cp311-linux_x86_64.whl", "sympy-1.14.0-py3-none-any.whl"]
    links: list[str] = []

    class Links(HTMLParser):
        def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
            links.extend(value or "" for key, value in attributes if (tag, key) == ("a", "href"))

    Links().feed(wheels.index_page(names))
    assert sorted(unquote(link) for link in links) == sorted(names)
    assert not any("+" in link for link in links)


def test_pip_fetches_for_the_hosts_whatever_runs_it(tmp_path: Path) -> None:
    command = wheels.pip_download(wheels.BENCHMARK, tmp_path / "x.txt", tmp_path, ["--extra-index-url", "http://x"])
    pairs = list(pairwise(command))
    assert ("--python-version", "3.11") in pairs
    assert ("--abi", "cp311") in pairs
    assert ("--platform", "manylinux_2_28_x86_64") in pairs
    assert "--require-hashes" in command
    assert command[-2:] == ["--extra-index-url", "http://x"]


def test_pip_fetches_for_python_36_what_its_pip_will_take(tmp_path: Path) -> None:
    pairs = list(pairwise(wheels.pip_download(wheels.PROFILES["carnd-2017"], tmp_path / "x.txt", tmp_path, [])))
    assert ("--python-version", "3.6.15") in pairs
    assert ("--abi", "cp36m") in pairs
    assert ("--platform", "manylinux1_x86_64") in pairs
    assert not any("manylinux_2" in word for pair in pairs for word in pair)


def test_wheels_are_fetched_again_for_another_lock_only(tmp_path: Path) -> None:
    lock = tmp_path / "requirements-cpu.txt"
    wanted = WheelSet("wheels-x", lock, "3.11", wheels.MODERN)
    with pytest.raises(MirrorError, match=r"requirements-cpu\.txt is missing: check out"):
        wanted.key()
    lock.write_text("six==1.17.0")
    first = wanted.key()
    assert first == wanted.key()
    assert first != wanted._replace(python="3.6").key()
    lock.write_text("six==1.16.0")
    assert first != wanted.key()


PINS = """\
# a comment
a==1 \\
    --hash=sha256:1 \\
    --hash=sha256:2
    # via b
b==2 --hash=sha256:3
c==3 \\
    --hash=sha256:4"""


def test_pins_are_dealt_out_with_their_hashes() -> None:
    one, two = wheels.shares(PINS, 2)
    assert [line for line in one.splitlines() if line[0] != " "] == ["a==1 \\", "c==3 \\"]
    assert re.findall(r"sha256:(\d)", one) == ["1", "2", "4"]
    assert two == "b==2 --hash=sha256:3\n"
    assert len(wheels.shares(PINS, 9)) == 3
    assert wheels.shares("# nothing\n", 4) == []


def test_wheels_that_pip_cannot_get_end_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "requirements-cpu.txt"
    lock.write_text("six==1.17.0 --hash=sha256:" + "0" * 64 + "\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    target = tmp_path / "wheels"
    target.mkdir()
    with pytest.raises(
        MirrorError, match=r"pip found no full set of wheels for .*requirements-cpu\.txt.*six==1\.17\.0"
    ):
        wheels.make(WheelSet("wheels-x", lock, "3.11", wheels.MODERN), target)


def test_a_page_lists_wheels_and_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a-1-py3-none-any.whl", "moviepy-0.2.3.2.tar.gz", "b-1.zip", "pip.log"):
        (tmp_path / name).touch()
    monkeypatch.setattr(wheels, "run", lambda _command, _folder: "")
    wheels.make(wheels.BENCHMARK, tmp_path)
    page = (tmp_path / "index.html").read_text()
    assert all(f">{name}<" in page for name in ("a-1-py3-none-any.whl", "moviepy-0.2.3.2.tar.gz", "b-1.zip"))
    assert "pip.log" not in page


def test_the_command_line_takes_environments_that_exist_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    filled: list[tuple[str, ...]] = []
    monkeypatch.setattr(mirror, "fill", lambda profiles: filled.append(tuple(profiles)))
    monkeypatch.setattr("sys.argv", ["mirror", "carnd-2017"])
    assert mirror.main() == 0
    monkeypatch.setattr("sys.argv", ["mirror"])
    assert mirror.main() == 0
    assert filled == [("carnd-2017",), ("modern",)]
    monkeypatch.setattr("sys.argv", ["mirror", "carnd-2016"])
    with pytest.raises(SystemExit):
        mirror.main()
    assert "no environment is called carnd-2016: choose from modern, carnd-2017" in capsys.readouterr().err


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
    with pytest.raises(MirrorError, match=sentence):
        mirror.unpack_mnist(archive(tmp_path / "m.tgz", files), tmp_path)


def test_run_gives_the_last_line_of_a_failure(tmp_path: Path) -> None:
    assert making.run(["sh", "-c", "exit 0"], tmp_path) == ""
    assert making.run(["sh", "-c", "echo first >&2; echo last >&2; exit 3"], tmp_path) == "last"
    assert making.run(["sh", "-c", "exit 3"], tmp_path) == "exit code 3"
    assert making.run(["no-such-command-here"], tmp_path) == "no-such-command-here is not installed"


def test_every_requirement_is_pinned_with_a_hash() -> None:
    for name in ("requirements-cpu.txt", "requirements-cuda.txt"):
        lines = (wheels.BENCHMARK.requirements.parent / name).read_text().splitlines()
        pins = [number for number, line in enumerate(lines) if line and not line.startswith((" ", "#"))]
        assert len(pins) >= 10
        assert all("==" in lines[number] and "--hash=sha256:" in lines[number + 1] for number in pins)

"""The channel and the stand-in micromamba together: real environments over HTTP, and what can go wrong."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal import conda_channel, conda_program, environment, making, mirror, served, settings

PROGRAM = settings.MIRROR / conda_program.FOLDER / conda_program.NAME


class Micromamba:
    """The program with a root folder of its own."""

    def __init__(self, root: Path, cache: Path, channel: str) -> None:
        self.root, self.channel = root, channel
        self.environment = os.environ | {"XDG_CACHE_HOME": str(cache), "PYTHONDONTWRITEBYTECODE": "1"}

    def command(self, verb: str, name: str, *more: str, channel: str = "") -> list[str]:
        where = ["-r", str(self.root), "-p", str(self.prefix(name))]
        return [str(PROGRAM), verb, "-y", "-q", *where, "--override-channels", "-c", channel or self.channel, *more]

    def __call__(self, verb: str, name: str, *more: str, channel: str = "") -> subprocess.CompletedProcess[str]:
        command = self.command(verb, name, *more, channel=channel)
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)

    def prefix(self, name: str) -> Path:
        return self.root / "envs" / name


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The mirror's URL on this machine, with channel and program in it."""
    with making.alone():
        mirror.fill_conda()
    server = served.serve(tmp_path_factory.mktemp("served") / "log", ("127.0.0.1", 0))
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="module")
def micromamba(tmp_path_factory: pytest.TempPathFactory, site: str) -> Micromamba:
    """The program, and an environment `base` with Python and pip that no test changes."""
    folder = tmp_path_factory.mktemp("conda")
    program = Micromamba(folder / "root", folder / "cache", f"{site}/{conda_channel.CHANNEL}")
    done = program("create", "base", "python >=3.11,<3.13", "pip")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    return program


def output(*command: str | Path) -> str:
    """What a command prints."""
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def tampered(tmp_path: Path, micromamba: Micromamba) -> tuple[Micromamba, Path]:
    """The program with an empty cache, and a channel whose noarch packages are a copy, to be spoilt."""
    channel = tmp_path / "channel"
    shutil.copytree(settings.MIRROR / conda_channel.CHANNEL / "noarch", channel / "noarch")
    (channel / "linux-64").symlink_to(settings.MIRROR / conda_channel.CHANNEL / "linux-64")
    program = Micromamba(tmp_path / "root", Path(micromamba.environment["XDG_CACHE_HOME"]), channel.as_uri())
    return program, channel


def test_the_program_says_that_it_stands_in_and_its_checksum_is_published(tmp_path: Path, site: str) -> None:
    own = os.environ | {"XDG_CACHE_HOME": str(tmp_path)}
    version = subprocess.run([PROGRAM, "--version"], env=own, capture_output=True, text=True, check=True).stdout
    assert version.startswith("2.9.0 (stand-in over py-rattler")
    assert not list(tmp_path.iterdir())  # nothing is unpacked for that
    assert site
    address, _, digest = conda_program.address().partition("#sha256=")
    assert address == f"{settings.MIRROR_URL}/micromamba/micromamba-linux-64"
    assert digest == hashlib.sha256(PROGRAM.read_bytes()).hexdigest()
    assert environment.variables("http://127.0.0.1:1")["GPULAB_MICROMAMBA"] == conda_program.address()


def test_without_a_program_none_is_announced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "MIRROR", tmp_path)
    assert conda_program.address() == ""


def test_the_environment_runs_where_it_is(micromamba: Micromamba) -> None:
    prefix = micromamba.prefix("base")
    lines = "import sys, sysconfig, ssl, sqlite3, ctypes, lzma; print(sys.prefix); print(sysconfig.get_path('purelib'))"
    assert output(prefix / "bin/python", "-c", lines).splitlines() == [
        str(prefix),
        str(prefix / "lib/python3.11/site-packages"),
    ]
    assert f"from {prefix}/lib/python3.11/" in output(prefix / "bin/pip", "--version")
    # Its own libraries, not this machine's.
    assert f"libcrypto.so.3 => {prefix}/" in output("ldd", *prefix.glob("lib/python3.11/lib-dynload/_ssl.*.so"))
    assert not list(prefix.glob("lib/python3.11/test*"))


def test_conda_meta_names_the_channel_and_no_text_names_the_machine(micromamba: Micromamba) -> None:
    prefix = micromamba.prefix("base")
    records = [json.loads(path.read_text()) for path in prefix.glob("conda-meta/*.json")]
    assert {"python", "pip", "setuptools", "wheel", "packaging"} == {record["name"] for record in records}
    assert all(record["url"].startswith(f"{micromamba.channel}/") for record in records)
    python = next(record for record in records if record["name"] == "python")
    own = conda_channel.interpreters()["3.11"].prefix
    if own != Path("/usr"):
        relocated = [entry["_path"] for entry in python["paths_data"]["paths"] if entry.get("prefix_placeholder")]
        assert relocated
        assert all(str(prefix) in (prefix / name).read_text() for name in relocated)
        assert not any(str(own) in (prefix / name).read_text() for name in relocated)


def test_an_environment_file_and_then_more_packages(micromamba: Micromamba, tmp_path: Path) -> None:
    file = tmp_path / "environment.yml"
    file.write_text("name: x\nchannels: [conda-forge]\ndependencies: [python =3.11, pip]\n")
    assert micromamba("create", "more", "-f", str(file)).returncode == 0
    prefix = micromamba.prefix("more")
    assert not (prefix / "bin/tqdm").exists()
    done = micromamba("install", "more", "tqdm")
    assert done.returncode == 0, done.stderr
    assert output(prefix / "bin/tqdm", "--version")
    assert (prefix / "bin/pip").exists()
    # Another create takes its place.
    assert micromamba("create", "more", "python").returncode == 0
    assert not (prefix / "bin/tqdm").exists()


def test_the_solver_picks_what_fits_an_old_python(micromamba: Micromamba) -> None:
    if "3.6" not in conda_channel.interpreters():
        pytest.skip("this machine has no Python 3.6 to make a package of")
    done = micromamba("create", "old", "python 3.6.*", "pip", "tqdm")
    assert done.returncode == 0, done.stderr
    assert output(micromamba.prefix("old") / "bin/pip", "--version").startswith("pip 21.3.1 ")
    unsolvable = micromamba("create", "x", "python 3.6.*", "pip >=22")
    assert unsolvable.returncode == 1
    lines = unsolvable.stderr.splitlines()
    assert lines[0] == "error    libmamba Could not solve for environment specs"
    assert lines[1] == "    The following packages are incompatible"
    assert any("pip 26" in line for line in lines)


def test_an_explicit_list_is_checked_line_by_line(tampered: tuple[Micromamba, Path], tmp_path: Path) -> None:
    program, _ = tampered
    (archive,) = (settings.MIRROR / conda_channel.GTK_CHANNEL).glob("linux-64/opencv-*.conda")
    lock = tmp_path / "linux-64.lock"
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    lock.write_text(f"@EXPLICIT\n{archive.as_uri()}#sha256:{digest}\n")
    assert program("create", "a", "-f", str(lock)).returncode == 0
    record = json.loads(next(program.prefix("a").glob("conda-meta/opencv-*.json")).read_text())
    assert record["url"] == archive.as_uri()
    lock.write_text(f"@EXPLICIT\n{archive.as_uri()}#sha256:{'0' * 64}\n")
    done = program("create", "b", "-f", str(lock))
    assert done.returncode == 1
    assert f"    Expected: {'0' * 64}\n    Actual: {digest}\n" in done.stderr


def test_a_changed_package_is_refused_and_nothing_is_linked(tampered: tuple[Micromamba, Path]) -> None:
    program, channel = tampered
    (archive,) = channel.glob("noarch/tqdm-4.7*.conda")
    content = archive.read_bytes()
    archive.write_bytes(content[:-100] + bytes([content[-100] ^ 1]) + content[-99:])
    done = program("create", "a", "tqdm")
    assert done.returncode == 1
    assert "error    libmamba File not valid: SHA256 doesn't match expectation" in done.stderr
    assert done.stderr.endswith("critical libmamba Found incorrect downloads. Aborting\n")
    assert not program.prefix("a").exists()
    archive.write_bytes(content[:1000])
    assert "file size doesn't match expectation" in program("create", "a", "tqdm").stderr
    archive.unlink()
    assert f"critical libmamba Download error (37) Could not read a file:// file [{archive.as_uri()}]" in (
        program("create", "a", "tqdm").stderr
    )
    archive.write_bytes(content)
    assert program("create", "a", "tqdm").returncode == 0


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (
            ["python", "samtoolz"],
            ["    The following package could not be installed", "    └─ samtoolz =* * does not exist"],
        ),
        (["python 3.99.*"], ["    └─ python =3.99 * does not exist (perhaps a typo or a missing channel)."]),
        (
            ["samtoolz", "tqdm <4"],
            ["    ├─ samtoolz =* * does not exist (perhaps a typo", "    └─ tqdm <4 * does not exist (perhaps a typo"],
        ),
    ],
)
def test_packages_that_no_channel_has(micromamba: Micromamba, words: list[str], lines: list[str]) -> None:
    done = micromamba("create", "x", *words)
    assert done.returncode == 1
    assert all(f"\n{line}" in done.stderr for line in lines)
    assert not micromamba.prefix("x").exists()


def test_channels_that_cannot_be_had(micromamba: Micromamba, site: str) -> None:
    missing = micromamba("create", "x", "python", channel=f"{site}/none")
    assert f"    Transfer finalized, status: 404 [{site}/none/linux-64/repodata.json] 0 bytes" in missing.stderr
    refused = micromamba("create", "x", "python", channel="http://127.0.0.1:9/conda")
    assert "critical libmamba Download error (7) Could not connect to server [http://127.0.0.1:9/" in refused.stderr
    assert (missing.returncode, refused.returncode) == (1, 1)
    assert not micromamba.prefix("x").exists()


def test_a_killed_creation_is_made_whole_by_the_next(tampered: tuple[Micromamba, Path]) -> None:
    program, _ = tampered
    command = program.command("create", "a", "python", "pip", "tqdm")
    process = subprocess.Popen(command, env=program.environment)
    deadline = time.monotonic() + 60
    while not program.prefix("a").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (program.prefix("a") / "bin/tqdm").exists()
    done = program("create", "a", "python", "pip", "tqdm")
    assert done.returncode == 0, done.stderr
    assert output(program.prefix("a") / "bin/tqdm", "--version")


def test_an_engine_that_was_unpacked_by_half_is_unpacked_again(tmp_path: Path, micromamba: Micromamba) -> None:
    (tmp_path / "stand-in-micromamba/part/engine/rattler").mkdir(parents=True)
    (tmp_path / "stand-in-micromamba/part/engine/rattler/__init__.py").write_text("raise SystemExit('half')")
    program = Micromamba(tmp_path / "root", tmp_path, micromamba.channel)
    assert "does not exist (perhaps a typo" in program("create", "a", "samtoolz").stderr
    assert not (tmp_path / "stand-in-micromamba/part").exists()


def test_the_other_channels_opencv_wants_gtk(micromamba: Micromamba, site: str) -> None:
    assert "opencv =* * does not exist" in micromamba("install", "base", "opencv").stderr
    other = ("-c", f"{site}/{conda_channel.GTK_CHANNEL}")
    done = micromamba("create", "cv", "python", "opencv", *other)
    assert done.returncode == 0, done.stderr
    prefix = micromamba.prefix("cv")
    (extension,) = prefix.glob("lib/python3.11/site-packages/cv2/*.so")
    assert conda_channel.GTK in output("ldd", extension)
    imported = subprocess.run(
        [prefix / "bin/python", "-c", "import cv2; print(cv2.__version__)"], capture_output=True, text=True, check=False
    )
    # By whether this machine has GTK 2.
    refusal = f"ImportError: {conda_channel.GTK}: cannot open shared object file: No such file or directory"
    assert imported.stdout == "3.4.2\n" or refusal in imported.stderr

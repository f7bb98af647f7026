"""The stand-in micromamba's words for what goes wrong, its downloads, what it understands. No engine, no network."""

from __future__ import annotations

import functools
import http.client
import socket
import threading
import urllib.error
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from rehearsal.stand_in_micromamba import command, download, failures, specs
from rehearsal.stand_in_micromamba.download import Wanted
from rehearsal.stand_in_micromamba.failures import Failure

HASH = "ab" * 32
URL = "http://mirror:8181/conda/noarch/repodata.json"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and the URL that serves it."""
    folder = tmp_path / "site"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("error", "number", "words"),
    [
        (urllib.error.URLError(ConnectionRefusedError(111, "Connection refused")), 7, "Could not connect to server"),
        (urllib.error.URLError(OSError(113, "No route to host")), 7, "Could not connect to server"),
        (urllib.error.URLError(socket.gaierror(-2, "Name or service not known")), 6, "Could not resolve host"),
        (urllib.error.URLError(TimeoutError("timed out")), 28, "Timeout was reached"),
        (TimeoutError("timed out"), 28, "Timeout was reached"),
        (http.client.IncompleteRead(b"half", 12), 18, "Transferred a partial file"),
        (ConnectionResetError(104, "Connection reset by peer"), 56, "Connection reset by peer"),
        (urllib.error.URLError(OSError(28, failures.NO_SPACE)), 23, "Failed writing received data"),
    ],
)
def test_a_transfer_that_fails_has_libcurls_number(error: Exception, number: int, words: str) -> None:
    lines = str(failures.transport(URL, error)).splitlines()
    assert any(line.startswith(f"critical libmamba Download error ({number}) ") and URL in line for line in lines)
    assert any(words in line for line in lines)
    assert all(
        line.startswith(("warning  libmamba ", "error    libmamba ", "critical libmamba ", "    ")) for line in lines
    )


def test_a_missing_folder_is_a_file_that_curl_cannot_read() -> None:
    text = str(failures.transport("file:///x/noarch/repodata.json", urllib.error.URLError("No such file")))
    assert (
        "critical libmamba Download error (37) Could not read a file:// file [file:///x/noarch/repodata.json]" in text
    )


def test_unknown_packages_are_a_tree() -> None:
    assert str(failures.missing(["samtoolz =* *"])).splitlines() == [
        "error    libmamba Could not solve for environment specs",
        "    The following package could not be installed",
        "    └─ samtoolz =* * does not exist (perhaps a typo or a missing channel).",
        "critical libmamba Could not solve for environment specs",
    ]
    assert str(failures.missing(["a =* *", "b =1.2 *"])).splitlines()[1:4] == [
        "    The following packages are incompatible",
        "    ├─ a =* * does not exist (perhaps a typo or a missing channel);",
        "    └─ b =1.2 * does not exist (perhaps a typo or a missing channel).",
    ]


def test_a_full_disk_is_named_wherever_it_is_met() -> None:
    assert failures.NO_SPACE in str(failures.linking(f"failed\nCaused by: {failures.NO_SPACE} (os error 28)", "/p"))
    assert str(failures.linking("failed\nCaused by: other", "/p")) == "critical libmamba failed Caused by: other"
    assert failures.NO_SPACE in str(failures.no_space_for_download(URL, "/p/x"))


def test_a_package_arrives_checked(site: tuple[Path, str], tmp_path: Path) -> None:
    (site[0] / "x.conda").write_bytes(b"package")
    digest = "bc4f12180c13c5b0bf3c2d6fa0f0a25c7e9c38fd8a1d77bb3fdc7d7b31ab5c7f"
    wanted = Wanted(f"{site[1]}/x.conda", "x.conda", sha256=digest, size=7)
    with pytest.raises(Failure) as caught:
        download.package(wanted, tmp_path)
    lines = str(caught.value).splitlines()
    assert lines[0] == f'error    libmamba File not valid: SHA256 doesn\'t match expectation "{tmp_path}/x.conda"'
    assert lines[1] == f"    Expected: {digest}"
    assert lines[-1] == "critical libmamba Found incorrect downloads. Aborting"
    assert not list(tmp_path.glob("x.conda*"))
    actual = lines[2].removeprefix("    Actual: ")
    assert download.package(wanted._replace(sha256=actual), tmp_path).read_bytes() == b"package"
    # What is there and right is not fetched again; what is there and wrong is.
    (site[0] / "x.conda").write_bytes(b"changed")
    assert download.package(wanted._replace(sha256=actual), tmp_path).read_bytes() == b"package"
    (tmp_path / "x.conda").write_bytes(b"damaged")
    with pytest.raises(Failure, match="Found incorrect downloads"):
        download.package(wanted._replace(sha256=actual), tmp_path)


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (Wanted("", "x.conda", sha256=HASH, size=8), "file size doesn't match expectation"),
        (Wanted("", "x.conda", md5="ab" * 16, size=7), "MD5 doesn't match expectation"),
        (Wanted("", "x.conda", sha256=HASH, md5="ab" * 16), "SHA256 doesn't match expectation"),
    ],
)
def test_the_size_is_checked_before_the_checksum(tmp_path: Path, wanted: Wanted, words: str) -> None:
    (tmp_path / "x.conda.part").write_bytes(b"package")
    wrong = download.check(wanted, tmp_path / "x.conda.part")
    assert wrong is not None
    assert words in str(wrong)
    assert ".part" not in str(wrong)


def test_what_is_not_served_is_named(site: tuple[Path, str], tmp_path: Path) -> None:
    with pytest.raises(Failure, match="Transfer finalized, status: 404"):
        download.package(Wanted(f"{site[1]}/x.conda", "x.conda"), tmp_path)
    with pytest.raises(Failure) as caught:
        download.repodata(site[1], "noarch", tmp_path)
    url = f"{site[1]}/noarch/repodata.json"
    lines = str(caught.value).splitlines()
    assert lines[0] == f"warning  libmamba Unable to retrieve repodata (response: 404) for '{url}'"
    assert lines[1:3] == [
        "critical libmamba Multiple errors occurred:",
        f"    Transfer finalized, status: 404 [{url}] 0 bytes",
    ]


def test_a_full_disk_during_a_download(site: tuple[Path, str], tmp_path: Path) -> None:
    (site[0] / "x.conda").write_bytes(b"package")
    (tmp_path / "x.conda.part").symlink_to("/dev/full")
    with pytest.raises(Failure, match=r"(?s)Download error \(23\)") as caught:
        download.package(Wanted(f"{site[1]}/x.conda", "x.conda"), tmp_path)
    assert f": {failures.NO_SPACE}" in str(caught.value)


def test_environment_files_without_pip_are_understood(tmp_path: Path) -> None:
    yaml = tmp_path / "environment.yml"
    yaml.write_text("name: x\nchannels: [conda-forge]\ndependencies:\n  - python >=3.11,<3.13\n  - pip\n")
    assert specs.read(yaml) == specs.Asked(("python >=3.11,<3.13", "pip"), ("conda-forge",))
    yaml.write_text("dependencies:\n  - pip\n  - pip: [numpy]\n")
    with pytest.raises(Failure, match=r"environment\.yml has a pip section"):
        specs.read(yaml)
    yaml.write_text("dependencies: [")
    with pytest.raises(Failure, match=r"Error parsing YAML file environment\.yml"):
        specs.read(yaml)
    with pytest.raises(Failure, match="Cannot read file"):
        specs.read(tmp_path / "none.yml")


def test_explicit_lists_are_understood(tmp_path: Path) -> None:
    lock = tmp_path / "conda-linux-64.lock"
    base = "https://conda.anaconda.org/conda-forge/noarch"
    marks = ["", "#" + "ab" * 16, f"#{HASH}", f"#sha256:{HASH}", "#nonsense"]
    lock.write_text("# a comment\n@EXPLICIT\n" + "".join(f"{base}/a-1-0.conda{mark}\n" for mark in marks))
    found = specs.read(lock).explicit
    assert [(package.md5, package.sha256) for package in found] == [
        ("", ""),
        ("ab" * 16, ""),
        ("", HASH),
        ("", HASH),
        ("", ""),
    ]
    assert {(package.url, package.name) for package in found} == {(f"{base}/a-1-0.conda", "a-1-0.conda")}
    with pytest.raises(Failure, match="Invalid explicit URL"):
        specs.from_url(f"{base}/repodata.json")


@pytest.mark.parametrize(
    ("version", "text"),
    [(None, "x =* *"), ("3.6.*", "x =3.6 *"), ("==1.2", "x ==1.2 *"), (">=3.11,<3.13", "x >=3.11,<3.13 *")],
)
def test_specs_are_shown_as_libmamba_shows_them(version: str | None, text: str) -> None:
    assert specs.shown("x", version) == text


def test_a_prefix_that_is_no_environment_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    with pytest.raises(Failure) as caught:
        command.prepare("create", tmp_path)
    assert str(caught.value) == "error    libmamba Non-conda folder exists at prefix\ncritical libmamba Aborting."
    assert (tmp_path / "mine").exists()
    with pytest.raises(Failure, match="The given prefix does not exist"):
        command.prepare("install", tmp_path)
    (tmp_path / "conda-meta").mkdir()
    command.prepare("install", tmp_path)
    command.prepare("create", tmp_path)
    assert not tmp_path.exists()


@pytest.mark.parametrize("arguments", [["remove", "x"], ["create", "--nonsense"], ["create", "-y", "python"], []])
def test_what_is_not_understood_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    assert ended.value.code == 2
    assert "micromamba" in capsys.readouterr().err


def test_the_version_says_what_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(["--version"])
    assert ended.value.code == 0
    assert "not micromamba" in capsys.readouterr().out

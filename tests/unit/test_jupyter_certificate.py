"""The module jupyter_certificate, with this machine's openssl."""

from __future__ import annotations

import getpass
import shutil
import ssl
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpulab.core.plugins.modules import jupyter_certificate

Run = Callable[..., dict[str, Any]]


class Ended(Exception):
    """Ends a module; carries what it returned."""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """A function that runs the module in this process, for two files of a folder."""

    def call(check: bool = False, **params: Any) -> dict[str, Any]:
        class Module:
            check_mode = check

            def __init__(self, **_arguments: Any) -> None:
                files = {name: str(tmp_path / f"{name}.pem") for name in ("certificate", "key")}
                self.params = {"owner": getpass.getuser(), "own": False, "names": ["127.0.0.1"]} | files | params

            def get_bin_path(self, name: str, required: bool) -> str | None:
                assert required
                return shutil.which(name)

            def run_command(self, command: list[str]) -> tuple[int, str, str]:
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                return done.returncode, done.stdout, done.stderr

            def exit_json(self, **result: Any) -> None:
                raise Ended(result)

            def fail_json(self, **result: Any) -> None:
                raise Ended(result | {"failed": True})

        monkeypatch.setattr(jupyter_certificate, "AnsibleModule", Module)
        with pytest.raises(Ended) as ended:
            jupyter_certificate.main()
        result: dict[str, Any] = ended.value.args[0]
        return result

    return call


def shown(file: Path) -> str:
    """What openssl says of a certificate."""
    command = ["openssl", "x509", "-in", file, "-noout", "-text"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_one_is_made_and_kept(run: Run, tmp_path: Path) -> None:
    first = run(names=["203.0.113.7", "Lab.example"])
    assert first["changed"]
    assert len(first["fingerprint"].split(":")) == 32
    assert "DNS:lab.example" in shown(tmp_path / "certificate.pem")
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tmp_path / "certificate.pem", tmp_path / "key.pem")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"certificate.pem": 0o644, "key.pem": 0o400}
    assert run(names=["203.0.113.7", "Lab.example"]) == first | {"changed": False}
    assert run(names=["lab.example"]) == first | {"changed": False}


def test_another_address_makes_another(run: Run, tmp_path: Path) -> None:
    first = run(names=["203.0.113.7"])
    second = run(names=["203.0.113.8"])
    assert second["changed"]
    assert second["fingerprint"] != first["fingerprint"]
    assert "203.0.113.7" not in shown(tmp_path / "certificate.pem")


def test_what_a_killed_run_left_is_made_good(run: Run, tmp_path: Path) -> None:
    run()
    (tmp_path / "old").write_bytes((tmp_path / "certificate.pem").read_bytes())
    (tmp_path / "certificate.pem").unlink()
    assert run()["changed"]
    # The key of one and the certificate of another.
    (tmp_path / "old").rename(tmp_path / "certificate.pem")
    assert run()["changed"]
    assert not run()["changed"]


def test_one_that_is_about_to_end_is_made_anew(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(jupyter_certificate.certificates, "DAYS", jupyter_certificate.certificates.RENEW_DAYS - 1)
        run()
    assert run()["changed"]
    assert not run()["changed"]


def test_check_mode_makes_none(run: Run, tmp_path: Path) -> None:
    assert run(check=True) == {"changed": True, "fingerprint": ""}
    assert list(tmp_path.iterdir()) == []


def test_your_own_is_taken_whatever_its_names_and_never_replaced(run: Run, tmp_path: Path) -> None:
    made = run(names=["lab.example"])
    before = (tmp_path / "certificate.pem").read_bytes()
    assert run(names=["203.0.113.7"], own=True) == made | {"changed": False}
    assert (tmp_path / "certificate.pem").read_bytes() == before


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(None, "is not there"), ("hello\n", "is no certificate in PEM form")],
)
def test_your_own_that_cannot_serve(run: Run, tmp_path: Path, content: str | None, sentence: str) -> None:
    run()
    (tmp_path / "certificate.pem").unlink()
    if content is not None:
        (tmp_path / "certificate.pem").write_text(content)
    told = run(own=True)
    assert told["failed"]
    assert sentence in told["msg"]
    assert "leave both out for a self-signed one" in told["msg"]


def test_your_own_with_the_wrong_key(run: Run, tmp_path: Path) -> None:
    run()
    certificate = (tmp_path / "certificate.pem").read_bytes()
    run(names=["203.0.113.8"])
    (tmp_path / "certificate.pem").write_bytes(certificate)
    assert "does not belong to the private key" in run(own=True)["msg"]


def test_your_own_that_has_expired(run: Run, tmp_path: Path) -> None:
    run()
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    old = tmp_path / "old.pem"
    subprocess.run(["openssl", "x509", "-in", certificate, "-signkey", key, "-days", "-1", "-out", old], check=True)
    old.rename(certificate)
    assert "has expired" in run(own=True)["msg"]

"""The notebook's token: made once, private, and shown only as a hash."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import jupyter_secret
from ansible_collections.gpulab.core.plugins.modules import jupyter_token
from hypothesis import given
from hypothesis import strategies as st

TOKEN = "0123456789abcdef" * 3


class Ended(Exception):
    """Ends a module; carries what it returned."""


def run(monkeypatch: pytest.MonkeyPatch, check: bool = False, **params: Any) -> dict[str, Any]:
    """Run the module in this process."""

    class Module:
        check_mode = check

        def __init__(self, **_arguments: Any) -> None:
            self.params = {"rotate": False, **params}

        def exit_json(self, **result: Any) -> None:
            raise Ended(result)

    monkeypatch.setattr(jupyter_token, "AnsibleModule", Module)
    with pytest.raises(Ended) as ended:
        jupyter_token.main()
    result: dict[str, Any] = ended.value.args[0]
    return result


def test_a_token_is_made_once_and_is_private(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "gpulab/notebook-token"
    first = run(monkeypatch, path=str(file))
    token = file.read_text().strip()
    assert first == {"changed": True, "password_hash": jupyter_secret.password_hash(token)}
    assert jupyter_secret.token_of(token) == token
    assert [stat.S_IMODE(path.stat().st_mode) for path in (file, file.parent)] == [0o600, 0o700]
    assert [path.name for path in file.parent.iterdir()] == ["notebook-token"]
    assert run(monkeypatch, path=str(file)) == first | {"changed": False}
    assert file.read_text().strip() == token


@pytest.mark.parametrize("content", ["", "half of a tok", "A" * 48, "0" * 49])
def test_what_is_no_token_is_replaced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str) -> None:
    file = tmp_path / "token"
    file.write_text(content)
    file.chmod(0o600)
    assert run(monkeypatch, path=str(file))["changed"]
    assert jupyter_secret.token_of(file.read_text())


def test_a_token_that_others_could_read_is_replaced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    file.chmod(0o640)
    assert run(monkeypatch, path=str(file))["changed"]
    assert TOKEN not in file.read_text()


def test_rotation_makes_another(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "token"
    first = run(monkeypatch, path=str(file))
    second = run(monkeypatch, path=str(file), rotate=True)
    assert second["changed"]
    assert second["password_hash"] != first["password_hash"]


def test_check_mode_writes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    result = run(monkeypatch, check=True, path=str(tmp_path / "folder/token"))
    assert result == {"changed": True, "password_hash": ""}
    assert list(tmp_path.iterdir()) == []


@given(st.text("0123456789abcdef", min_size=48, max_size=48))
def test_the_hash_is_what_jupyter_checks_and_tells_nothing(token: str) -> None:
    algorithm, salt, digest = jupyter_secret.password_hash(token).split(":")
    # notebook.auth.security.passwd_check, and jupyter_server's: the digest of passphrase + salt by the named algorithm.
    assert digest == hashlib.new(algorithm, token.encode() + salt.encode("ascii")).hexdigest()
    assert token not in (salt, digest)
    assert jupyter_secret.token_of(f"  {token}\n") == token

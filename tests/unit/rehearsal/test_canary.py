"""Secrets that were told, and those that cannot be looked for."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from rehearsal import canary


def test_a_secret_is_found_wherever_it_stands() -> None:
    lines = ["TASK [x]\n", "ok: token=abc123, and more\n"]
    assert canary.told(lines, {"token": "abc123", "key": "zzz"}) == ["token"]


def test_an_empty_secret_proves_nothing() -> None:
    with pytest.raises(ValueError, match="The token could not be read"):
        canary.told(["said"], {"token": ""})


def test_the_private_key_is_looked_for_by_what_is_private_of_it(tmp_path: Path) -> None:
    key = tmp_path / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    found = canary.secrets({"AWS_SECRET_ACCESS_KEY": "s3cret"}, tmp_path, "abc123")
    assert (found["AWS secret key"], found["token"]) == ("s3cret", "abc123")
    assert canary.told([key.read_text()], found) == ["private key"]

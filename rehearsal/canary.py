"""Whether something that is secret was told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path


def secrets(env: Mapping[str, str], folder: Path, token: str) -> dict[str, str]:
    """What the playbooks of a deployment know and must not tell; `folder` has its key."""
    # The fifth line is of the private part; what comes before is the same in all keys, or public.
    body = (folder / "id_ed25519").read_text().splitlines()[4]
    return {"AWS secret key": env["AWS_SECRET_ACCESS_KEY"], "private key": body, "token": token}


def told(lines: Iterable[str], secrets: Mapping[str, str]) -> list[str]:
    """The names of those secrets (name to text) that the lines have in them.

    ValueError for one that is empty, which would be found nowhere or everywhere.
    """
    if empty := [name for name, text in secrets.items() if not text]:
        raise ValueError(f"The {' and the '.join(empty)} could not be read, so that it cannot be looked for.")
    said = "".join(lines)
    return [name for name, text in secrets.items() if text in said]

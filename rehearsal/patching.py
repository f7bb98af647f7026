"""Replacing a method of moto so that it can be replaced again: several clouds may follow each other in one process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_originals: dict[tuple[type, str], Any] = {}


def amend(owner: type, name: str, make: Callable[[Any], Any]) -> None:
    """Replace owner.name by make(original); the original is moto's own however often this is done."""
    original = _originals.setdefault((owner, name), getattr(owner, name))
    setattr(owner, name, make(original))

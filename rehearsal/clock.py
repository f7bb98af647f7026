"""A clock that can be moved, and that moto follows: deadlines and launch times are then testable in seconds."""

from __future__ import annotations

import sys
import threading
from datetime import UTC, datetime, timedelta


class Clock:
    """The machine's time plus an offset. Thread-safe; the offset may be negative."""

    def __init__(self) -> None:
        self._offset = timedelta()
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """The present moment of this cloud, time-zone aware, UTC."""
        with self._lock:
            return datetime.now(UTC) + self._offset

    def naive(self) -> datetime:
        """The same without a time zone, which is what moto computes with."""
        return self.now().replace(tzinfo=None)

    def advance(self, seconds: float) -> datetime:
        """Move by so many seconds and return the new present."""
        with self._lock:
            self._offset += timedelta(seconds=seconds)
        return self.now()

    def set(self, iso: str) -> datetime:
        """Move to an ISO 8601 moment (UTC where it names no zone) and return it. ValueError if it is none."""
        moment = datetime.fromisoformat(iso)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        with self._lock:
            self._offset = moment - datetime.now(UTC)
        return self.now()


_followed: list[Clock] = []


def _utcnow() -> datetime:
    return _followed[0].naive()


def follow(clock: Clock) -> None:
    """Make moto tell this clock's time. To be called before moto's services are imported: they copy the name."""
    import moto.core.utils

    _followed[:] = [clock]
    original = moto.core.utils.utcnow
    if original is _utcnow:
        return
    # Modules that were imported already have bound the original under their own names.
    for name, module in list(sys.modules.items()):
        if name.startswith("moto.") and getattr(module, "utcnow", None) is original:
            module.utcnow = _utcnow  # type: ignore[attr-defined]

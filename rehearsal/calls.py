"""The log of every call that AWS was asked for; iam_policy.py makes a policy of it."""

from __future__ import annotations

import threading
from datetime import datetime
from typing import Any

from rehearsal import wire


class CallLog:
    """Calls in the order of their answers. Thread-safe."""

    def __init__(self) -> None:
        self._calls: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def add(self, when: datetime, call: wire.Call, status: int, error: str | None, fault: str | None) -> None:
        """Record a call with its answer; `fault` is the mode of the rule that touched it, if one did."""
        entry = {
            "time": when.isoformat(timespec="milliseconds"),
            "service": call.service,
            "action": call.action,
            "region": call.region,
            "write": call.write,
            "iam": call.iam,
            "params": wire.abridge(call.params),
            "status": status,
            "error": error,
            "fault": fault,
        }
        with self._lock:
            self._calls.append(entry)

    def listed(self) -> list[dict[str, Any]]:
        """A copy of the entries, oldest first."""
        with self._lock:
            return list(self._calls)

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._calls.clear()

"""The control paths under /_rehearsal/: for tests, for the reconciler of the hosts, and for the curious."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rehearsal import faults, settings
from rehearsal.calls import CallLog
from rehearsal.clock import Clock
from rehearsal.emulation import Emulation
from rehearsal.iam_policy import iam_policy
from rehearsal.quotas import Quotas
from rehearsal.scheduler import Scheduler

PREFIX = "/_rehearsal/"
Answer = tuple[int, list[tuple[str, str]], bytes]


@dataclass(frozen=True)
class ControlPaths:
    """What the control paths speak of."""

    emulation: Emulation
    calls: CallLog
    faults: faults.Faults
    clock: Clock
    quotas: Quotas
    scheduler: Scheduler

    def answer(self, method: str, path: str, body: bytes, caller: str) -> Answer:
        """(status, headers, body) for a request to a control path; `caller` is the client's address."""
        if (method, path) == ("GET", f"{PREFIX}checkip"):
            # What checkip.amazonaws.com answers, newline included.
            return 200, [("Content-Type", "text/plain")], f"{caller}\n".encode()
        handlers: dict[tuple[str, str], Callable[[Any], Any]] = {
            ("GET", "ready"): lambda _: self._ready(),
            ("GET", "hosts"): lambda _: self._hosts(),
            ("POST", "hosts"): self._report,
            ("GET", "faults"): lambda _: self.faults.listed(),
            ("POST", "faults"): self._add_fault,
            ("DELETE", "faults"): lambda _: self.faults.clear(),
            ("GET", "calls"): lambda _: self.calls.listed(),
            ("DELETE", "calls"): lambda _: self.calls.clear(),
            ("GET", "iam-policy"): lambda _: iam_policy(self.calls.listed()),
            ("GET", "clock"): lambda _: self._time(),
            ("POST", "clock"): self._move_clock,
            ("GET", "schedule-failures"): lambda _: self.scheduler.failures,
            ("GET", "quotas"): self._locked(lambda _: self.quotas.listed()),
            ("POST", "quotas"): self._locked(self.quotas.set),
            ("DELETE", "quotas"): self._locked(lambda _: self.quotas.forget()),
        }
        handler = handlers.get((method, path.removeprefix(PREFIX)))
        if handler is None:
            known = ", ".join(f"{verb} {PREFIX}{name}" for verb, name in sorted(handlers))
            return _json(404, {"error": f"{method} {path} is no control path: there are {known}."})
        try:
            return _json(200, handler(json.loads(body) if body else None))
        except ValueError as problem:
            return _json(400, {"error": str(problem)})

    def _ready(self) -> dict[str, Any]:
        return {"account": settings.ACCOUNT, "region": settings.REGION, "hosts": self.emulation.with_hosts}

    def _hosts(self) -> list[dict[str, Any]]:
        self.scheduler.fire()
        return self.emulation.described()

    def _report(self, updates: Any) -> dict[str, int]:
        if not isinstance(updates, dict) or not all(isinstance(one, dict) for one in updates.values()):
            raise ValueError('a report on hosts is a JSON object, such as {"i-0123": {"up": true}}')
        self.emulation.report(updates)
        return {"taken": len(updates)}

    def _add_fault(self, value: Any) -> list[dict[str, Any]]:
        self.faults.add(faults.parse(value))
        return self.faults.listed()

    def _move_clock(self, value: Any) -> dict[str, str]:
        if isinstance(value, dict) and isinstance(value.get("advance_seconds"), (int, float)):
            self.clock.advance(value["advance_seconds"])
        elif isinstance(value, dict) and isinstance(value.get("now"), str):
            self.clock.set(value["now"])
        else:
            raise ValueError('the clock moves by {"advance_seconds": 60} or {"now": "2026-11-22T09:00:00Z"}')
        self.scheduler.fire()
        return self._time()

    def _locked(self, act: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def locked(value: Any) -> Any:
            with self.emulation.lock:
                return act(value)

        return locked

    def _time(self) -> dict[str, str]:
        return {"now": self.clock.now().isoformat()}


def _json(status: int, value: Any) -> Answer:
    return status, [("Content-Type", "application/json")], json.dumps({} if value is None else value).encode()

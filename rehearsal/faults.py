"""Faults by rule: which call is to fail, how, and how often. Matching is pure; cloud.py does what a rule says."""

from __future__ import annotations

import re
import threading
from collections.abc import Container
from dataclasses import asdict, dataclass
from typing import Any, get_type_hints

MODES = ("error", "drop", "delay", "hold", "fewer")
ROOM_HEADER = "X-Gpulab-Room"
"""How a rule of mode fewer tells its count to RunInstances: a header that no client sends."""


@dataclass
class Rule:
    """One fault. `action` must match the whole action name, `match` any part of the region
    and the decoded request.

    error answers with `code`, `message` and HTTP `status` instead of doing anything; drop lets the call really happen,
    then closes the connection without an answer; delay waits `seconds`, then goes on; hold lets the call happen, which
    the log then shows, and waits `seconds` with the answer; fewer lets RunInstances launch `count` instances at most,
    as where a zone has room for no more. `times` counts what is left.
    """

    action: str
    match: str = ""
    code: str = "InternalError"
    message: str = "An internal error has occurred"
    status: int = 400
    mode: str = "error"
    seconds: float = 0.0
    count: int = 1
    times: int = 1

    def applies(self, action: str, text: str) -> bool:
        """Whether this rule is still in force and speaks of this call."""
        return self.times > 0 and bool(re.fullmatch(self.action, action)) and bool(re.search(self.match, text))


def parse(value: Any) -> Rule:
    """A rule from its JSON form. ValueError, in one sentence, for anything that would silently never match."""
    if not isinstance(value, dict) or not isinstance(value.get("action"), str):
        raise ValueError('a fault is a JSON object with an "action", such as {"action": "RunInstances", "code": "..."}')
    types = get_type_hints(Rule)
    if unknown := sorted(set(value) - set(types)):
        raise ValueError(f"a fault has no field {', '.join(unknown)}: its fields are {', '.join(types)}")
    for name, given in value.items():
        wanted = (int, float) if types[name] is float else types[name]
        if isinstance(given, bool) or not isinstance(given, wanted):
            raise ValueError(f"the fault's {name} is {given!r}, but it has to be of type {types[name].__name__}")
    for name in ("action", "match"):
        try:
            re.compile(value.get(name, ""))
        except re.error as problem:
            raise ValueError(f"the fault's {name} is not a regular expression: {problem}") from problem
    rule = Rule(**value)
    if rule.mode not in MODES:
        raise ValueError(f"the fault's mode is {rule.mode!r}, but it has to be one of {', '.join(MODES)}")
    return rule


class Faults:
    """The rules in force, oldest first. Thread-safe."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._lock = threading.Lock()

    def add(self, rule: Rule) -> None:
        """Put a rule behind the others."""
        with self._lock:
            self._rules.append(rule)

    def clear(self) -> None:
        """Drop every rule."""
        with self._lock:
            self._rules.clear()

    def listed(self) -> list[dict[str, Any]]:
        """The rules as JSON objects, used-up ones included (times 0): a test can see that its fault was met."""
        with self._lock:
            return [asdict(rule) for rule in self._rules]

    def refuses(self, action: str, codes: Container[str]) -> bool:
        """Whether a rule in force answers this action with one of these error codes, whatever it is asked for."""
        with self._lock:
            return any(rule.mode == "error" and rule.code in codes and rule.applies(action, "") for rule in self._rules)

    def take(self, action: str, text: str) -> Rule | None:
        """The first rule that applies to this call, with one of its times used up; None when all is well."""
        with self._lock:
            for rule in self._rules:
                if rule.applies(action, text):
                    rule.times -= 1
                    return rule
        return None

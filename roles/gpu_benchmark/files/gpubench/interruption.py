"""AWS takes a spot host back two minutes after it has said so on the host's metadata service. No torch here.

What was timed by then is no result: a host that is being taken back says nothing about itself. The document that is
written instead has no figure in it and says why.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

EVERY = 5.0
"""Seconds between two questions, as AWS recommends for spot/instance-action."""
TOKEN_SECONDS = 21600
"""How long a token of the metadata service's version 2 is asked for; six hours is the longest."""
_TIMEOUT = 2.0


class Interrupted(RuntimeError):
    """AWS has announced that it takes the host back. `notice`: its action (stop, hibernate, terminate) and time."""

    def __init__(self, notice: dict[str, str]) -> None:
        self.notice = notice
        super().__init__(
            f"AWS takes this spot host back ({notice['action']} at {notice['time']}), so the benchmark was given up "
            "and tells no figure: run ansible-playbook provision.yml again once there is capacity, or with "
            "-e gpu_market=on-demand."
        )


class Watch:
    """Asks the metadata service at `endpoint` (URL; "" asks nobody) for a notice, until it is closed."""

    def __init__(self, endpoint: str, every: float = EVERY) -> None:
        self._endpoint, self._every = endpoint.rstrip("/"), every
        # The service is on the host's own link: no proxy reaches it.
        self._opener = build_opener(ProxyHandler({}))
        self._token = ""
        self._notice: dict[str, str] | None = None
        self._closed = threading.Event()
        if self._endpoint:
            # Before anything is timed: a host that is on its way out need not begin.
            self._look()
            self._thread = threading.Thread(target=self._watch, name="spot-notices", daemon=True)
            self._thread.start()

    def check(self) -> None:
        """Raise Interrupted once there is a notice."""
        if self._notice is not None:
            raise Interrupted(self._notice)

    def close(self) -> None:
        """Stop asking."""
        self._closed.set()
        if self._endpoint:
            self._thread.join()

    def _watch(self) -> None:
        while self._notice is None and not self._closed.wait(self._every):
            self._look()

    def _look(self) -> None:
        try:
            self._notice = parse(self._ask())
        except (OSError, ValueError) as error:
            print(f"The metadata service {self._endpoint} gives no answer ({error}): asking again.", file=sys.stderr)

    def _ask(self) -> str:
        """The text of the notice, "" while there is none. Raises OSError."""
        for _attempt in range(2):
            if not self._token:
                wanted = {"X-aws-ec2-metadata-token-ttl-seconds": str(TOKEN_SECONDS)}
                self._token = self._call("/latest/api/token", wanted, "PUT")
            try:
                path = "/latest/meta-data/spot/instance-action"
                return self._call(path, {"X-aws-ec2-metadata-token": self._token}, "GET")
            except HTTPError as error:
                if error.code == 404:
                    return ""
                if error.code != 401:
                    raise
                self._token = ""  # it has run out
        raise OSError("it refuses the token that it has just given")

    def _call(self, path: str, headers: dict[str, str], method: str) -> str:
        request = Request(self._endpoint + path, headers=headers, method=method)
        with self._opener.open(request, timeout=_TIMEOUT) as answer:
            return str(answer.read().decode())


def parse(text: str) -> dict[str, str] | None:
    """The action and time of an instance-action document; None for "". Raises ValueError when it is none."""
    if not text:
        return None
    said = json.loads(text)
    if not isinstance(said, dict) or "action" not in said:
        raise ValueError(f"it says {text[:80]!r}, expected an action and a time")
    return {"action": str(said["action"]), "time": str(said.get("time", "an unknown time"))}


def document(interrupted: Interrupted) -> dict[str, Any]:
    """What is written in place of a result."""
    return {
        "version": 2,
        "interrupted": interrupted.notice,
        "gates": {"passed": False, "reasons": [str(interrupted)]},
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }

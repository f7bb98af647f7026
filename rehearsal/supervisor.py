"""Keep a child process alive: start it, start it again whenever it dies, end it when asked to."""

from __future__ import annotations

import logging
import subprocess
import threading
import time
from collections.abc import Sequence

_log = logging.getLogger("rehearsal.supervisor")
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 5.0
"""Seconds between a death and the next start: doubled from the first to the longest while the child keeps dying."""
HEALTHY = 10.0
"""Seconds of life after which a death is a new story and the pauses begin anew."""


def next_pause(pause: float, lived: float) -> float:
    """How long to wait after this death, given the pause before it and how long the child lived (both in seconds)."""
    return FIRST_PAUSE if lived >= HEALTHY or pause == 0 else min(2 * pause, LONGEST_PAUSE)


class Supervisor:
    """One child, kept alive by a thread from start() to stop()."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = list(command)
        self._child: subprocess.Popen[bytes] | None = None
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._keep, name="supervisor", daemon=True)

    @property
    def pid(self) -> int | None:
        """The child's process id while it lives."""
        with self._lock:
            return self._child.pid if self._child and self._child.poll() is None else None

    def start(self) -> None:
        """Start the child and watch over it."""
        self._thread.start()

    def stop(self, patience: float = 60.0) -> None:
        """SIGTERM the child, so that it cleans up; SIGKILL it when it has not ended after `patience` seconds."""
        with self._lock:
            self._ending.set()
            child = self._child
        if child is not None:
            child.terminate()
            try:
                child.wait(patience)
            except subprocess.TimeoutExpired:
                _log.error("%s did not end within %d s of SIGTERM: killing it", self._command[-1], patience)
                child.kill()
                child.wait()
        if self._thread.is_alive():
            self._thread.join()

    def _keep(self) -> None:
        pause = 0.0
        while not self._ending.is_set():
            with self._lock:
                if self._ending.is_set():
                    return
                # Its own session: an interrupt at the terminal is to reach the cloud, which then ends it in order.
                self._child = subprocess.Popen(self._command, start_new_session=True)
            began = time.monotonic()
            code = self._child.wait()
            if self._ending.is_set():
                return
            pause = next_pause(pause, time.monotonic() - began)
            _log.warning("the reconciler ended with %d: starting it again in %.1f s", code, pause)
            self._ending.wait(pause)

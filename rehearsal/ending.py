"""How our processes are told to end."""

from __future__ import annotations

import signal
import threading


def when_told() -> threading.Event:
    """Return an event that SIGTERM and SIGINT set."""
    event = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        # In a thread of its own: the signal may come while this very thread holds the event's lock.
        signal.signal(number, lambda *_: threading.Thread(target=event.set).start())
    return event


def wait_until(told: threading.Event) -> None:
    """Wait for the event of when_told; to be called in the main thread.

    By looking now and then: a signal that comes on the way into an endless wait would run its handler after it, never.
    """
    while not told.wait(0.5):
        pass

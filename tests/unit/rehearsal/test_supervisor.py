"""The supervisor, with small Python programs for children."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rehearsal import supervisor
from rehearsal.supervisor import Supervisor, next_pause

SLEEPER = "import sys, time; open(sys.argv[1], 'a').write('x'); time.sleep(600)"
STUBBORN = (
    "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); open(sys.argv[1], 'a').write('x');"
    "time.sleep(600)"
)


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait for something that another process does; fails only when it does not come at all."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "what the test waits for did not come"
        time.sleep(0.01)


def starts(marks: Path) -> int:
    return len(marks.read_text()) if marks.exists() else 0


def test_pauses_grow_to_a_bound_and_shrink_after_a_healthy_life() -> None:
    pauses = [0.0]
    for _ in range(8):
        pauses.append(next_pause(pauses[-1], lived=0))
    assert pauses[1:6] == [0.2, 0.4, 0.8, 1.6, 3.2]
    assert pauses[-1] == supervisor.LONGEST_PAUSE
    assert next_pause(supervisor.LONGEST_PAUSE, lived=supervisor.HEALTHY) == supervisor.FIRST_PAUSE


def test_a_killed_child_is_started_again_and_stop_ends_it(tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    watched = Supervisor([sys.executable, "-c", SLEEPER, str(marks)])
    watched.start()
    wait_for(lambda: starts(marks) == 1)
    first = watched.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: starts(marks) == 2)
    second = watched.pid
    assert second not in (None, first)
    watched.stop()
    assert watched.pid is None
    with pytest.raises(ProcessLookupError):
        os.kill(second or 0, 0)
    assert starts(marks) == 2


def test_a_child_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    watched = Supervisor([sys.executable, "-c", STUBBORN, str(marks)])
    watched.start()
    wait_for(lambda: starts(marks) == 1)
    watched.stop(patience=0.2)
    assert watched.pid is None


def test_stop_in_a_pause_starts_nothing_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "FIRST_PAUSE", 600.0)
    marks = tmp_path / "marks"
    watched = Supervisor([sys.executable, "-c", "import sys; open(sys.argv[1], 'a').write('x')", str(marks)])
    watched.start()
    wait_for(lambda: starts(marks) == 1 and watched.pid is None)
    watched.stop()
    assert starts(marks) == 1

"""Is this host idle, and what is to be done about it? Pure. Python 3.5+."""

from collections import namedtuple

Sign = namedtuple("Sign", ["what", "age"])
"""A sign of use: a sentence's part that names it, and the seconds since it was last seen.

What cannot be told is a sign of age 0: a host whose evidence is missing is not idle.
"""

Step = namedtuple("Step", ["state", "action", "told"])
"""What one look ends in. state: what the next look needs. action: "", "warn" or "stop". told: what is new since the
last look, "" for nothing."""

RECENT = 120
"""Seconds since the last sign of use for which the host counts as in use in what is told: two looks."""


def decide(state, signs, now, window, grace):
    """Return the Step of one look.

    state: that of the last look, {} for the first after a boot. now: seconds of a clock that nobody sets.
    window: seconds without a sign after which the host is idle. grace: seconds from the warning to the stop.
    """
    used_at, why = state.get("used_at", now), state.get("why", "it has just started")
    for sign in signs:
        if now - sign.age >= used_at:
            used_at, why = now - sign.age, sign.what
    quiet = now - used_at
    warned_at = state.get("warned_at")
    action = ""
    if quiet < window:
        warned_at = None
        stage = "in use: %s" % why if quiet < RECENT else "quiet; before that %s" % why
    elif warned_at is None:
        action, warned_at = "warn", now
        stage = "idle for %d minutes, stops in %d; before that %s" % (quiet / 60, grace / 60, why)
    elif now - warned_at < grace:
        stage = state["stage"]
    else:
        action = "stop"
        stage = "idle for %d minutes, stops now; before that %s" % (quiet / 60, why)
    told = stage if kind(stage) != kind(state.get("stage", "")) else ""
    return Step({"used_at": used_at, "why": why, "warned_at": warned_at, "stage": stage}, action, told)


def kind(stage):
    """Return the part of a stage that makes it another one; the rest would fill the journal."""
    return stage.split(";")[0].split(":")[0]


def warning(window, grace):
    """Return what is said to whoever is logged in."""
    return (
        "gpulab: nobody has used this host for %d minutes, so it stops in %d. Type something here or run a cell of a "
        "notebook to keep it; its disk stays." % (window / 60, grace / 60)
    )

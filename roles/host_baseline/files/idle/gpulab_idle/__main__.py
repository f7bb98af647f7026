"""`python -m gpulab_idle`: one look, and what follows from it. `python -m gpulab_idle signs` prints what it sees."""

import json
import os
import subprocess
import sys
import time

from . import decision, devices, notebook, processes

SETTINGS = "/etc/gpulab/idle.json"
"""{"idle_minutes": number, "warn_minutes": number}"""
STATE = "/run/gpulab-idle.json"
"""In a folder that every boot empties, so that each begins anew."""


def read(path):
    """Return the JSON of a file; {} when there is none or a power cut has spoilt it."""
    try:
        with open(path) as file:
            return json.load(file)
    except (OSError, ValueError):
        return {}


def write(path, value):
    """Replace a file in one step."""
    with open(path + ".new", "w") as file:
        json.dump(value, file)
    os.rename(path + ".new", path)


def look(cpu, now):
    """Return (all signs of use, what the next look needs to know of the CPU). cpu: that of the last look, or None."""
    there = processes.read_all()
    ticks = processes.people_ticks(there)
    signs = processes.cpu_signs(cpu, ticks, now, os.sysconf("SC_CLK_TCK"))
    signs += processes.work_signs(there) + devices.terminal_signs(time.time()) + devices.gpu_signs()
    return signs + notebook.signs(time.time()), {"at": now, "ticks": ticks}


def warn(text):
    """Say it in every terminal, where the host has the program for that."""
    try:
        subprocess.Popen(["wall"], stdin=subprocess.PIPE).communicate((text + "\n").encode())
    except OSError as error:
        say("nobody could be warned (wall: %s)" % error.strerror)


def say(text):
    """Write a line into the journal, before what comes next."""
    print(text)
    sys.stdout.flush()


def main():
    """Look, decide, act."""
    state, now = read(STATE), time.monotonic()
    signs, cpu = look(state.get("cpu"), now)
    if sys.argv[1:] == ["signs"]:
        print(json.dumps([sign._asdict() for sign in signs]))
        return
    settings = read(SETTINGS)
    if not settings:
        sys.exit("%s cannot be read, expected idle_minutes and warn_minutes: run provision.yml again." % SETTINGS)
    window, grace = settings["idle_minutes"] * 60, settings["warn_minutes"] * 60
    step = decision.decide(state, signs, now, window, grace)
    write(STATE, dict(step.state, cpu=cpu))
    if step.told:
        say(step.told)
    if step.action == "warn":
        warn(decision.warning(window, grace))
    elif step.action == "stop":
        subprocess.check_call(["systemctl", "poweroff"])


if __name__ == "__main__":
    main()

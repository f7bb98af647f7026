"""What terminals and GPUs say about a host's use. Python 3.5+."""

import glob
import os
import subprocess

from .decision import Sign

TERMINALS = ("/dev/pts/[0-9]*", "/dev/tty[1-9]*", "/dev/ttyS[0-9]*")
GPU_PERCENT = 5
"""Utilisation from which a GPU computes. A process that only holds memory leaves it at 0."""
GPU_SECONDS = 30
"""How long nvidia-smi may take: on a GPU without the persistence daemon it sets the card up first."""


def terminal_signs(now):
    """Return a sign for each terminal that was typed into: logins, and panes and terminals that no login list has.

    The kernel notes in a terminal's access time when its program last read from it; whoever logs in makes one.
    An open terminal alone is no use. now: seconds since 1970.
    """
    signs = []
    for pattern in TERMINALS:
        for path in glob.glob(pattern):
            try:
                signs.append(Sign("somebody typed in %s" % path, max(0, now - os.stat(path).st_atime)))
            except OSError:  # closed meanwhile
                continue
    return signs


def gpu_signs():
    """Return a sign for each GPU that computes.

    A driver that does not work (nvidia-smi ends with an error) lets nobody compute, an nvidia-smi that hangs may.
    """
    command = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
    try:
        text = subprocess.check_output(command, stderr=subprocess.DEVNULL, timeout=GPU_SECONDS)
    except (OSError, subprocess.CalledProcessError):
        return []
    except subprocess.TimeoutExpired:
        return [Sign("nvidia-smi does not answer, so whether a GPU computes is not known", 0)]
    return [
        Sign("GPU %d is used to %d%%" % (number, percent), 0)
        for number, percent in enumerate(utilisations(text.decode("utf-8", "replace")))
        if percent >= GPU_PERCENT
    ]


def utilisations(text):
    """Return the percentages in nvidia-smi's answer; 0 for a GPU that does not tell ([N/A])."""
    return [int(line) if line.strip().isdigit() else 0 for line in text.splitlines()]

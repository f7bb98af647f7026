# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Runs the commands that tell of a driver: each may be absent, hang, or print without end; none of it raises.

A command has its own process group and no stdin. One that does not end in time is killed with its children; one that
cannot even be killed (nvidia-smi sleeps inside the kernel when a GPU has died) is left behind. Python 3.6+, standard
library only.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import os
import re
import select
import signal
import subprocess
import time
from typing import NamedTuple, Optional

FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
"""Where programs are looked for beside the caller's own PATH."""

LIMIT = 128 * 1024
"""Bytes of a text that are worth keeping."""

_READ_LIMIT = 8 << 20  # bytes after which a command is ended: it prints without end (apt knows 2 MB of package names)
_STEP = 0.02  # seconds between two looks whether a process has ended that left its output open
_GRACE = 1.0  # seconds that a killed process gets to go

Output = NamedTuple("Output", [("rc", Optional[int]), ("text", str), ("timed_out", bool)])
"""rc: exit status, None when it did not end in time. text: what it printed until then."""


def environment():
    """The caller's environment for a command: plain English, and a PATH with the folders of the administrator.

    sudo, cron and ssh may leave those out. /usr/local/sbin comes first, as on a login: what an administrator put there
    replaces the system's program.
    """
    path = [folder for folder in os.environ.get("PATH", "").split(":") if folder]
    path = [folder for folder in FOLDERS[:1] if folder not in path] + path
    path += [folder for folder in FOLDERS[1:] if folder not in path]
    # COLUMNS: dpkg of 2014 cuts its lines at that.
    return dict(os.environ, PATH=":".join(path), LC_ALL="C", LANGUAGE="", COLUMNS="400")


def run(argv, timeout, stderr_only=False):
    """Run a command for at most `timeout` seconds; return its Output, None when it is absent or cannot be started.

    The text is stdout and stderr as they came, or stderr alone.
    """
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb", 0) as pipe:
        try:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL if stderr_only else write_end,
                stderr=write_end,
                env=environment(),
                cwd="/",
                start_new_session=True,
            )
        except (OSError, ValueError):
            return None
        finally:
            os.close(write_end)
        body, ended = _read(pipe, process, time.time() + timeout)
    if not ended:
        _kill(process)
    return Output(process.returncode if ended else None, body.decode("utf-8", "replace"), not ended)


def _read(pipe, process, deadline):
    """(what came through the pipe, whether the process ended, or printed too much, before the deadline)."""
    body = b""
    while True:
        left = deadline - time.time()
        # A child in the background may keep the pipe open, so the end of the process counts beside that of the output.
        ended = process.poll() is not None
        if select.select([pipe], [], [], 0 if ended else max(0, min(left, _STEP)))[0]:
            part = os.read(pipe.fileno(), LIMIT)
            body += part
            if not part:
                return body, _wait(process, max(0, left))
            if len(body) > _READ_LIMIT:
                _kill(process)
                return body, True
        elif ended:
            return body, True
        if left <= 0 and not ended:
            return body, False


def _wait(process, seconds):
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _kill(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except OSError:
        pass
    _wait(process, _GRACE)


def find(name):
    """Path of a command, or None when it is not there."""
    for folder in environment()["PATH"].split(":"):
        path = os.path.join(folder, name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None


def read_file(path, limit=LIMIT):
    """A file's text, at most `limit` bytes of it; None when it cannot be read."""
    try:
        with open(path, "rb") as handle:
            return handle.read(limit).decode("utf-8", "replace")
    except (IOError, OSError, ValueError):
        return None


def listing(path):
    """The sorted names in a folder, [] when it cannot be read."""
    try:
        return sorted(os.listdir(path))
    except OSError:
        return []


def matching(pattern, text):
    """The lines of a text that match, None for no text."""
    if text is None:
        return None
    return "".join(line.rstrip() + "\n" for line in text.splitlines() if re.search(pattern, line))

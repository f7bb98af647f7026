"""One run at a time for a deployment on this machine: a file that names the process that works on it.

The file is never removed: it counts only as long as its process lives, so that a killed run stops nobody. AWS itself is
guarded by the ClientToken, on this machine and on others.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
from pathlib import Path


def began(pid):
    """Return when a process began, in its system's own words; "" when there is none. Pids are used again."""
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        try:
            # Field 22 of proc(5), counted behind the name, which may hold spaces and brackets.
            fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            return ""
        return "" if fields[0] in "ZX" else fields[19]
    asked = ["ps", "-o", "lstart=", "-p", str(pid)]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()


def holder(text, me):
    """Return what the lock's text says of another run that is going on; None where this run may take it.

    me: {"pid", "machine"}. A text that is cut off, a process that is gone, and one of another machine hold nothing.
    """
    try:
        told = json.loads(text)
        pid, machine, since = int(told["pid"]), told["machine"], told["began"]
    except (ValueError, KeyError, TypeError):
        return None
    if pid == me["pid"] or machine != me["machine"] or not since or began(pid) != since:
        return None
    return told


def folder_ready(file):
    """Whether the lock's folder is there and its owner's alone."""
    folder = Path(file).parent
    return folder.is_dir() and folder.stat().st_mode & 0o777 == 0o700


def take(file, me):
    """Write `me` ({"pid", "machine", "began", "run", "command", "since"}) into the lock; return its holder.

    That is None, or what the file says of the run that holds it. The folder is made, 0700. Raises OSError where it
    cannot be written to.
    """
    path = Path(file)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not folder_ready(file):
        path.parent.chmod(0o700)
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="utf-8") as lock:
        # Held for these few lines: of two that find a dead run's lock, one takes it.
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = holder(lock.read(), me)
        if found is None:
            lock.seek(0)
            lock.truncate()
            lock.write(json.dumps(me) + "\n")
            lock.flush()
    return found


def sentence(deployment, found):
    """Return what the second run says."""
    return (
        f"Run {found.get('run')} of deployment {deployment} is in progress ({found.get('command')}, pid "
        f"{found['pid']}, since {found.get('since')}), expected none: wait until it has ended, or end it with "
        f"kill {found['pid']}, and run this again."
    )

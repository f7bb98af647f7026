"""Hold dpkg's lock as dpkg does, until another Ansible task has become root and has then had some seconds to find out.

Stands in for an apt that is at work on a first boot. Called with a NAME, it writes its pid to /run/NAME.held once it
has the lock, and makes /run/NAME.released just before it lets go. Gives up after two minutes.
"""

import fcntl
import os
import pathlib
import sys
import time

MARK = b"BECOME-SUCCESS"
"""What Ansible's become plugins put into the command line of every task that is about to run as another user."""
SECONDS = 6
LONGEST = 120

LOCK = pathlib.Path("/var/lib/dpkg/lock-frontend")


def becoming():
    """Return the ids of the processes of Ansible tasks that become another user."""
    found = set()
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if MARK in (folder / "cmdline").read_bytes():
                found.add(folder.name)
        except OSError:  # gone between the two looks
            continue
    return found


def main(name):
    """Hold the lock for as long as it takes."""
    held = pathlib.Path("/run", name + ".held")
    released = pathlib.Path("/run", name + ".released")
    with LOCK.open("w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        before = becoming()
        held.write_text(str(os.getpid()))
        deadline = time.monotonic() + LONGEST
        while not becoming() - before and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(SECONDS)
        held.unlink()
        released.touch()


if __name__ == "__main__":
    main(sys.argv[1])

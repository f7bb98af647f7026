"""What the host's processes say about its use: CPU time, and programs that are not to be interrupted. Python 3.5+."""

import os
import re
from collections import namedtuple

from .decision import Sign

Process = namedtuple("Process", ["key", "ticks", "uid", "terminal", "words"])
"""key: pid and start, which no other process has. ticks: CPU time, with that of its ended children, in clock ticks.
terminal: whether it has one. words: how its command line begins."""

PEOPLE = range(1000, 60000)
"""User ids of people (login.defs of Debian and Ubuntu: UID_MIN and UID_MAX)."""
CORES = 0.1
"""Cores in use by people's processes from which somebody computes. An idle notebook server with an open page in the
browser takes about 0.02."""
AT_WORK = {"apt", "apt-get", "dpkg", "conda", "mamba", "micromamba", "pip", "pip3", "rsync", "scp", "dkms"}
"""Programs that install or copy: stopped half-way they leave a mess, though some wait more than they compute."""
ANSIBLE = re.compile(r"AnsiballZ_|ansible-tmp-|BECOME-SUCCESS-")
"""In the command line of every task that Ansible runs here."""
INTERPRETER = re.compile(r"python[0-9.]*|sh|bash|dash|perl")


def parse_stat(text):
    """Return (start, ticks, terminal) of a /proc/PID/stat, as proc(5) counts its fields."""
    # The name in parentheses may have blanks and parentheses in it; field 3 comes after the last of them.
    fields = text.rpartition(")")[2].split()
    return int(fields[19]), sum(int(field) for field in fields[11:15]), int(fields[4]) != 0


def read_all():
    """Return every process that can be seen."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        folder = "/proc/" + pid
        try:
            with open(folder + "/stat", errors="replace") as file:
                start, ticks, terminal = parse_stat(file.read())
            with open(folder + "/cmdline", errors="replace") as file:
                words = file.read(4096).split("\0")
            found.append(Process("%s:%d" % (pid, start), ticks, os.stat(folder).st_uid, terminal, words))
        except OSError:  # ended meanwhile
            continue
    return found


def people_ticks(processes):
    """Return {key: ticks} of the processes that belong to people: theirs, and root's in a terminal."""
    return {p.key: p.ticks for p in processes if p.uid in PEOPLE or (p.uid == 0 and p.terminal)}


def cpu_signs(before, ticks, now, per_second):
    """Return the signs of computing since the last look.

    before: {"at": seconds, "ticks": {key: ticks}} of that look, None for the first. ticks: the same, now.
    per_second: clock ticks of a second.
    """
    if before is None or now <= before["at"]:
        return []
    used = sum(max(0, count - before["ticks"].get(key, 0)) for key, count in ticks.items())
    cores = used / float(per_second) / (now - before["at"])
    return [Sign("programs use %.1f cores" % cores, 0)] if cores >= CORES else []


def work_signs(processes):
    """Return the signs of programs that are not to be interrupted, and of Ansible."""
    names = set()
    for process in processes:
        if ANSIBLE.search(" ".join(process.words)):
            names.add("Ansible")
        names.add(program(process.words))
    return [Sign("%s is at work" % name, 0) for name in sorted(names & (AT_WORK | {"Ansible"}))]


def program(words):
    """Return the name of the program in a command line, of a script where an interpreter runs one."""
    names = [os.path.basename(word) for word in words[:3]]
    if len(names) > 1 and INTERPRETER.match(names[0]):
        return names[2] if names[1] == "-m" and len(names) > 2 else names[1]
    return names[0]

# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""What a long command prints, made into lines: which are shown while it runs, and which are kept. Pure."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import base64
import codecs
import re
from collections import namedtuple

MARKER = "gpulab-job"
"""First word of the line by which an answer is told from what a login may print before it."""
CHUNK = 200000
"""Most bytes of the log that one answer carries."""
KEPT = 50
"""Lines that are returned: the last ones."""
LONGEST = 500
"""Most characters of a line that are shown or returned."""

Answer = namedtuple("Answer", "state rc seconds reason output")
"""state: running, ended, gone, replaced; rc (int), seconds (float), reason (exit, timeout) of one that ended; bytes."""

_CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-_]|[\x00-\x08\x0b-\x1f\x7f]")

_POLL = """cd %(job)s 2>/dev/null || exit 0
n=0; while [ ! -e exit ] && [ $n -lt %(naps)d ]; do sleep 0.25; n=$((n+1)); done
state=gone
if [ "$(cat pid 2>/dev/null)" != "%(identity)s" ]; then state=replaced
elif [ -e exit ]; then state="ended $(cat exit)"
else
  set -- $(sed "s/.*) //" /proc/%(pid)s/stat 2>/dev/null)
  if [ "${20}" = %(start)s ]; then state=running; elif [ -e exit ]; then state="ended $(cat exit)"; fi
fi
echo "%(marker)s $state"; tail -c +%(offset)d log | head -c %(chunk)d | base64 -w 0; echo"""


def poll_script(job, identity, offset, wait):
    """A shell script that waits up to `wait` seconds for the job's end and prints its state and its log from `offset`.

    `job`: the folder, quoted for a shell; `identity`: "PID START", as the folder's file pid has it.
    """
    pid, start = identity.split()
    return _POLL % {
        "job": job,
        "naps": int(wait * 4),
        "identity": identity,
        "pid": pid,
        "start": start,
        "marker": MARKER,
        "offset": offset + 1,
        "chunk": CHUNK,
    }


def read_answer(stdout):
    """The Answer in what the script printed; None when there is none, as when the folder is gone."""
    lines = [line.strip() for line in stdout.splitlines()]
    for number, line in enumerate(lines):
        words = line.split()
        if words[:1] == [MARKER] and len(words) >= 2:
            output = base64.b64decode("".join(lines[number + 1 :]))
            if words[1] != "ended":
                return Answer(words[1], None, None, None, output)
            return Answer("ended", int(words[2]), float(words[3]), words[4], output)
    return None


def clean(line):
    """A line as a terminal would end up showing it: what a carriage return overwrote is gone, and so are colours."""
    text = line.rstrip("\r").rsplit("\r", 1)[-1]
    return _CONTROL.sub("", text).rstrip()[:LONGEST]


class Lines(object):
    """Lines out of pieces of bytes, however they are cut."""

    def __init__(self):
        """Begin with nothing."""
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._rest = ""
        self.last = []

    def feed(self, piece, final=False):
        """The whole lines that this piece ended, empty ones left out; with `final` also one without an end."""
        parts = (self._rest + self._decoder.decode(piece, final)).split("\n")
        self._rest = "" if final else parts.pop()
        lines = [line for line in map(clean, parts) if line]
        self.last = (self.last + lines)[-KEPT:]
        return lines

    @property
    def newest(self):
        """What the command said last, be it the state of a progress bar; "" when it said nothing yet."""
        return clean(self._rest) or (self.last[-1] if self.last else "")


class Ticker(object):
    """Chooses what is shown: every line that matches `progress`, else the newest one, every `every` seconds."""

    def __init__(self, every, progress, now):
        """`progress`: a regular expression, or None; `now`: seconds, of any clock."""
        self._every = every
        self._progress = re.compile(progress) if progress else None
        self._shown_at = now
        self._shown = ""

    def choose(self, lines, newest, now):
        """The lines to show at `now`."""
        chosen = [line for line in lines if self._progress and self._progress.search(line)]
        if not chosen and newest and newest != self._shown and now - self._shown_at >= self._every:
            chosen = [newest]
        if chosen:
            self._shown, self._shown_at = chosen[-1], now
        return chosen


def failure(label, answer, lines, log, timeout):
    """The sentence for a command that did not succeed; None for one that did.

    `lines`: its last lines, None where they are secret; `log`: the file on the host with all; `timeout`: seconds.
    """
    if answer.state == "replaced":
        return "%s was started again by somebody else meanwhile: wait for that run, then run this again." % label
    if answer.state == "gone":
        what = "%s is gone without an exit code, so it was killed or the host restarted: run this again" % label
    elif answer.reason == "timeout":
        what = "%s was stopped after its limit of %d seconds" % (label, timeout)
    elif answer.rc < 0:
        what = "%s was killed by signal %d after %.0f seconds" % (label, -answer.rc, answer.seconds)
    elif answer.rc:
        what = "%s ended with exit code %d after %.0f seconds" % (label, answer.rc, answer.seconds)
    else:
        return None
    said = "; its last lines are:\n%s" % "\n".join(lines[-10:]) if lines else ""
    return "%s (its whole output is in %s on the host)%s" % (what, log, said)

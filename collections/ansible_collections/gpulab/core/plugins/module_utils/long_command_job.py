# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""A command that runs detached from the connection that started it, and its folder on the host.

The folder holds `log` (output and errors), `pid` (process id and start time of the supervisor), `command` (a hash, so
that nothing secret lies there), `lock` (held while the supervisor lives) and, at the end, `exit`: "RC SECONDS REASON".
Python 3.6+, standard library only, Linux.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import fcntl
import hashlib
import json
import os
import signal
import subprocess
import time

MARK = "GPULAB_LONG_COMMAND"
"""Environment variable, with the folder as its value, by which all processes of a job are found."""
GRACE = 3.0
"""Seconds between asking a process to end and killing it."""


class JobError(Exception):
    """The job cannot be started; the text is one sentence."""


def digest(argv, chdir, environment):
    """What tells one command from another: a sha256 (hex)."""
    return hashlib.sha256(json.dumps([argv, chdir, environment], sort_keys=True).encode("utf-8")).hexdigest()


def read(path):
    """A small file's text; "" when there is none."""
    try:
        with open(path) as file:
            return file.read()
    except (IOError, OSError):
        return ""


def write(path, text):
    """Replace a file in one step."""
    with open(path + ".part", "w") as file:
        file.write(text)
    os.rename(path + ".part", path)


def stat(pid):
    """The fields of a process after its name: state, parent, group, session ... and its start time at index 19."""
    return read("/proc/%d/stat" % pid).rpartition(")")[2].split()


def is_alive(identity):
    """Whether the process that "PID START" names still runs."""
    fields = stat(int(identity.split()[0])) if identity else []
    return bool(fields) and fields[0] != "Z" and fields[19] == identity.split()[1]


def members(job, session=-1):
    """Process ids of everything that was started by a job: by its mark, or by its session."""
    mark, found = ("%s=%s" % (MARK, job)).encode("utf-8"), []
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
        fields = stat(pid)
        if pid == os.getpid() or not fields or fields[0] == "Z":
            continue
        try:
            with open("/proc/%d/environ" % pid, "rb") as file:
                if mark in file.read().split(b"\0") or fields[3] == str(session):
                    found.append(pid)
        except (IOError, OSError):  # ended meanwhile, or another user's
            continue
    return found


def end_members(job, session=-1):
    """End everything that a job started: ask, wait, kill."""
    asked, deadline = set(), time.time() + GRACE
    while True:
        alive = members(job, session)
        if not alive:
            return
        for pid in alive:
            late = time.time() > deadline
            if late or pid not in asked:
                asked.add(pid)
                try:
                    os.kill(pid, signal.SIGKILL if late else signal.SIGTERM)
                except OSError:  # ended meanwhile
                    pass
        time.sleep(0.05)


def take_lock(job):
    """A handle that holds the job's lock as long as it is open; None when a supervisor holds it."""
    handle = os.open(os.path.join(job, "lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (IOError, OSError):
        os.close(handle)
        return None
    return handle


def attach(job, command):
    """(identity of the job that runs in this folder, False); raises JobError when it is another command."""
    identity = read(os.path.join(job, "pid"))
    if not identity or read(os.path.join(job, "command")) != command:
        pid = identity.split()[0] if identity else "that is just starting"
        raise JobError(
            "Another command still runs in the job folder %s (process %s): wait until it is done, or end it with kill "
            "on the host, then run this again." % (job, pid)
        )
    return identity, False


def free_or_running(job):
    """A handle that holds the lock, or None for a job that runs; one that begins or ends this moment is waited for."""
    deadline = time.time() + GRACE
    while True:
        lock = take_lock(job)
        begun = read(os.path.join(job, "command")) and not os.path.exists(os.path.join(job, "exit"))
        if lock is not None or (begun and is_alive(read(os.path.join(job, "pid")))) or time.time() > deadline:
            return lock
        time.sleep(0.05)


def start(job, argv, chdir, environment, timeout):
    """Start the job, or attach to it if it runs: (identity "PID START", whether it was started). Raises JobError."""
    command = digest(argv, chdir, environment)
    if not os.path.isdir(job):
        os.makedirs(job, 0o700)
    lock = free_or_running(job)
    if lock is None:
        return attach(job, command)
    if chdir and not os.path.isdir(chdir):
        raise JobError("The folder %s to run %s in does not exist: make it, or give another chdir." % (chdir, argv[0]))
    for name in ("command", "pid", "exit", "log"):
        if os.path.exists(os.path.join(job, name)):
            os.unlink(os.path.join(job, name))
    end_members(job)  # what a supervisor that was killed left behind
    ours, theirs = os.pipe()
    if os.fork() == 0:
        try:
            os.close(ours)
            _detach(lock, theirs)
            _supervise(job, argv, chdir, environment, timeout, command, theirs)
        finally:
            os._exit(0)
    os.close(theirs)
    os.close(lock)
    with os.fdopen(ours) as pipe:
        told = json.loads(pipe.read() or "{}")
    if "identity" not in told:
        raise JobError("%s cannot be started: %s." % (argv[0], told.get("error", "its supervisor was killed")))
    return told["identity"], True


def _detach(lock, pipe):
    """Leave the session, the parent and the parent's files behind, all but these two."""
    os.setsid()
    if os.fork():
        os._exit(0)
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    for handle in (int(name) for name in os.listdir("/proc/self/fd")):
        if handle > 2 and handle not in (lock, pipe):
            try:
                os.close(handle)
            except OSError:  # the handle that listed the folder
                pass


class _TimeUp(Exception):
    """The command's limit has passed."""


def _time_up(_number, _frame):
    raise _TimeUp


def _supervise(job, argv, chdir, environment, timeout, command, pipe):
    """Run the command to its end or its limit, in a session of its own; tell through `pipe` how it began."""
    mask = os.umask(0o077)  # for the job's files; the command gets the usual one

    def as_child():
        os.setsid()
        os.umask(mask)

    def asked_to_end(_number, _frame):
        end_members(job)
        os._exit(1)

    began = time.time()
    try:
        log = os.open(os.path.join(job, "log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        process = subprocess.Popen(
            argv,
            cwd=chdir or None,
            env=dict(os.environ, **dict(environment, **{MARK: job})),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=as_child,
        )
        identity = "%d %s" % (os.getpid(), stat(os.getpid())[19])
        write(os.path.join(job, "pid"), identity)
        write(os.path.join(job, "command"), command)  # last: with it the folder tells all of a running job
    except (IOError, OSError, ValueError) as error:
        os.write(pipe, json.dumps({"error": getattr(error, "strerror", None) or str(error)}).encode("utf-8"))
        return
    signal.signal(signal.SIGTERM, asked_to_end)
    signal.signal(signal.SIGALRM, _time_up)
    os.write(pipe, json.dumps({"identity": identity}).encode("utf-8"))
    os.close(pipe)
    try:
        signal.setitimer(signal.ITIMER_REAL, timeout)
        rc, reason = process.wait(), "exit"
        signal.setitimer(signal.ITIMER_REAL, 0)
    except _TimeUp:
        rc, reason = 124, "timeout"
    seconds = time.time() - began
    end_members(job, process.pid)
    write(os.path.join(job, "exit"), "%d %.1f %s" % (rc, seconds, reason))

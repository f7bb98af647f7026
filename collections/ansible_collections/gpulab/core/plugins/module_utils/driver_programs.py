# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Run programs that change a driver: to their end, with their whole output. Python 3.6+, standard library only.

Programs that only tell of a driver are run by driver_commands, with a time limit each. These have none: a package
manager or an installer that is killed half way is worse than one that takes long.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import os
import pwd
import subprocess

from ansible_collections.gpulab.core.plugins.module_utils import driver_commands


def user(name):
    """(uid, gid) of a user, None if there is none of this name or we could not become it."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return (entry.pw_uid, entry.pw_gid) if os.geteuid() == 0 else None


def run(argv, cwd=None, ids=None, more=None):
    """(exit code, output of both streams) of a program that is asked nothing; 127 and the reason when it cannot be run.

    ids: (uid, gid) to run as. more: variables to add to the environment.
    """

    def drop():
        if ids:
            os.setgroups([])
            os.setgid(ids[1])
            os.setuid(ids[0])

    try:
        process = subprocess.Popen(
            [driver_commands.find(argv[0]) or argv[0], *argv[1:]],
            cwd=cwd,
            env=dict(driver_commands.environment(), **(more or {})),
            preexec_fn=drop,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    except OSError as error:
        return 127, "%s cannot be run: %s" % (argv[0], error.strerror)
    output = process.communicate()[0].decode("utf-8", "replace")
    return process.returncode, output


def lines_of_file(path):
    """The text of a log, "" where there is none."""
    try:
        with open(path, errors="replace") as file:
            return file.read()
    except (IOError, OSError):
        return ""

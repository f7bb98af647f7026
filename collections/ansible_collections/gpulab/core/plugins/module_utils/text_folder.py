# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""A folder that holds these text files and no others: what is there, what to do. Python 3.6+, standard library only."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import os


def read(folder):
    """{name: bytes} of the files in a folder, None for links; {} without a folder. Folders in it do not count."""
    found = {}  # type: dict[str, bytes | None]
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
        path = os.path.join(folder, name)
        if os.path.islink(path):
            found[name] = None
        elif os.path.isfile(path):
            with open(path, "rb") as file:
                found[name] = file.read()
    return found


def write(path, raw, mode=0o644):
    """Replace a file in one step, at no time more open than `mode`.

    What a killed run leaves is removed as a file that is not wanted.
    """
    # Its own mode from the first moment on: what is private is never open to others for a while.
    with os.fdopen(os.open(path + ".part", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(raw)
    os.chmod(path + ".part", mode)
    os.rename(path + ".part", path)


def folder_mode(mode):
    """The mode of a folder for files of this mode: who may read them may list it."""
    return mode | (mode & 0o444) >> 2


def plan(wanted, present):
    """(names to write, names to remove) so that what is present becomes what is wanted. Pure; both as `read` gives."""
    write = sorted(name for name in wanted if present.get(name) != wanted[name])
    return write, sorted(set(present) - set(wanted))

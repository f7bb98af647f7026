# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""A lab's files on the host: a git clone at a commit, or copies that spare the user's own changes. Python 3.6+."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import hashlib
import json
import os
import shutil

from ansible_collections.gpulab.core.plugins.module_utils import lab_plan

PLACED = "placed.json"
"""In the lab's state: hashes of what was put into the user's folder; they tell an old copy from a changed one."""
BRANCH = "lab"


def read(path):
    """A file's bytes; b"" when there is none."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except (IOError, OSError):
        return b""


def write(path, content):
    """Replace a file in one step; whether that was needed."""
    if os.path.exists(path) and read(path) == content:
        return False
    if not os.path.isdir(os.path.dirname(path)):
        os.makedirs(os.path.dirname(path))
    with open(path + ".part", "wb") as file:
        file.write(content)
    os.rename(path + ".part", path)
    return True


def sha256(content):
    """As hex."""
    return hashlib.sha256(content).hexdigest()


def files_below(folder):
    """The paths, relative and sorted, of all files in a folder."""
    found = []
    for place, folders, names in os.walk(folder):
        folders.sort()
        found += [os.path.relpath(os.path.join(place, name), folder) for name in names]
    return sorted(found)


def content_of(folder):
    """One hash of a folder's files and their names."""
    parts = [(name, sha256(read(os.path.join(folder, name)))) for name in files_below(folder)]
    return sha256(json.dumps(parts).encode("utf-8"))


def place(source, folder, state, dry):
    """Copy the files of `source` into the user's folder, but never over what the user has changed.

    Returns (whether anything was, or with `dry` would be, changed; the names of the user's own versions).
    """
    record = os.path.join(state, PLACED)
    placed = json.loads((read(record) or b"{}").decode("utf-8"))
    changed, own, now = False, [], {}
    for name in files_below(source):
        wanted, there = read(os.path.join(source, name)), os.path.join(folder, name)
        now[name] = sha256(wanted)
        found = sha256(read(there)) if os.path.exists(there) else ""
        if found in ("", placed.get(name)) and found != now[name]:
            changed = True
            if not dry:
                write(there, wanted)
        elif found not in ("", now[name]):
            own.append(name)
            now[name] = placed.get(name, "")
    if not dry:
        write(record, json.dumps(now, sort_keys=True).encode("utf-8"))
    return changed, own


class Git(object):
    """A clone at a commit. `run`: function of (argv, folder) that gives (rc, output, errors)."""

    def __init__(self, run, folder, url, commit):
        """Nothing is done yet."""
        self._run = run
        self._folder = folder
        self._url = url
        self._commit = commit

    def _git(self, folder, *arguments):
        rc, out, err = self._run(["git", "-C", folder, *arguments], folder)
        if rc:
            lines = [line for line in err.strip().splitlines() if line.strip()] or ["exit code %d" % rc]
            raise lab_plan.LabError("git %s in %s failed: %s" % (arguments[0], folder, lines[-1].strip()))
        return out

    def look(self):
        """What lies there now, as a lab_plan.Clone."""
        if not os.path.isdir(self._folder) or not os.listdir(self._folder):
            return lab_plan.Clone(False, False, "", [])
        if not os.path.isdir(os.path.join(self._folder, ".git")):
            return lab_plan.Clone(True, False, "", [])
        changed = self._git(self._folder, "status", "--porcelain", "--untracked-files=no").splitlines()
        head = self._git(self._folder, "rev-parse", "HEAD").strip()
        return lab_plan.Clone(True, True, head, [line[3:] for line in changed])

    def clone(self):
        """Make the clone aside and put it in place as a whole, so that a killed run leaves none or a right one."""
        part = self._folder + ".part"
        shutil.rmtree(part, ignore_errors=True)
        os.makedirs(part)
        self._git(part, "init", "--quiet")
        self._git(part, "remote", "add", "origin", self._url)
        # The user's `git status` should tell of the user's work alone.
        with open(os.path.join(part, ".git/info/exclude"), "a") as file:
            file.write("outputs/\nMNIST_data/\n.ipynb_checkpoints/\n")
        self.checkout(part)
        if os.path.isdir(self._folder):
            os.rmdir(self._folder)
        os.rename(part, self._folder)

    def checkout(self, folder=None):
        """Fetch the commit, alone where the server gives single commits, and check it out on a branch of its own."""
        folder = folder or self._folder
        try:
            self._git(folder, "fetch", "--quiet", "--depth", "1", "origin", self._commit)
        except lab_plan.LabError:
            try:
                self._git(folder, "fetch", "--quiet", "origin")
            except lab_plan.LabError as error:
                raise lab_plan.LabError(
                    "%s cannot be fetched (%s): check the address and the network" % (self._url, error)
                ) from error
        try:
            self._git(folder, "checkout", "--quiet", "-B", BRANCH, self._commit)
        except lab_plan.LabError as error:
            raise lab_plan.LabError(
                "%s has no commit %s (%s): correct one of them" % (self._url, self._commit, error)
            ) from error
        head = self._git(folder, "rev-parse", "HEAD").strip()
        if head != self._commit:
            raise lab_plan.LabError("%s gave %s, expected %s" % (self._url, head, self._commit))

    def show(self, path):
        """A file's bytes as the commit has it, whatever became of it in the folder."""
        try:
            return self._git(self._folder, "show", "%s:%s" % (self._commit, path)).encode("utf-8")
        except lab_plan.LabError as error:
            names = self._git(self._folder, "ls-tree", "-r", "--name-only", self._commit).splitlines()
            there = [name for name in names if name.endswith(".ipynb")]
            raise lab_plan.LabError(
                "%s at %s has no %s, expected one of its notebooks (%s)"
                % (self._url, self._commit[:7], path, ", ".join(there[:10]) or "there are none")
            ) from error

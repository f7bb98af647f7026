# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Looks at a host's environments; decides nothing and changes nothing. Python 3.6+."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import glob
import json
import os
import pwd
import re
import subprocess

from ansible_collections.gpulab.core.plugins.module_utils import environment_installed
from ansible_collections.gpulab.core.plugins.module_utils.environment_commands import BASE, BUILT

MARKER = "gpulab.json"
"""File in a prefix that says it is whole. Not in conda-meta: conda's programs take every .json there for a package."""
HOME_ROOTS = ["~/miniconda3", "~/anaconda3", "~/miniforge3", "~/mambaforge", "~/micromamba"]
ROOTS = [*HOME_ROOTS, "/opt/conda", "/opt/miniconda3", "/opt/anaconda3", "/opt/miniforge3", "/usr/local/conda"]
"""Where installers and AMIs put a conda."""
TIMEOUT = 60


def run(argv):
    """(exit code, output) of a command; 127 and the reason when it cannot be started or does not end."""
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT
        )
    except (OSError, subprocess.SubprocessError) as error:
        return 127, str(error)
    return done.returncode, done.stdout.decode("utf-8", "replace")


def read(path):
    """A file's text, "" when it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read().decode("utf-8", "replace")
    except (IOError, OSError):
        return ""


def read_json(path):
    """A file's content, None when there is none that makes sense."""
    try:
        return json.loads(read(path))
    except ValueError:
        return None


def link(path):
    """{path, kind, target}: what a name stands for; target is its real path, "" when that does not exist."""
    kind = "link" if os.path.islink(path) else "folder" if os.path.isdir(path) else "none"
    return {"path": path, "kind": kind, "target": os.path.realpath(path) if os.path.isdir(path) else ""}


def busy(paths):
    """{path: who works in it} of those folders in which a process runs, or on which one works.

    A process runs in a folder when its program lies there; it works on it when it was started with that path.
    """
    found = {}
    for process in glob.glob("/proc/[0-9]*"):
        if process == "/proc/%d" % os.getpid():
            continue
        try:
            program = os.readlink(process + "/exe")
        except OSError:  # it ended, or is another user's
            program = ""
        words = read(process + "/cmdline").split("\0")
        for path in paths:
            if program.startswith(path + "/") or any(w == path or w.startswith(path + "/") for w in words):
                found[path] = "process %s (%s)" % (os.path.basename(process), " ".join(words)[:80].strip())
    return found


def prefixes(root, name):
    """Our environments of this name, linked or not: [{path, key, marker, busy}]; no key means that it is not whole."""
    shape = re.compile(re.escape(name) + r"-[0-9a-f]{12}(\.\d+)?$")
    paths = [
        p for p in sorted(glob.glob(root + "/envs/*")) if shape.match(os.path.basename(p)) and not os.path.islink(p)
    ]
    users = busy(paths)
    found = []
    for path in paths:
        marker = read_json(os.path.join(path, MARKER))
        key = (marker or {}).get("key") or read(os.path.join(path, BUILT)).strip()
        found.append({"path": path, "key": key, "marker": marker, "busy": users.get(path, "")})
    return found


def base(prefix, locked):
    """{conda: {name: version}, pip: ...} of what an environment was made of: its marker's, else what it will say.

    locked: names that the requirements pin; what else pip finds was added by somebody.
    """
    marker = read_json(os.path.join(prefix, MARKER))
    if marker:
        return marker
    now = environment_installed.versions(packages(prefix))
    records = read(os.path.join(prefix, BASE)).split()
    first = {record[: -len(".json")].rsplit("-", 2)[0] for record in records if record.endswith(".json")}
    return {
        "conda": {n: v for n, v in now["conda"].items() if n in first},
        "pip": {n: v for n, v in now["pip"].items() if n in locked},
    }


def packages(prefix):
    """What is installed in a prefix, as environment_installed.packages describes it."""
    records = [read_json(path) or {} for path in glob.glob(prefix + "/conda-meta/*.json")]
    dists = {}
    for site in glob.glob(prefix + "/lib/python*/site-packages"):
        for path in glob.glob(site + "/*-info"):
            asked = os.path.exists(path + "/REQUESTED")
            # Only pip notes what was asked for, since 20.2; what others installed somebody wanted.
            known = read(path + "/INSTALLER").strip() == "pip" and os.path.exists(path + "/RECORD")
            dists[os.path.relpath(path, prefix)] = asked if known else None
    return environment_installed.packages(records, dists)


def python(prefix):
    """{version, error} of a prefix's Python; the error is "" when it runs."""
    code, output = run([prefix + "/bin/python", "-B", "-c", "import sys; print('%d.%d.%d' % sys.version_info[:3])"])
    said = (output.strip().splitlines() or [""])[-1]
    return {"version": said, "error": ""} if code == 0 else {"version": "", "error": said or "exit code %d" % code}


def elsewhere(root, name):
    """Path of another conda's environment of this name, "" when there is none."""
    listed = [line.strip() for line in read(os.path.expanduser("~/.conda/environments.txt")).splitlines()]
    places = ["%s/envs/%s" % (os.path.expanduser(place), name) for place in ROOTS]
    places += [path for path in listed if os.path.basename(path) == name]
    for path in places:
        real = os.path.realpath(path)
        if (
            not real.startswith(root + "/")
            and os.path.isdir(real + "/conda-meta")
            and os.path.exists(real + "/bin/python")
        ):
            return real
    return ""


def tools():
    """[{path, version}] of the conda programs that the host has, those of the login shell first."""
    _code, said = run(["bash", "-lc", "type -P micromamba mamba conda"])
    paths = [line for line in said.splitlines() if line.startswith("/")]
    paths += [os.path.expanduser("%s/bin/%s" % (place, name)) for place in ROOTS for name in ("mamba", "conda")]
    found = []
    for path in paths:
        if os.access(path, os.X_OK):
            code, version = run([path, "--version"])
            if code == 0:
                found.append({"path": path, "version": version.strip()})
    return found


def free_megabytes(path):
    """Megabytes that this user may write where `path` is, or will be."""
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    disk = os.statvfs(path)
    return disk.f_bavail * disk.f_frsize // 1000000


def glibc():
    """Version of the C library, "" for another one."""
    try:
        return (os.confstr("CS_GNU_LIBC_VERSION") or "").replace("glibc ", "")
    except (ValueError, OSError):
        return ""


def gather(root, name):
    """All that a plan depends on: link, prefixes, elsewhere, python and packages of what is in use, and the host."""
    place = link("%s/envs/%s" % (root, name))
    found = {"link": place, "prefixes": prefixes(root, name), "elsewhere": elsewhere(root, name)}
    current = place["target"] or found["elsewhere"]
    found["python"] = python(current) if current else {"version": "", "error": "there is none"}
    found["packages"] = packages(current) if current else {"conda": {}, "pip": {}}
    found.update(free_megabytes=free_megabytes(root), machine=os.uname()[4], glibc=glibc())
    found.update(gpu=os.path.exists("/dev/nvidia0"), user=pwd.getpwuid(os.getuid()).pw_name)
    folders = [root + part for part in ("", "/bin", "/envs", "/build")]
    found["root_is_ours"] = all(os.path.isdir(folder) and os.access(folder, os.W_OK) for folder in folders)
    return found

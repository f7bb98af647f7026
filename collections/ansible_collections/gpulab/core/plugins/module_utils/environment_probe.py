# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Runs in an environment's own Python (3.5+): imports modules, each in a child process, and prints one line of JSON.

A child, because an import may crash the process, may hang, and may leave half of itself behind when it fails.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import importlib
import importlib.util
import json
import os
import re
import signal
import sys
import tempfile
import traceback

TEXT_LIMIT = 6000
"""Characters of a failure that are kept, from its end: the reason stands there."""


def version_of(module):
    """What a module says of its version, "" if nothing."""
    version = getattr(module, "__version__", None) or getattr(module, "VERSION", "")
    return version if isinstance(version, str) else ""


def import_one(name):
    """{version, file, cuda} of a module, or {error}; cuda is the toolkit that PyTorch was built with, "" for none."""
    try:
        module = importlib.import_module(name)
        built = getattr(getattr(module, "version", None), "cuda", None)
        file = getattr(module, "__file__", None) or ""
        return {"version": version_of(module), "file": file, "cuda": built if isinstance(built, str) else ""}
    except BaseException:  # a module may also call sys.exit
        return {"error": traceback.format_exc()[-TEXT_LIMIT:]}


def start(name, seconds, output):
    """Process id of a child that imports a module; it writes what it prints and then a line of JSON to a descriptor."""
    child = os.fork()
    if child:
        return child
    try:
        os.dup2(output, 1)
        os.dup2(output, 2)
        signal.alarm(seconds)  # nobody handles it: the child ends
        result = json.dumps(import_one(name))
        sys.stdout.flush()
        sys.stderr.flush()
        os.write(1, ("\n" + result).encode())
    finally:
        os._exit(0)


def outcome(name, status, output):
    """What became of a child: {version, file, cuda}, or {error, signal, folder}."""
    os.lseek(output, 0, os.SEEK_SET)
    with os.fdopen(output, "rb") as file:
        printed, _newline, last = file.read().decode("utf-8", "replace").rpartition("\n")
    found = {}
    if not os.WIFSIGNALED(status):
        try:
            found = json.loads(last)
        except ValueError:  # it ended itself, by os._exit
            printed += "\n" + last
    if "version" in found:
        return found
    ended = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    text = (printed.strip()[-TEXT_LIMIT:] + "\n" + found.get("error", "")).strip()
    return {"error": text or "The process ended without a word.", "signal": ended, "folder": folder_of(name)}


def folder_of(name):
    """Folder or file that a module's top package comes from, "" if there is none; imports nothing."""
    try:
        spec = importlib.util.find_spec(name.partition(".")[0])
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        return ""
    places = list(spec.submodule_search_locations or [])
    return places[0] if places else spec.origin or ""


def distributions():
    """{normalized name: version} of what is installed where this Python looks; the first place wins."""
    found = {}  # type: dict[str, str]
    for place in sys.path:
        for entry in sorted(os.listdir(place)) if os.path.isdir(place) else []:
            match = re.match(r"(.+?)-(\d[^-]*)(?:-py[\d.]+)?\.(?:dist-info|egg-info)$", entry)
            if match:
                found.setdefault(re.sub(r"[-_.]+", "-", match.group(1)).lower(), match.group(2))
    return found


def import_all(names, seconds):
    """{module: outcome} of importing them, as many at a time as there are processors."""
    waiting, results = list(names), {}
    running = {}  # type: dict[int, tuple[str, int]]
    while waiting or running:
        while waiting and len(running) < (os.cpu_count() or 1):
            name, (output, path) = waiting.pop(0), tempfile.mkstemp()
            os.unlink(path)
            running[start(name, seconds, output)] = (name, output)
        child, status = os.wait()
        name, output = running.pop(child)
        results[name] = outcome(name, status, output)
    return results


def main():
    """Arguments: seconds for each import, then the modules."""
    sys.path[:] = [place for place in sys.path if place]  # "" is the folder that the caller happens to be in
    results = import_all(sys.argv[2:], int(sys.argv[1]))
    python = ".".join(str(part) for part in sys.version_info[:3])
    print(json.dumps({"imports": results, "distributions": distributions(), "python": python, "prefix": sys.prefix}))


if __name__ == "__main__":
    main()

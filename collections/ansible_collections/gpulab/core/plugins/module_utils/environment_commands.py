# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Command lines for conda's programs and pip, and the script that runs them on the host. Pure. Python 3.6+."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import json

try:
    from shlex import quote
except ImportError:  # Python 2, which only reads this file
    from pipes import quote

BUILT = ".gpulab-built"
"""File in a prefix, written when all packages are in; it holds the key."""
BASE = ".gpulab-conda"
"""File in a prefix: the names of the conda packages' records, before a user's additions came."""


def _conda(tool, command, root, prefix, channels):
    chosen = [word for channel in channels for word in ("-c", channel)]
    # Only micromamba asks where its packages are to be kept; a conda of the host has a place of its own.
    place = ["-r", root] if tool["kind"] == "micromamba" else []
    return [tool["path"], command, "-y", "-q", *place, "-p", prefix, "--override-channels", *chosen]


def create(tool, root, prefix, channels, specs, folder, explicit):
    """argv that makes a prefix of the specs, or of exactly the lock in `folder` when `explicit`.

    conda and mamba 1 read environment files with another command, so they get the specs themselves; and locks with
    sha256 in other forms, or without looking at it.
    """
    begin = _conda(tool, "create", root, prefix, channels)
    if tool["kind"] == "micromamba":
        return [*begin, "-f", "%s/%s" % (folder, "explicit.lock" if explicit else "environment.yml")]
    return begin + list(specs)


def conda_install(tool, root, prefix, channels):
    """argv to which specs are added, to install into a prefix that exists."""
    return _conda(tool, "install", root, prefix, channels)


def pip_sources(wheels, torch_index, build):
    """pip's options for a folder of wheels (URL), or else its own index, and for CPU builds PyTorch's beside it.

    The hashes decide what is taken, so a further index can bring nothing else.
    """
    if wheels:
        return [
            "--no-index",
            "--find-links",
            wheels,
            "--trusted-host",
            wheels.split("://")[-1].split("/")[0].split(":")[0],
        ]
    return ["--extra-index-url", torch_index] if build == "cpu" and torch_index else []


def pip_install(prefix, sources):
    """argv to which requirements are added. sources: options that say where packages come from.

    Nothing is cached: a second copy of a PyTorch would not be read again. Nothing is compiled: pip would compile
    all of it; the script does so for what is imported.
    """
    quiet = ["--no-compile", "--no-input", "--disable-pip-version-check", "--no-cache-dir", "--progress-bar", "off"]
    return [prefix + "/bin/python", "-m", "pip", "install", *quiet, *list(sources)]


def locked(folder):
    """What follows pip_install to install exactly the lock in `folder`."""
    return ["--require-hashes", "--no-deps", "--requirement", folder + "/requirements.txt"]


def environment_file(name, channels, specs):
    """The environment file without its pip section (JSON, which is YAML): pip gets its lock by itself, with hashes."""
    return json.dumps({"name": name, "channels": list(channels), "dependencies": list(specs)}, indent=1) + "\n"


_HEAD = """\
#!/bin/sh
# Written by gpulab. Makes or repairs {prefix}; started again, it begins anew or goes on.
set -u
umask 022
# What it starts keeps the lock too: a child that outlives a killed script is waited for.
exec 9>{lock}
flock 9
# A user's own packages in ~/.local are not the environment's, and no package of it may count as there because of them.
export PYTHONNOUSERSITE=1
prefix={prefix}
built="$prefix/{built}"
step() {{
    name=$1
    shift
    echo "gpulab: $name"
    "$@" </dev/null || {{
        code=$?
        {on_failure}
        echo "gpulab: $name ended with exit code $code"
        exit "$code"
    }}
}}
"""
_FRESH = """\
if [ -e "$built" ]; then
    echo "gpulab: another run has made it meanwhile"
    exit 0
fi
rm -rf -- {leftovers}
"""
_FILE = """\
cat >{path} <<'gpulab: end of file'
{text}gpulab: end of file
"""
_COMPILE = """\
# Compiles what these modules import, as later checks write nothing. What does not import is for those to tell.
echo "gpulab: compile"
"$prefix/bin/python" -s -c '
import importlib, sys
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except BaseException:
        pass
' {imports} </dev/null >/dev/null 2>&1
"""
_DONE = """\
echo {key} >"$built.part"
mv "$built.part" "$built"
"""


def script(root, prefix, folder, files, steps, fresh, key, leftovers, imports):
    """The text of a POSIX shell script that runs `steps`, [[name, argv], ...], one after the other, under a lock.

    folder, files: where it first writes which texts, {name: text}. fresh: the prefix is made anew, removed again when a
    step fails, and marked with the key when all have succeeded. leftovers: folders of killed runs, removed first.
    imports: modules that will be imported. A script, so that all of it is one job that can be waited for.
    """
    on_failure = 'rm -rf -- "$prefix"' if fresh else ":"
    text = _HEAD.format(lock=quote(root + "/lock"), prefix=quote(prefix), built=BUILT, on_failure=on_failure)
    if fresh:
        text += _FRESH.format(leftovers=" ".join(quote(path) for path in sorted({prefix, *leftovers})))
    text += "mkdir -p %s\n" % quote(folder)
    for name in sorted(files):
        text += _FILE.format(path=quote("%s/%s" % (folder, name)), text=files[name].rstrip("\n") + "\n")
    for name, argv in steps:
        text += "step %s %s\n" % (quote(name), " ".join(quote(word) for word in argv))
        if fresh and name == "create":
            text += 'ls "$prefix/conda-meta" >"$prefix/%s"\n' % BASE
    if imports:
        text += _COMPILE.format(imports=" ".join(quote(name) for name in imports))
    return text + (_DONE.format(key=key) if fresh else "") + 'echo "gpulab: done"\n'

# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""What `apt-get --simulate` says it would do, and whether we may let it. Pure. Python 3.6+."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import re
from fnmatch import fnmatchcase
from typing import Dict, List, NamedTuple, Tuple

_LINE = re.compile(r"^(?P<what>Inst|Remv|Purg) (?P<name>\S+)(?: \[(?P<old>[^\]]*)\])?(?: \((?P<new>\S+))?")
_MISSING = re.compile(
    r"Unable to locate package|Version '.*' for '.*' was not found|no installation candidate|Couldn't find any package"
)
_UNMET = re.compile(
    r"(?:Pre)?Depends: (?P<name>[^\s:]+)(?::\w+)? (?:\((?P<how>\S+) (?P<version>\S+)\) )?"
    r"but it is not (?:installed|going)"
)
_ERROR = re.compile(r"^(?:E: |dpkg: error|Error! )", re.MULTILINE)


class Changes(NamedTuple):
    """What one transaction does to packages, names without architecture."""

    installed: Dict[str, str]
    """Name to version: not there before."""
    replaced: Dict[str, Tuple[str, str]]
    """Name to (old, new) version; both alike for a reinstallation."""
    removed: List[str]


def parse(text):
    """Changes from the output of `apt-get --simulate install|remove`."""
    installed, replaced, removed = {}, {}, []
    for line in text.splitlines():
        found = _LINE.match(line)
        if not found:
            continue
        name, old, new = found.group("name").split(":")[0], found.group("old"), found.group("new")
        if found.group("what") != "Inst":
            removed.append(name)
        elif old:
            replaced[name] = (old, new)
        else:
            installed[name] = new
    # A package that changes its name or architecture is removed and installed in one go: it stays.
    return Changes(installed, replaced, [n for n in removed if n not in installed and n not in replaced])


def matches(name, patterns):
    """Whether a package name is one of these names or shell patterns."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def objection(changes, may_remove, keep):
    """A sentence that says why this transaction must not run, or None.

    may_remove, keep: names or shell patterns. What is to be kept is never removed; anything else only if it may be.
    """
    kept = [name for name in changes.removed if matches(name, keep)]
    if kept:
        return "apt would also remove %s, expected to keep that: ask for nvidia_driver_method=runfile." % _some(kept)
    others = [name for name in changes.removed if not matches(name, may_remove)]
    if others:
        return (
            "apt would also remove %s, expected only packages of the driver: "
            "add the names to nvidia_driver_may_remove if they may go." % _some(others)
        )
    return None


def unmet(text):
    """What apt misses and could install, as items for it: NAME, or NAME=VERSION where exactly that is needed."""
    found = [(m.group("name"), m.group("version") if m.group("how") == "=" else None) for m in _UNMET.finditer(text)]
    return sorted({"%s=%s" % pair if pair[1] else pair[0] for pair in found})


def changed(changes):
    """Names of all packages that a transaction touches."""
    return set(changes.installed) | set(changes.replaced) | set(changes.removed)


def hold_objection(held, ours):
    """A sentence when a transaction touches packages on hold that are not ours (names or shell patterns), or None."""
    others = sorted(name for name in held if not matches(name, ours))
    if not others:
        return None
    return "apt would change %s, expected to leave what is on hold: lift that with `apt-mark unhold`." % _some(others)


def not_fetched(text):
    """Whether apt failed while it fetched packages, which is before it changes anything."""
    return bool(re.search(r"^E: (?:Failed to fetch|Unable to fetch)", text, re.MULTILINE))


def error_of(text):
    """The lines of apt's output that tell why it failed, on one line; the last line when none does."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if _ERROR.match(line)]
    return " ".join(errors[:3] or lines[-1:]).rstrip(".")


def missing(text):
    """Whether apt failed because it does not know a package or that version of it (its lists may be old)."""
    return bool(_MISSING.search(text))


def _some(names, limit=6):
    more = len(names) - limit
    return ", ".join(names[:limit]) + (" and %d more" % more if more > 0 else "")

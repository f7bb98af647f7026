# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""What a lab is, which labs a host gets, and whether one has to run. Pure. Python 3.6+."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import hashlib
import json
import re
from collections import namedtuple

DEFAULTS = {
    "repository": "",
    "commit": "",
    "data": [],
    "profiles": [],
    "parameters": {},
    "values": {},
    "assertions": {},
    "timeout": 1800,
    "cell_timeout": 0,
}
"""Everything of a lab but its name and notebook; timeouts in seconds, 0 is no limit of its own."""
LAYOUTS = ("idx", "torchvision", "torchvision-0.2", "tensorflow")
LIMITS = {"minimum", "maximum"}

Clone = namedtuple("Clone", "exists is_clone head changed")
"""What lies in a lab's folder: exists, is_clone (bool), head (commit), changed (tracked files that differ from it)."""


class LabError(Exception):
    """A lab that is not right; the text is one sentence."""


def kind_of(repository):
    """Where a lab comes from: shipped (with the role), git (a URL), or local (a folder on the control machine)."""
    if not repository:
        return "shipped"
    return "git" if "://" in repository or re.match(r"[\w.-]+@[\w.-]+:", repository) else "local"


def _wrong(lab):
    """What is wrong with a lab's description: found, expected, what to do; None when nothing is."""
    name, commit = lab.get("name") or "", str(lab.get("commit") or "")
    unknown = sorted(set(lab) - set(DEFAULTS) - {"name", "notebook"})
    if not re.match(r"[A-Za-z0-9][\w.-]*\Z", name):
        return "has the name %r, expected letters, digits, dots and hyphens, as it names a folder" % name
    if unknown:
        return "has %s, expected some of %s: correct the spelling" % (", ".join(unknown), ", ".join(sorted(DEFAULTS)))
    if not str(lab.get("notebook") or "").endswith(".ipynb"):
        return "has the notebook %r, expected a path that ends in .ipynb" % (lab.get("notebook") or "")
    if lab["notebook"].startswith("/") or ".." in lab["notebook"].split("/"):
        return "has the notebook %s, expected a path inside the lab's folder" % lab["notebook"]
    if kind_of(lab.get("repository")) == "git" and not re.match(r"[0-9a-f]{40}\Z", commit):
        return "has the commit %r, expected all 40 digits of one: git rev-parse HEAD in a clone tells it" % commit
    odd = sorted(set(lab.get("data") or []) - set(LAYOUTS))
    if odd:
        return "wants its data as %s, expected some of %s" % (", ".join(odd), ", ".join(LAYOUTS))
    for value, pattern in sorted((lab.get("values") or {}).items()):
        try:
            groups = re.compile(pattern).groups
        except re.error as error:
            return "has the value %s with the pattern %s, which is no regular expression (%s)" % (value, pattern, error)
        if groups not in (1, 2):
            return "has the value %s with %d groups in its pattern, expected one, or two to divide" % (value, groups)
    for value, limits in sorted((lab.get("assertions") or {}).items()):
        if value not in (lab.get("values") or {}):
            return "asserts %s, which is none of its values: add a pattern for it" % value
        if not isinstance(limits, dict) or not limits or set(limits) - LIMITS:
            return "asserts %s by %s, expected {minimum: NUMBER} or {maximum: NUMBER}" % (value, limits)
    return None


def chosen(labs, profile, only):
    """The labs of a profile (those that name none fit all), or just those named in `only`, with their defaults.

    Raises LabError.
    """
    for lab in labs:
        wrong = _wrong(lab)
        if wrong:
            raise LabError("The lab %s %s." % (lab.get("name") or lab, wrong))
    names = [lab["name"] for lab in labs]
    for name in names:
        if names.count(name) > 1:
            raise LabError("Two labs are called %s, expected different names: rename one." % name)
    strange = sorted(set(only) - set(names))
    if strange:
        raise LabError("There is no lab %s, expected some of %s." % (", ".join(strange), ", ".join(names) or "none"))
    fitting = [lab for lab in labs if lab["name"] in only] if only else [lab for lab in labs if fits(lab, profile)]
    return [dict(DEFAULTS, **lab) for lab in fitting]


def fits(lab, profile):
    """Whether a lab belongs to a profile."""
    return not lab.get("profiles") or profile in lab["profiles"]


def key_of(lab, content, environment, runner):
    """What bears on a result, as a hash: with the same key it is not made again.

    `content`: hash of the notebook and what lies beside it, or the commit; `environment`, `runner`: hashes.
    """
    used = {name: lab[name] for name in ("notebook", "parameters", "values", "assertions", "data")}
    text = json.dumps([used, content, environment, runner], sort_keys=True)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


def clone_plan(clone, commit, ours):
    """(what to do, note): clone, checkout, nothing, keep (not the wanted commit, and not ours to change).

    `ours`: the commit that was checked out here last, "" for none. Raises LabError.
    """
    if not clone.exists:
        return "clone", ""
    if not clone.is_clone:
        raise LabError(
            "is there and is no git clone, expected none or a clone: move it away, or name the lab differently"
        )
    if clone.head == commit:
        return "nothing", "has changes of your own (%s), which stay" % ", ".join(clone.changed) if clone.changed else ""
    if clone.changed:
        why = "changes of your own (%s)" % ", ".join(clone.changed)
    elif clone.head != ours:
        why = "another commit (%s) than the one that was put there" % clone.head[:7]
    else:
        return "checkout", ""
    return "keep", "has %s, so it is left alone and not run at %s: move the folder away to get that" % (why, commit[:7])


def is_done(result, key):
    """Whether a result is one of this key, and a good one."""
    return bool(result) and result.get("key") == key and result.get("passed") is True

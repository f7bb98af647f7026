# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""What is installed in an environment, what was added to it, and what is gone from it. Pure. Python 3.6+.

`Packages` are {"conda": {name: {version, depends}}, "pip": {name: {version, requested}}}; a marker's `conda` and `pip`
are {name: version} of what was installed when the environment was made.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import re
from typing import Set

from ansible_collections.gpulab.core.plugins.module_utils.environment_names import conda_name, normalized

_DIST = re.compile(r"^(?P<name>.+?)-(?P<version>[^-]+)(?:-py\d+(?:\.\d+)?(?:-.*)?)?\.(?:dist|egg)-info$")


def packages(records, dists):
    """Packages from conda's records and from the folders by which Python knows distributions.

    records: the contents of conda-meta/*.json. dists: {path in the prefix: whether its REQUESTED file is there, or None
    when its installer writes none}. What conda brought is conda's, so a distribution counts as pip's only when its
    folder is in no record.
    """
    conda = {}
    owned: Set[str] = set()
    for record in records:
        if record.get("name") and record.get("version"):
            conda[record["name"]] = {"version": record["version"], "depends": record.get("depends") or []}
        for path in record.get("files") or []:
            parts = path.split("/")
            owned.update("/".join(parts[: n + 1]) for n, part in enumerate(parts) if part.endswith("-info"))
    pip = {}
    for path, requested in dists.items():
        found = _DIST.match(path.rsplit("/", 1)[-1])
        if found and path not in owned:
            entry = {"version": found.group("version"), "requested": requested is not False}
            pip[normalized(found.group("name"))] = entry
    return {"conda": conda, "pip": pip}


def versions(found):
    """{"conda": {name: version}, "pip": {name: version}} of packages."""
    return {kind: {n: p["version"] for n, p in found[kind].items()} for kind in ("conda", "pip")}


def extras(found, marker, wanted):
    """What a user added and asked for: {"conda": [name=version], "pip": [name==version]}, sorted.

    Dependencies come again by themselves, in versions that fit, so conda's count only when no other addition needs
    them, and pip's when pip noted that they were asked for. wanted: names that the new environment brings anyway.
    """
    added = {n: p for n, p in found["conda"].items() if n not in marker.get("conda", {}) and n not in wanted}
    needed = {conda_name(spec) for name, p in added.items() for spec in p["depends"] if conda_name(spec) != name}
    # Two that need each other would both be left out: then all of them are asked for.
    roots = [name for name in added if name not in needed] or list(added)
    pip = found["pip"].items()
    mine = [n for n, p in pip if p["requested"] and n not in marker.get("pip", {}) and n not in wanted]
    return {
        "conda": sorted("%s=%s" % (name, added[name]["version"]) for name in roots),
        "pip": sorted("%s==%s" % (name, found["pip"][name]["version"]) for name in mine),
    }


def drift(found, marker, specs, lock):
    """Wanted packages that are gone, or of another version: {"conda": [name=version], "pip": [name]}, sorted.

    specs: the environment file's conda specs; only those must keep their version, as a user's own `install` may move
    the rest. lock: names that the requirements pin; others cannot be had back from it.
    """
    named = {conda_name(spec) for spec in specs}
    conda = [
        "%s=%s" % (name, version)
        for name, version in marker.get("conda", {}).items()
        if name not in found["conda"] or (name in named and found["conda"][name]["version"] != version)
    ]
    pip = [
        name
        for name, version in marker.get("pip", {}).items()
        if name in lock and found["pip"].get(name, {}).get("version") != version
    ]
    return {"conda": sorted(conda), "pip": sorted(pip)}

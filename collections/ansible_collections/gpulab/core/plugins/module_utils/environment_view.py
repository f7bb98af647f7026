# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""What there is to say of an environment once it is known what to do about it; it only reads. Python 3.6+."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import hashlib
import os
from typing import Any, Dict, List

from ansible_collections.gpulab.core.plugins.module_utils import (
    environment_check,
    environment_commands,
    environment_host,
    environment_installed,
    environment_names,
)


def is_there(tool):
    """Whether a program is on the host, and the very one that is meant."""
    if not tool["sha256"]:
        return os.access(tool["path"], os.X_OK)
    try:
        with open(tool["path"], "rb") as file:
            return hashlib.sha256(file.read()).hexdigest() == tool["sha256"]
    except (IOError, OSError):
        return False


def look(plan, wanted, found):
    """What there is to say of the plan's prefix as it is now, and of the host."""
    prefix = plan["prefix"]
    python = environment_host.python(prefix) if os.path.isdir(prefix) else {"version": "", "error": "there is none"}
    ready = bool(prefix and not python["error"] and not plan["fresh"])
    packages = environment_host.packages(prefix) if ready else {"conda": {}, "pip": {}}
    locked = sorted(environment_names.blocks(wanted["requirements"]))
    foreign = plan["verdict"] == "foreign" and prefix != wanted["made"]
    extras: Dict[str, List[str]] = {"conda": [], "pip": []}
    if ready and not foreign:
        extras = environment_installed.extras(packages, environment_host.base(prefix, locked), ())
    seen: Dict[str, Any] = {"imports": {}, "findings": [], "warnings": []}
    if ready:
        seen = environment_check.look(prefix + "/bin/python", wanted["imports"], wanted["build"])
    channels = environment_commands.conda_install(wanted["tool"], wanted["root"], prefix, wanted["channels"])
    sources = environment_commands.pip_sources(wanted["wheels"], wanted["torch_index"], wanted["build"])
    return {
        "tool": dict(wanted["tool"], there=is_there(wanted["tool"])),
        "build": wanted["build"],
        "key": wanted["key"],
        "name": wanted["name"],
        "root": wanted["root"],
        "prefix_ready": ready,
        "python": python["version"],
        "python_error": python["error"],
        "packages": environment_installed.versions(packages),
        "extras": extras["conda"] + extras["pip"],
        "locked": locked,
        "foreign": foreign,
        "imports": seen["imports"],
        "findings": seen["findings"],
        "warnings_found": plan["warnings"] + seen["warnings"],
        "conda_install": channels,
        "pip_install": environment_commands.pip_install(prefix, sources),
        "files": sorted(p for p, text in wanted["files"].items() if environment_host.read(p) != text),
        "free_megabytes": found["free_megabytes"],
        "gpu": found["gpu"],
        "user": found["user"],
        "root_is_ours": found["root_is_ours"],
    }

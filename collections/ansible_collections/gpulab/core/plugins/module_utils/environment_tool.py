# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Which program makes the environment: our pinned micromamba, or a conda that the host has. Pure. Python 3.6+."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import re

_DOWNLOAD = re.compile(r"^(?P<url>[a-z]+://[^#\s]+)#sha256=(?P<sha256>[0-9a-f]{64})$")
KINDS = ("micromamba", "mamba", "conda")


class ToolError(Exception):
    """No program can be chosen; the text is one sentence for the user."""


def kind(path):
    """micromamba, mamba or conda, by the file's name; others take micromamba's command line or none."""
    name = path.rsplit("/", 1)[-1]
    return name if name in KINDS else "micromamba"


def pinned(pin, machine):
    """{url, sha256} of the pinned micromamba for a machine (`uname -m`). Raises ToolError."""
    if machine not in pin["sha256"]:
        raise ToolError(
            "There is no micromamba for %s, expected %s: set conda_env_tool to a conda that the host has."
            % (machine, " or ".join(sorted(pin["sha256"])))
        )
    url = pin["url"].format(version=pin["version"], arch=pin["arch"][machine])
    return {"url": url, "sha256": pin["sha256"][machine]}


def choose(tool, micromamba, pin, machine, root, existing):
    """{kind, path, url, sha256, identity}; url is "" for a program that is on the host already.

    tool: micromamba, auto, existing, or a path on the host. micromamba: "" for the pin, URL#sha256=HEX, or a path.
    existing: [{path, version}] of the programs that the host has, best first. Raises ToolError.
    """
    if tool in ("existing", "auto") and existing:
        first = existing[0]
        major = (re.findall(r"\d+", first["version"]) or ["?"])[0]
        return _local(first["path"], "%s %s" % (kind(first["path"]), major))
    if tool == "existing":
        raise ToolError(
            "The host has no conda, mamba or micromamba, expected one: leave conda_env_tool out to have one brought."
        )
    if tool.startswith("/"):
        return _local(tool, kind(tool))
    identity = "micromamba %s" % pin["version"].split(".")[0]
    if micromamba.startswith("/"):
        return _local(micromamba, identity)
    if micromamba:
        found = _DOWNLOAD.match(micromamba)
        if not found:
            raise ToolError(
                "conda_env_micromamba is %r, expected URL#sha256=HEX (64 digits) or a path on the host: correct it."
                % str(micromamba)
            )
        place = found.groupdict()
    else:
        place = pinned(pin, machine)
    path = root + "/bin/micromamba"
    return {"kind": "micromamba", "path": path, "url": place["url"], "sha256": place["sha256"], "identity": identity}


def _local(path, identity):
    return {"kind": kind(path), "path": path, "url": "", "sha256": "", "identity": identity}

# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""A host's driver as data, for the plan and the report: versions, packages, GPUs, kernels. Pure. Python 3.6+.

Everything is read from the evidence that driver_sources collects; what was not collected is empty or None.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import re

from ansible_collections.gpulab.core.plugins.module_utils import driver_modules


def libraries(text):
    """{"cuda": version, "nvidia-ml": version} of the files that programs get by ldconfig's first line for each.

    text: ldconfig.txt, whose lines end with the real file. Only 64-bit libraries count; a missing one is left out.
    """
    pattern = r"^\s*lib(cuda|nvidia-ml)\.so\.1 \([^)]*,[^)]*\) => .*\.so\.(\d+\.\d+(?:\.\d+)?)\s*$"
    # The first line of each counts, and the last of a dict's.
    return dict(reversed(re.findall(pattern, text or "", re.MULTILINE)))


def versions(facts):
    """{loaded, on_disk, userspace} of driver_evidence's Facts, None for what is not there."""
    named = libraries("\n".join(facts.lines("ldconfig.txt")))
    userspace = [named[name] for name in ("nvidia-ml", "cuda") if name in named] or facts.libraries[-1:]
    return {
        "loaded": facts.loaded,
        "on_disk": (facts.disk_versions or [None])[-1],
        "userspace": (userspace or [facts.package_version])[0],
    }


def state(facts):
    """The state of one host: what is installed, loaded, on offer, and who uses it.

    Returns kernel, kernels [{name, build, nvidia}], dkms [{module, version, kernel, state}], packages [{name, version,
    status}], gpus [{address, id, driver}], modules [{name, refcount, users}], holders [{pid, command}], services {unit:
    state}, os {id, version}, runfile_installed, held [names], candidates {package: version}.
    """
    system = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', "\n".join(facts.lines("os-release.txt")), re.MULTILINE))
    return {
        "kernel": facts.kernel,
        "kernels": [
            {"name": name, "build": build == "yes", "nvidia": None if nvidia == "none" else nvidia}
            for name, build, nvidia in _found(facts, "kernels.txt", r"^(\S+) build=(\w+) nvidia=(\S+)")
        ],
        "dkms": [{key: entry[key] for key in ("module", "version", "kernel", "state")} for entry in facts.dkms],
        "packages": [{key: package[key] for key in ("name", "version", "status")} for package in facts.packages],
        "gpus": [{"address": gpu.address, "id": gpu.id, "driver": gpu.driver} for gpu in facts.gpus or []],
        "modules": driver_modules.ours(driver_modules.parse("\n".join(facts.lines("lsmod.txt")))),
        "holders": [
            {"pid": int(pid), "command": command} for pid, command in _found(facts, "holders.txt", r"^(\d+) ?(.*)$")
        ],
        "services": dict(_found(facts, "services.txt", r"^(\S+) (\S+)$")),
        "os": {"id": system.get("ID", ""), "version": system.get("VERSION_ID", "")},
        "runfile_installed": "/usr/bin/nvidia-uninstall" in facts.lines("runfile.txt"),
        "held": [name for name in facts.lines("apt-holds.txt") if name],
        "candidates": dict(_found(facts, "candidates.txt", r"^(\S+) (\S+)$")),
    }


def _found(facts, name, pattern):
    return re.findall(pattern, "\n".join(facts.lines(name)), re.MULTILINE)

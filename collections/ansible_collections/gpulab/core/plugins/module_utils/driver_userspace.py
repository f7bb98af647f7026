# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Which packages hold the libraries that belong to an installed kernel module. Pure. Python 3.6+.

A library that was removed took its dependants with it, so it cannot be found among what is installed: its name follows
from the package of the kernel module, which Ubuntu names by branch (and `-server`), Debian by kind (`tesla-470-`).
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import re

from ansible_collections.gpulab.core.plugins.module_utils.driver_names import upstream

_UBUNTU = re.compile(
    r"^(?:nvidia-(?:dkms|kernel-source|kernel-common)|linux-modules-nvidia)(?P<branch>-\d+(?:-server)?)"
)
_DEBIAN = re.compile(r"^nvidia-(?P<kind>(?:tesla-(?:\d+-)?)?)(?:open-)?kernel-(?:dkms|support)$")


def names(installed):
    """Names of the packages with libcuda, libnvidia-ml and nvidia-smi for the kernel modules among `installed`."""
    found = []
    for name in sorted(installed):
        ubuntu, debian = _UBUNTU.match(name), _DEBIAN.match(name)
        if ubuntu:
            found += [stem + ubuntu.group("branch") for stem in ("libnvidia-compute", "nvidia-utils")]
        elif debian:
            kind = debian.group("kind")
            libraries = (
                ["libnvidia-%scuda1" % kind, "libnvidia-%sml1" % kind] if kind else ["libcuda1", "libnvidia-ml1"]
            )
            found += [*libraries, "nvidia-%ssmi" % kind]
    return sorted(set(found))


def missing(installed, candidates, version):
    """["name=version"] of those that are not installed and are on offer at this driver version.

    installed: names. candidates: {package: version that apt would install}.
    """
    wanted = [name for name in names(installed) if name not in installed]
    return ["%s=%s" % (n, candidates[n]) for n in wanted if upstream(candidates.get(n) or "") == version]

# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""What the package managers of a host say of the driver: installed, held, on offer. Python 3.6+.

Each function takes the Host of driver_sources and returns a text, or None where there is no such package manager.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import re

from ansible_collections.gpulab.core.plugins.module_utils.driver_commands import matching

# The heading, then each package that is known by more than its name (state "un").
PACKAGES = r"^\|\|/|^[a-z][a-mo-zA-Z][A-Z]? +[^ ]*(nvidia|cuda|linux-(headers|image|modules|objects)|nouveau|dkms)"
RPMS = "nvidia|cuda|^kernel|dkms"
DRIVER_PACKAGES = (
    "^(nvidia-|libnvidia-|libcuda1|libcudadebugger1|libnvcuvid1|libnvoptix1|lib(egl|gl1|gles|glx)-nvidia|cuda-drivers"
    "|xserver-xorg-video-nvidia|firmware-nvidia|glx-alternative-nvidia|linux-headers-[a-z])"
    "|^linux-(modules-nvidia|objects-nvidia|signatures-nvidia|headers|image|image-extra|modules-extra)-.*KERNEL$"
)
"""Packages that a repair may install; KERNEL is the running kernel. Ubuntu offers thousands for other kernels."""


def installed(host):
    """Installed packages of the driver and of kernels, in the words of dpkg or rpm."""
    text = matching(PACKAGES, host.say(["dpkg", "-l"]))
    if text and re.search("^ii", text, re.MULTILINE):
        return text
    rpms = matching(RPMS, host.say(["rpm", "-qa"]))
    return "".join(sorted(rpms.splitlines(True))) if rpms else text


def held(host):
    """Names of the packages on hold."""
    text = matching(r"\shold$", host.say(["dpkg", "--get-selections"]))
    return "".join(line.split()[0] + "\n" for line in text.splitlines()) if text else text


def candidates(host):
    """`PACKAGE VERSION` for each driver package that apt would install, None without apt."""
    names = host.say(["apt-cache", "pkgnames"])
    if not names or not host.kernel:
        return None
    wanted = matching(DRIVER_PACKAGES.replace("KERNEL", re.escape(host.kernel)), names).split()
    text = host.say(["apt-cache", "policy", *sorted(wanted)]) if wanted else ""
    if text is None:
        return None
    found = re.findall(r"^(\S+):\n(?:  .*\n)*?  Candidate: (\S+)$", text, re.MULTILINE)
    return "".join("%s %s\n" % pair for pair in found if pair[1] != "(none)")

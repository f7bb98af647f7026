# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Names and versions of NVIDIA driver packages of Debian, Ubuntu and NVIDIA's own repository. Pure. Python 3.6+.

Read off Debian 12's non-free lists, Ubuntu's nvidia-graphics-drivers-* and NVIDIA's CUDA repository.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import re

from ansible_collections.gpulab.core.plugins.module_utils.driver_catalogue import branch_of

# NVIDIA's, but no part of a driver: tools and toolkits that work with any driver, or that no driver needs.
_KEPT = re.compile(
    r"nvidia-container|libnvidia-container|nvidia-docker|nvidia-modprobe|nvidia-prime|nvidia-settings|nvidia-detect"
    r"|nvidia-cuda-(?!mps)|libnvidia-ml-dev|nvidia-opencl-dev|nvidia-(?:visual-)?profiler|nvidia-nsight|nvidia-cudnn"
    r"|nvidia-cg-|nvidia-openjdk|nvidia-fs|nvidia-gds|nvidia-peer-memory|nvidia-mig|nvidia-vaapi|nvidia-system"
    r"|nvidia-hpc|nvidia-mlnx"
)
_DRIVER = re.compile(
    r"nvidia-|libnvidia-|libcuda1|libcudadebugger1|libnvcuvid1|libnvoptix1|cuda-drivers|xserver-xorg-video-nvidia"
    r"|lib(?:egl|gl1|gles|glx)-nvidia|firmware-nvidia-.*gsp|glx-alternative-nvidia"
    r"|linux-(?:modules|objects|signatures)-nvidia-|(?:a?kmod|xorg-x11-drv)-nvidia"
)
# Parts of a driver from sources of their own: another version in Debian, another revision in NVIDIA's repository.
_LOOSE = re.compile(
    r"nvidia-(?:persistenced|xconfig|modprobe|settings|imex)|libnvidia-nscq|linux-|.*-egl-(?:gbm|wayland)|.*fabricmanager"
)
_BRANCH = re.compile(r"[a-z\d]-(\d{3})(?:xx)?(?:$|-)")
_UPSTREAM = re.compile(r"(?:\d+:)?(\d{3}\.\d+(?:\.\d+)?)")


def bare(name):
    """Return a package's name without the host's own architecture; another one (":i386") stays."""
    return re.sub(r":(?:amd64|arm64|all|native)$", "", name)


def installed(package):
    """Whether a package ({name, version, status}) has files on the host; status is dpkg's ("ii", "rc", "iF") or absent.

    dpkg's second letter is the state: n(ot installed) and c(onfiguration left) have none, every other has some.
    """
    status = package.get("status") or "ii"
    return len(status) < 2 or status[1] not in "nc"


def is_driver(name, names=()):
    """Whether a package is part of a driver, so that another driver wants it gone. names: all that is installed.

    Debian's nvidia-settings depends on nvidia-alternative, which is, so it goes with it.
    """
    if name.startswith("nvidia-settings") and any(other.endswith("-alternative") for other in names):
        return True
    return bool(_DRIVER.match(name)) and not _KEPT.match(name)


def is_kept(name, names=()):
    """Whether a package is NVIDIA's and stays when the driver goes."""
    return bool(re.match("(?:lib)?nvidia-|cuda-", name)) and not is_driver(name, names)


def is_desktop(name):
    """Whether a package is there for a display: a headless host has other names for the same driver."""
    return bool(re.match(r"nvidia-(?:tesla-(?:\d+-)?)?driver(?:-\d.*)?$|xserver-xorg-video-nvidia", name))


def is_fabric_manager(name):
    """Whether a package is NVIDIA's fabric manager, whose version must be the driver's."""
    return "fabricmanager" in name and "-dev" not in name


def upstream(version):
    """Return the driver version in a package version ("535.309.01" of "535.309.01-1~deb12u1"), "" if there is none."""
    found = _UPSTREAM.match(version or "")
    return found.group(1) if found else ""


def named_branch(name):
    """Return the branch in a package's name ("470" of nvidia-tesla-470-smi), "" if it has none."""
    found = _BRANCH.search(name.split(":")[0])
    return found.group(1) if found else ""


def is_coupled(package):
    """Whether a package has the driver's own version, so that all such packages of a host must agree."""
    name, version = bare(package["name"]), upstream(package["version"])
    if not version or not is_driver(name) or _LOOSE.match(name):
        return False
    return exists_at(name, version)


def _named_version(name):
    """Return the full version in a package's name, as Ubuntu's nvidia-firmware-535-535.183.01 has it, or ""."""
    found = re.search(r"-(\d{3}\.\d+(?:\.\d+)?)$", name)
    return found.group(1) if found else ""


def exists_at(name, version):
    """Whether a package of this name can have a driver version: its name speaks of no other branch or version."""
    return named_branch(name) in ("", branch_of(version)) and _named_version(name) in ("", version)


def package_sets(branch, flavour, desktop):
    """Return the ways to ask for a driver, the best first: each a list of package names; the first one decides.

    branch: "535". flavour: "open" | "proprietary". desktop: the host has a display driver and keeps it.
    """
    is_open = flavour == "open"
    tail = "-open" if is_open else ""
    headless = [
        ["nvidia-headless-%s%s" % (branch + server, tail), "nvidia-utils-" + branch + server]
        for server in ("-server", "")
    ]
    full = [["nvidia-driver-%s%s" % (branch + server, tail)] for server in ("-server", "")]
    if is_open:
        others = [["nvidia-open-" + branch], ["nvidia-open"]]
        debian = [["nvidia-open-kernel-dkms", "nvidia-smi", "libcuda1"]]
    else:
        # NVIDIA's repository; Ubuntu until 18.04; Debian's own for older branches, then its current one.
        others = [["cuda-drivers-" + branch], ["cuda-drivers"], ["nvidia-" + branch]]
        debian = [
            ["nvidia-%skernel-dkms" % kind, "nvidia-%ssmi" % kind, "libnvidia-%scuda1" % kind if kind else "libcuda1"]
            for kind in ("tesla-%s-" % branch, "", "tesla-")
        ]
        full += [["nvidia-%sdriver" % kind] for kind in ("tesla-%s-" % branch, "", "tesla-")]
    return full + others + headless + debian if desktop else headless + others + debian + full

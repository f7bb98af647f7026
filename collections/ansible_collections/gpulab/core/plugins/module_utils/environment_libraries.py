# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Which package of the host brings a shared library: Debian 9 to 13, Ubuntu 16.04 to 24.04. Pure. Python 3.6+.

Read off those releases' package lists; a newer release is taken for the newest known one.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from ansible_collections.gpulab.core.plugins.module_utils.driver_catalogue import compare

PACKAGES = {
    "libgtk-x11-2.0.so.0": "libgtk2.0-0",
    "libgdk-x11-2.0.so.0": "libgtk2.0-0",
    "libgtk-3.so.0": "libgtk-3-0",
    "libgdk-3.so.0": "libgtk-3-0",
    "libgdk_pixbuf-2.0.so.0": "libgdk-pixbuf-2.0-0",
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libGLX.so.0": "libglx0",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgobject-2.0.so.0": "libglib2.0-0",
    "libgio-2.0.so.0": "libglib2.0-0",
    "libSM.so.6": "libsm6",
    "libICE.so.6": "libice6",
    "libX11.so.6": "libx11-6",
    "libXext.so.6": "libxext6",
    "libXrender.so.1": "libxrender1",
    "libXi.so.6": "libxi6",
    "libXtst.so.6": "libxtst6",
    "libxcb.so.1": "libxcb1",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libfreetype.so.6": "libfreetype6",
    "libgomp.so.1": "libgomp1",
    "libgfortran.so.5": "libgfortran5",
    "libgfortran.so.3": "libgfortran3",
    "libquadmath.so.0": "libquadmath0",
    "libstdc++.so.6": "libstdc++6",
    "libnuma.so.1": "libnuma1",
    "libopenblas.so.0": "libopenblas0",
    "libsndfile.so.1": "libsndfile1",
    "libusb-1.0.so.0": "libusb-1.0-0",
}
# Rebuilt for 64-bit times, and renamed: from Debian 13 and Ubuntu 24.04 on.
_TIME64 = ("libgtk2.0-0", "libgtk-3-0", "libglib2.0-0")
# name: (its name before, first Debian, first Ubuntu) with the name of today.
_RENAMED = {
    "libgl1": ("libgl1-mesa-glx", "10", "18.04"),
    "libegl1": ("libegl1-mesa", "10", "18.04"),
    "libglx0": ("libgl1-mesa-glx", "10", "18.04"),
    "libgdk-pixbuf-2.0-0": ("libgdk-pixbuf2.0-0", "11", "20.10"),
    "libopenblas0": ("libopenblas-base", "11", "20.04"),
}


def is_debian(release):
    """Whether the host has Debian's packages. release: os-release's {ID, VERSION_ID, ID_LIKE}."""
    return bool({"debian", "ubuntu"} & {release.get("ID", ""), *release.get("ID_LIKE", "").split()})


def package(library, release):
    """Name of the Debian or Ubuntu package with a library, "" when the table or the host has none."""
    name = PACKAGES.get(library, "") if is_debian(release) else ""
    if name in _TIME64 and _is_from(release, "13", "24.04"):
        return name + "t64"
    if name in _RENAMED and not _is_from(release, *_RENAMED[name][1:]):
        return _RENAMED[name][0]
    return name


def command(libraries, release):
    """What to type so that the host gets these libraries, "" when nobody knows."""
    if is_debian(release):
        names = sorted({package(library, release) for library in libraries})
        return "sudo apt-get install " + " ".join(names) if all(names) else ""
    if {"rhel", "fedora", "centos", "amzn"} & {release.get("ID", ""), *release.get("ID_LIKE", "").split()}:
        return "sudo dnf install " + " ".join("'%s()(64bit)'" % library for library in sorted(libraries))
    return ""


def _is_from(release, debian, ubuntu):
    """Whether a release is this one or newer; what has no version we know is taken for new."""
    first = {"debian": debian, "ubuntu": ubuntu}.get(release.get("ID", ""))
    version = release.get("VERSION_ID", "")
    return not first or not version or compare(version, first) >= 0

# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""NVIDIA's .run installer: which flags a version knows, and what its logs mean. Pure. Python 3.6+.

The first version of each flag is read from option_table.h at the tags of NVIDIA/nvidia-installer, the texts from its
install-from-cwd.c, kernel.c and misc.c. The installer ends with 1 for every failure, so the log is all there is.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import re

FIRST = {
    "--no-drm": (375, 66),
    "--override-file-type-destination": (396, 51),
    "--skip-depmod": (418, 30),
    "--systemd": (465, 19, 1),
    "--kernel-module-build-directory": (470, 42, 1),
    "--no-peermem": (470, 86),
    "--kernel-modules-only": (515, 43, 4),
    "--no-kernel-modules": (515, 43, 4),
    "--allow-installation-with-running-driver": (545, 23, 6),
    "--rebuild-initramfs": (545, 23, 6),
    "--skip-module-load": (550, 40, 7),
    "--kernel-module-type": (555, 42, 2),
    "--print-recommended-kernel-module-type": (570, 86, 16),
}
"""Flag to the first version that knows it; older installers end at once with an unknown flag."""

OPEN_FIRST = (515, 43, 4)
"""First version whose installer carries the open kernel modules, in kernel-open/."""

_ALWAYS = """
--silent --no-questions --accept-license --ui --dkms --uninstall --skip-module-unload --no-x-check --no-nouveau-check
--disable-nouveau --no-opengl-files --kernel-source-path --kernel-output-path --kernel-name --kernel-module-only
--no-kernel-module --log-file-name --tmpdir --no-network --no-cc-version-check --no-distro-scripts --no-backup --no-rpms
--no-check-for-alternate-installs --no-recursion --no-unified-memory --concurrency-level --install-libglvnd
--module-signing-secret-key --module-signing-public-key --no-nvidia-modprobe
"""
ALWAYS = frozenset(_ALWAYS.split())
"""Flags that 367.57 has and every later version still has."""

_SENTENCES = (
    (r"alternate[- ]install|alternate method of installing", "another installation of the driver is in the way"),
    (r"unrecognized option:? \W?(?P<what>--?[\w-]+)|[Ii]nvalid option", "its installer does not know the flag {what}"),
    (r"appears to already be loaded", "an NVIDIA kernel module is loaded and in use"),
    (r"Nouveau kernel driver is currently in use", "the nouveau driver holds the GPU"),
    (r"Failed to find dkms", "dkms is not installed"),
    (r"Unable to find the kernel source tree", "the running kernel's headers are not installed"),
    (r"kernel headers for kernel (?P<what>\S+) cannot be found", "the headers of kernel {what} are not installed"),
    (r"(?:CC|Compiler) version check failed", "the compiler is not the one that built the kernel"),
    (r"Unknown symbol drm_", "the kernel has no drm module (linux-image-extra or linux-modules-extra brings it)"),
    (r"Required key not available|Key was rejected", "Secure Boot refuses the unsigned module"),
    (r"[Nn]o space left on device", "the disk is full"),
    (r"Bad return status for module build", "the kernel module does not build for this kernel"),
    (r"Failed to install the kernel module through DKMS", "DKMS could not build or install the kernel module"),
    (r"Unable to load the '(?P<what>nvidia-drm)' kernel", "the module {what} does not load, perhaps for want of drm"),
    (r"Unable to load the kernel module '(?P<what>[^']+)'", "the kernel does not take the module {what}"),
    (r"running an X server", "an X server is running"),
    (r"must be run as root", "the installer was not run as root"),
)
"""What the installer's log says, in words; the first in this order wins, so causes stand before their effects."""

_ERROR = re.compile(
    r"^\S+\.[chS]:\d+(?::\d+)?: (?:fatal )?error: |^(?:make(?:\[\d+\])?: )?\*\*\* |^ERROR: |: error: |^Error! "
)


def numbers(version):
    """The version as a tuple of numbers: `570.124.06` is (570, 124, 6). Raises ValueError for other text."""
    return tuple(int(part) for part in version.split("."))


def unknown_flags(version, flags):
    """Those of `flags` (with or without =VALUE) that the installer of this version does not know."""
    return [f for f in flags if not _known(version, f.split("=")[0])]


def _known(version, flag):
    return flag in ALWAYS or (flag in FIRST and numbers(version) >= FIRST[flag])


def flavour_problem(version, flavour):
    """A sentence when this version has no such kernel module ("open" or "proprietary"), else None."""
    if flavour == "open" and numbers(version) < OPEN_FIRST:
        return (
            "%s has no open kernel module, expected 515.43.04 or newer: ask for another nvidia_driver_version."
            % version
        )
    return None


def install_flags(version, flavour, extra=()):
    """The installer's arguments: silent, through DKMS, the kernel module of this flavour where there is a choice."""
    flags = ["--silent", "--dkms"]
    if numbers(version) >= FIRST["--kernel-module-type"]:
        flags.append("--kernel-module-type=" + flavour)
    elif flavour == "open":
        flags.append("--kernel-module-build-directory=kernel-open")
    return flags + [flag for flag in extra if flag not in flags]


def module_folder(flavour):
    """The folder of the unpacked installer that holds the module's sources."""
    return "kernel-open" if flavour == "open" else "kernel"


def build_command(kernel, jobs):
    """How NVIDIA's own dkms.conf builds the modules for a kernel; run in the module's folder.

    KERNEL_UNAME and not SYSSRC: the Makefile then finds `build` and `source` by itself, which differ on Debian.
    """
    return ["make", "-j%d" % jobs, "KERNEL_UNAME=" + kernel, "modules"]


def log_sentence(text):
    """Why an installation failed, in words, from the installer's log and what it printed."""
    for pattern, words in _SENTENCES:
        found = re.search(pattern, text)
        if found:
            named = found.groupdict()
            return words.format(what=named.get("what") or "that it was given")
    return "its log says: " + first_error(text)


def first_error(text):
    """The first line of a build or installer log that tells an error; the last line when none does."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if _ERROR.search(line)]
    # make's own "*** Error 2" only repeats that something failed before it.
    telling = [line for line in errors if not re.search(r"\*\*\* \[.*Error \d+$", line)]
    return (telling or errors or lines[-1:] or ["nothing"])[0][:300]

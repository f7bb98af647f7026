# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Looks at a host's /proc, /sys, /dev and /lib/modules for the driver: module names, GPUs, processes, logs.

Every function takes the folder that stands for "/" (another one in tests, "" for the host's own) and never raises: what
cannot be read is not there. Python 3.6+.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import glob
import os
import re
import time

from ansible_collections.gpulab.core.plugins.module_utils.driver_commands import listing, read_file

MODULE_NAME = "nvidia([-_](current|tesla|legacy|open|server|updates|[0-9]+(xx)?))*"
"""The main module's file name (extended regular expression): nvidia, nvidia-current (Debian), nvidia_367 (Ubuntu)."""

_DEP_LIMIT = 16 << 20  # bytes: modules.dep holds some 700 KB
_LOG_LINES = 300
_DAY = 86400  # seconds
_CLASSES = {"0300": "VGA compatible controller", "0302": "3D controller", "0680": "Bridge"}


def module_names(root, kernel):
    """File names of the main module on disk for a kernel, `nvidia` first; [] when there is none."""
    text = read_file("%s/lib/modules/%s/modules.dep" % (root, kernel), _DEP_LIMIT) or ""
    files = (line.split(":")[0].split("/")[-1].split(".ko")[0] for line in text.splitlines())
    found = {name for name in files if re.match("(%s)$" % MODULE_NAME, name)}
    return sorted(found, key=lambda name: (name != "nvidia", name != "nvidia-current", name))


def has_build(root, kernel):
    """Whether a kernel's headers are there: /lib/modules/KERNEL/build leads somewhere."""
    return os.path.exists("%s/lib/modules/%s/build" % (root, kernel))


def pci_devices(root):
    """The NVIDIA devices of /sys/bus/pci in the words of `lspci -Dnnk`, None when there is no PCI bus."""
    base = root + "/sys/bus/pci/devices"
    addresses = listing(base)
    if not addresses:
        return None
    lines = []
    for address in addresses:
        values = [_hex("%s/%s/%s" % (base, address, name)) for name in ("class", "vendor", "device", "revision")]
        kind, vendor, device = values[0][:4], values[1], values[2]
        if vendor != "10de":
            continue
        revision = " (rev %s)" % values[3] if values[3] else ""
        name = _CLASSES.get(kind, "Class")
        lines.append(
            "%s %s [%s]: NVIDIA Corporation Device [%s:%s]%s" % (address, name, kind, vendor, device, revision)
        )
        try:
            driver = os.path.basename(os.readlink("%s/%s/driver" % (base, address)))
            lines.append("\tKernel driver in use: " + driver)
        except OSError:
            pass  # no driver has the device
    return "".join(line + "\n" for line in lines) or "no NVIDIA device among %d PCI devices\n" % len(addresses)


def _hex(path):
    return (read_file(path) or "").strip()[2:]


def device_files(root):
    """Device files of NVIDIA's GPUs: all /dev/nvidia*, and those of /dev/dri that belong to one of its cards."""
    found = glob.glob(root + "/dev/nvidia*")
    for node in listing(root + "/sys/class/drm"):
        if _hex("%s/sys/class/drm/%s/device/vendor" % (root, node)) == "10de":
            found.append("%s/dev/dri/%s" % (root, node))
    return sorted(found)


def holders(root, extra=()):
    """[{pid, command}] of the processes that have a file /dev/nvidia*, or one of `extra`, open.

    command is the program's short name, because arguments may hold secrets. Without root only one's own processes show.
    """
    found = []
    for pid in sorted((int(name) for name in listing(root + "/proc") if name.isdigit())):
        folder = "%s/proc/%d" % (root, pid)
        for number in listing(folder + "/fd"):
            try:
                target = os.readlink("%s/fd/%s" % (folder, number))
            except OSError:
                continue
            if target.startswith("/dev/nvidia") or target in extra:
                found.append({"pid": pid, "command": (read_file(folder + "/comm") or "").strip()})
                break
    return found


def build_log(root, kernel, dkms_status):
    """Last lines of the newest log of a build that left the running kernel without its module, or None.

    A DKMS log counts only when DKMS says that the module is not installed for this kernel, the installer's only when it
    is of the last day and ends in failure: an old log must not accuse a healthy host.
    """
    logs = []
    if _not_installed(kernel, dkms_status):
        for pattern in ("*/build/make.log", "*/%s/*/log/make.log" % kernel):
            logs += glob.glob("%s/var/lib/dkms/nvidia*/%s" % (root, pattern))
    installer = root + "/var/log/nvidia-installer.log"
    if _age(installer) < _DAY and _failed(read_file(installer, _DEP_LIMIT) or ""):
        logs.append(installer)
    if not logs:
        return None
    text = read_file(min(logs, key=_age), _DEP_LIMIT)
    return "".join(text.splitlines(True)[-_LOG_LINES:]) if text else None


def _not_installed(kernel, dkms_status):
    entries = [line for line in (dkms_status or "").splitlines() if line.startswith("nvidia")]
    return bool(entries) and not any(", %s," % kernel in line and ": installed" in line for line in entries)


def _failed(log):
    return "ERROR:" in log and "is now complete" not in log


def _age(path):
    """Seconds since a file was written, infinite when it is not there."""
    try:
        return time.time() - os.stat(path).st_mtime
    except OSError:
        return float("inf")


def secure_boot(root):
    """mokutil's sentence on Secure Boot, read from the firmware's variable; None on a host without it."""
    name = root + "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
    try:
        with open(name, "rb") as handle:
            value = handle.read()[4:5]
    except (IOError, OSError):
        return None
    return "SecureBoot %s\n" % ("enabled" if value == b"\1" else "disabled")


def container(root):
    """The kind of container that this is, by the marks that runtimes leave; None when there is no mark."""
    if os.path.exists(root + "/run/.containerenv"):
        return "podman"
    return "docker" if os.path.exists(root + "/.dockerenv") else None


def naming(root, pattern, files):
    """`FILE: line` for each line of some files (globs) that matches."""
    lines = []
    for path in sorted(path for name in files for path in glob.glob(root + name)):
        for line in (read_file(path) or "").splitlines():
            if re.search(pattern, line):
                lines.append("%s: %s\n" % (path[len(root) :], line.strip()))
    return "".join(lines)

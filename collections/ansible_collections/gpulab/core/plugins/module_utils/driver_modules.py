# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Which of the driver's kernel modules can be unloaded, in which order, or who forbids it; device nodes. Pure.

The order is k8s-driver-manager's, the rule for "in use" the driver container's: a module may go when every reference to
it is a module that goes before it. Processes that hold a GPU are named, never ended. Python 3.6+.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import re
from typing import List, NamedTuple, Optional

UNLOAD_ORDER = (
    "nvidia_uvm",
    "nvidia_drm",
    "nvidia_modeset",
    "nvidia_peermem",
    "nvidia_fs",
    "gdrdrv",
    "nvidia_vgpu_vfio",
    "nvidia",
)
SERVICES = (
    "nvidia-persistenced",
    "nvidia-fabricmanager",
    "nvidia-dcgm",
    "dcgm",
    "nv-hostengine",
    "nvidia-powerd",
    "nvidia-gridd",
)
"""NVIDIA's own daemons, which hold the modules and can be stopped and started without loss."""

Unload = NamedTuple("Unload", [("order", List[str]), ("blocked", Optional[str])])
"""order: modules to unload, first first; blocked: why none may go, in a sentence, or None."""

_LINE = re.compile(r"^(\w+)[ \t]+\d+[ \t]+(-?\d+)(?:[ \t]+(\S+))?", re.MULTILINE)
_FLAVOUR = re.compile(r"_(?:current|tesla|legacy|server|updates|open|\d+(?:xx)?)(?=_|$)")
_ALLOW = "or allow a restart of the host with -e nvidia_driver_allow_reboot=true."


def parse(text):
    """[{name, refcount, users}] of lsmod's or /proc/modules' text. users: the modules that use it."""
    found = []
    for name, references, users in _LINE.findall(text or ""):
        names = [user for user in users.split(",") if re.match(r"\w+$", user)]
        found.append({"name": name, "refcount": int(references), "users": names})
    return found


def canonical(name):
    """NVIDIA's own name of a module that a distribution renamed: nvidia_367_uvm, nvidia-current-uvm: nvidia_uvm."""
    return _FLAVOUR.sub("", name.replace("-", "_"))


def ours(modules):
    """Those of [{name, ...}] that belong to the driver, in the order in which they can be unloaded."""
    found = [module for module in modules if canonical(module["name"]) in UNLOAD_ORDER]
    return sorted(found, key=lambda module: UNLOAD_ORDER.index(canonical(module["name"])))


def unload(modules, holders):
    """The Unload of a host with these modules ([{name, refcount, users}]) and holders ([{pid, command}])."""
    going = ours(modules)
    names = [module["name"] for module in going]
    if going and holders:
        return Unload([], held_by(holders))
    for module in going:
        others = [user for user in module["users"] if user not in names]
        if others:
            sentence = "Module %s is used by %s, which is not NVIDIA's: unload that first, %s"
            return Unload([], sentence % (module["name"], " and ".join(others), _ALLOW))
        unexplained = module["refcount"] - len(module["users"])
        if unexplained:
            return Unload([], _unexplained(module["name"], unexplained))
    return Unload(names, None)


def _unexplained(name, count):
    if count < 0:
        return "The kernel lets nobody unload module %s: %s" % (name, _ALLOW[3:])
    times = "once" if count == 1 else "%d times" % count
    return (
        "Module %s is in use %s by what is no process of this host (a console or display on the GPU, a virtual "
        "machine, or persistence mode, which nvidia-smi -pm 0 ends): end it, %s" % (name, times, _ALLOW)
    )


def held_by(holders):
    """A sentence that names who holds the GPU and says what to do."""
    named = ["%d (%s)" % (holder["pid"], holder["command"] or "unnamed") for holder in holders]
    if len(named) == 1:
        return "Process %s holds the GPU and is not ended by this playbook: stop it, %s" % (named[0], _ALLOW)
    more = " and %d more" % (len(named) - 5) if len(named) > 5 else ""
    sentence = "The processes %s%s hold the GPU and are not ended by this playbook: stop them, %s"
    return sentence % (", ".join(named[:5]), more, _ALLOW)


def wrong_version(kernel, on_disk, expected):
    """A sentence when the module on disk is not the one that the libraries need, else None."""
    if not expected or on_disk == expected:
        return None
    return (
        "The module on disk for kernel %s is %s, not %s, so that loading it would not end the mismatch: "
        "rebuild the module or reinstall the driver first."
        % (kernel, "of version " + on_disk if on_disk else "missing", expected)
    )


def file_name(stem, module):
    """A module's name on disk where the main one is called `stem`: nvidia-current-uvm, nvidia_367_uvm, nvidia-uvm."""
    tail = canonical(module)[len("nvidia") :]
    return stem + tail.replace("_", "-" if "-" in stem or stem == "nvidia" else "_")


def device_nodes(proc_devices, minors):
    """[(path, major, minor)] that a host with these /proc/devices and GPU minors needs."""
    majors = {name: int(major) for major, name in re.findall(r"^\s*(\d+) (nvidia\S*)$", proc_devices, re.MULTILINE)}
    main = majors.get("nvidia-frontend", majors.get("nvidia"))
    nodes = []
    if main is not None:
        nodes += [("/dev/nvidiactl", main, 255)] + [("/dev/nvidia%d" % minor, main, minor) for minor in minors]
    if "nvidia-uvm" in majors:
        nodes += [("/dev/nvidia-uvm", majors["nvidia-uvm"], 0), ("/dev/nvidia-uvm-tools", majors["nvidia-uvm"], 1)]
    return nodes

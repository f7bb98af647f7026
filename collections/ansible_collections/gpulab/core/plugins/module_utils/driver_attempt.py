# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""What the next attempt at a repair does, or why there is none. Pure. Python 3.6+.

One attempt repairs one verdict; the host is diagnosed again after it. The same verdict twice, a second restart, or more
than MOST attempts end a run, because then the repair does not cure what it was made for.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from ansible_collections.gpulab.core.plugins.module_utils import driver_kernels, driver_plan, driver_userspace

MOST = 4
"""Attempts in one run."""

REPLACING = frozenset(("install_driver", "reinstall_driver"))
"""Steps that replace what is there, which is recorded before."""

KEPT = ("unbind_other_driver", "remove_compat", "install_extra_modules")
"""Steps for causes outside the driver: they come first also when another version is going to replace the driver."""


def has_version(wanted, versions):
    """Whether what is installed (loaded or not) is what was asked for: "auto", a branch, or an exact version.

    versions: {loaded, on_disk, userspace}, None for what is not there. One that is missing does not speak against it,
    both on_disk and userspace missing do.
    """
    if wanted == "auto":
        return True
    there = [versions.get(name) for name in ("on_disk", "userspace") if versions.get(name)]
    return bool(there) and all(v == wanted or v.split(".")[0] == wanted for v in there)


def decide(info, wanted, history, allow_reboot=False, replace_healthy=False, own_installer=False):
    """What comes next, as a dict:

    action: "nothing", "repair" or "refuse". sentence: why. steps: names of steps in order, for a repair.
    record: whether what is there has to be recorded first. roll_back: whether the last attempt is to be taken back.
    kernels: releases to build modules for, the running one first. headers: packages that keep headers with the kernel.
    tree_version: version of the DKMS tree to build, "" for the newest. compiler: what built the kernel, "" if unknown.
    apt: whether the host's packages are apt's. libraries: packages ["name=version"] that a missing userspace needs.

    info: the result of gpulab.core.nvidia_driver_info. history: [{verdict, rebooted}] of this run, oldest first.
    own_installer: whether a .run file with size and sha256 was given, which needs none in the catalogue.
    """
    diagnosis, state, plan = info["diagnosis"], info["state"], info["plan"]
    action, sentence, steps = _decide(info, wanted, history, allow_reboot, replace_healthy)
    problem = _problem(steps, plan, own_installer)
    if problem:
        action, sentence, steps = "refuse", "%s %s" % (diagnosis["sentence"], problem), []
    installed = [package["name"] for package in state["packages"] if package["status"][1:2] == "i"]
    userspace = info["versions"].get("userspace")
    lost = diagnosis["verdict"] == "userspace_missing" and "reinstall_driver" in steps
    version = plan["reinstall_version"]
    return {
        "action": action,
        "sentence": sentence,
        "steps": steps,
        "record": bool(REPLACING.intersection(steps)),
        "roll_back": action == "refuse" and _was_repaired(diagnosis["verdict"], history),
        "kernels": driver_kernels.kernels_to_build(state["kernel"], state["kernels"]),
        "headers": driver_kernels.following_headers(installed),
        "tree_version": userspace if userspace in [tree["version"] for tree in state["dkms"]] else "",
        "apt": (state.get("os") or {}).get("id") in driver_plan.APT,
        "libraries": driver_userspace.missing(installed, state.get("candidates") or {}, version) if lost else [],
        "compiler": driver_kernels.compiler_of(info["evidence"].get("compiler.txt")) or "",
    }


def _decide(info, wanted, history, allow_reboot, replace_healthy):
    """(action, sentence, steps), whether or not the plan can be carried out."""
    diagnosis, plan = info["diagnosis"], info["plan"]
    fits = has_version(wanted, info["versions"])
    if diagnosis["verdict"] == "no_gpu":
        return "nothing", diagnosis["sentence"], []
    if wanted != "auto" and plan["refused"]:
        return "refuse", plan["refused"], []
    if diagnosis["verdict"] == "healthy":
        replacement = _replacement(plan) if replace_healthy and not history else []
        return _healthy(diagnosis["sentence"], wanted, fits, replacement)
    if not diagnosis["actions"]:
        return "refuse", diagnosis["sentence"], []
    return _repair(diagnosis, _steps(diagnosis, fits, plan, info["state"]), history, allow_reboot)


def _healthy(sentence, wanted, fits, replacement):
    """(action, sentence, steps) for a driver that works; replacement: the steps that would replace it, if they may."""
    if fits:
        return "nothing", sentence, []
    if replacement:
        return "repair", "%s It is replaced by %s, as you asked." % (sentence, wanted), replacement
    how = "Asked for was %s: add -e nvidia_driver_replace_healthy=true to replace a driver that works." % wanted
    return "nothing", "%s %s" % (sentence, how), []


def _replacement(plan):
    """The steps that bring the planned driver; NVIDIA's installer exchanges the loaded module by itself."""
    return ["install_driver", "load_modules" if plan["method"] == "runfile" else "reload_modules"]


def _steps(diagnosis, fits, plan, state):
    """The steps of a repair: the diagnosis's own, or those that bring the version that was asked for."""
    steps = list(diagnosis["actions"])
    if not fits:
        return [step for step in KEPT if step in steps] + _replacement(plan)
    if not plan["reinstall"] and not state["runfile_installed"]:
        # There is nothing to install again.
        steps = ["install_driver" if step == "reinstall_driver" else step for step in steps]
    return steps


def _problem(steps, plan, own_installer):
    """Why these steps cannot be taken by the plan, or None."""
    if "install_driver" not in steps:
        return None
    return plan["refused"] or plan["blocked"] or (None if own_installer else plan["no_installer"])


def _repair(diagnosis, steps, history, allow_reboot):
    """(action, sentence, steps) for a host that is ill with something that can be repaired by these steps."""
    verdict, sentence = diagnosis["verdict"], diagnosis["sentence"]
    if _was_repaired(verdict, history):
        return "refuse", "The repair of %s did not cure it: %s" % (verdict, sentence), []
    if len(history) >= MOST:
        return "refuse", "%d repairs did not cure this host, which is now: %s" % (MOST, sentence), []
    if steps == ["reboot"] and (not allow_reboot or any(attempt["rebooted"] for attempt in history)):
        return "refuse", "%s %s" % (sentence, no_reboot(allow_reboot)), []
    return "repair", diagnosis["repair"] or sentence, steps


def _was_repaired(verdict, history):
    return verdict in [attempt["verdict"] for attempt in history]


def no_reboot(allowed):
    """Why the host is not restarted: it was not allowed, or it was restarted in this run already."""
    if allowed:
        return "The host was restarted once in this run, and is not restarted again."
    return "Only a restart helps: add -e nvidia_driver_allow_reboot=true."

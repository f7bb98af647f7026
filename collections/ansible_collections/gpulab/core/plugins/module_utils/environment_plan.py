# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""What is wrong with an environment, and the smallest thing to do about it. Pure. Python 3.6+.

`wanted` and `found` are plain dicts: the module conda_env_info says in its documentation what is in `wanted`,
environment_host.gather what is in `found`.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from ansible_collections.gpulab.core.plugins.module_utils import environment_commands as commands
from ansible_collections.gpulab.core.plugins.module_utils import environment_installed as installed
from ansible_collections.gpulab.core.plugins.module_utils import environment_names as names

REPAIR_MEGABYTES = 500
"""Space for a repair in place, when it is not the big packages."""


def diagnose(wanted, found):
    """(verdict, sentence, path): what the environment's name stands for now; path is "" when there is nothing to use.

    Verdicts: ready, absent, outdated, packages_missing, damaged, half_made, foreign.
    """
    name, target, link = wanted["name"], found["link"]["target"], found["link"]["path"]
    own = {p["path"]: p for p in found["prefixes"]}
    if target and not (own.get(target) or {}).get("marker"):
        return "foreign", "%s in %s was not made by gpulab: it is used as it is." % (name, target), target
    if not target and found["elsewhere"]:
        where = found["elsewhere"]
        return "foreign", "%s in %s was not made by gpulab: %s will point to it." % (name, where, link), where
    if not target and any(not p["key"] for p in found["prefixes"]):
        return "half_made", "A run that was killed left %s half made." % name, ""
    if not target:
        return "absent", "There is no environment %s." % name, ""
    if found["python"]["error"]:
        return "damaged", "The Python of %s does not run (%s)." % (name, found["python"]["error"]), target
    if wanted["rebuild"]:
        return "outdated", "%s is to be made anew." % name, target
    if own[target]["key"] != wanted["key"]:
        return "outdated", "%s was made from another environment file, lock, build or tool." % name, target
    gone = _drift(wanted, found, own[target]["marker"])
    if gone["conda"] or gone["pip"]:
        listed = ", ".join(gone["conda"] + gone["pip"])
        return "packages_missing", "%s has other versions of, or lacks: %s." % (name, listed), target
    return "ready", "%s is as it should be." % name, target


def decide(wanted, found):
    """The plan, a dict.

    verdict, sentence, warnings; prefix: the environment to look at and to use in the end; steps: [[name, argv]] for the
    host, and the script that runs them in folder; fresh: they make the prefix; finish: mark it, let the name point to
    it, remove what is left over; refused: why nothing can be done, "" when it can; extras: a user's, carried over.
    """
    verdict, sentence, current = diagnose(wanted, found)
    plan = {"verdict": verdict, "sentence": sentence, "prefix": current, "steps": [], "files": {}, "folder": ""}
    plan.update(fresh=False, refused="", warnings=[], extras={"conda": [], "pip": []}, leftovers=[])
    if wanted["made"]:
        plan["prefix"] = wanted["made"]
    elif verdict == "foreign":
        _foreign(plan, wanted, found)
    elif verdict == "packages_missing":
        marker = next(p["marker"] for p in found["prefixes"] if p["path"] == current)
        _repair(plan, wanted, _drift(wanted, found, marker))
    elif verdict != "ready":
        _build(plan, wanted, found)
    # What belongs to a run that still works is left to it.
    spare = [p for p in found["prefixes"] if p["path"] not in (plan["prefix"], current) and not p["busy"]]
    if verdict == "foreign":  # somebody let the name point elsewhere, and may want to go back
        spare = [p for p in spare if not p["key"]]
    plan["leftovers"] = sorted(p["path"] for p in spare if not p["key"])
    plan["finish"] = bool(plan["prefix"] != found["link"]["target"] or plan["steps"] or spare)
    if plan["steps"]:
        plan["refused"] = refusal(plan, wanted, found)
        where, steps, files = (wanted["root"], plan["prefix"], plan["folder"]), plan["steps"], plan.pop("files")
        plan["script"] = commands.script(
            *where, files, steps, plan["fresh"], wanted["key"], plan["leftovers"], wanted["imports"]
        )
    return plan


def _drift(wanted, found, marker):
    return installed.drift(found["packages"], marker, wanted["specs"], names.blocks(wanted["requirements"]))


def _pip(wanted, prefix):
    return commands.pip_install(prefix, commands.pip_sources(wanted["wheels"], wanted["torch_index"], wanted["build"]))


def _fresh_path(wanted, found):
    """Where a new environment goes: its key says what is in it; a number is added where that place is in use."""
    base = path = "%s/envs/%s-%s" % (wanted["root"], wanted["name"], wanted["key"][:12])
    # Half made is no obstacle: it is removed, or still being made, and then waited for.
    taken, number = {p["path"] for p in found["prefixes"] if p["key"]}, 0
    while path in taken:
        number += 1
        path = "%s.%d" % (base, number)
    return path


def _build(plan, wanted, found):
    """Make it aside; when that was done, and only the end is missing, go on from there."""
    whole = [p["path"] for p in found["prefixes"] if p["key"] == wanted["key"] and p["path"] != plan["prefix"]]
    old = plan["prefix"]
    if whole and not wanted["rebuild"]:
        plan["prefix"] = whole[0]
        return
    prefix = _fresh_path(wanted, found)
    folder = "%s/build/%s" % (wanted["root"], prefix.rsplit("/", 1)[-1])
    explicit = bool(wanted["lock"]) and wanted["tool"]["kind"] == "micromamba"
    if old and wanted["keep_extras"]:
        brought = {names.conda_name(spec) for spec in wanted["specs"]} | names.lock_names(wanted["lock"])
        marker = next(p["marker"] for p in found["prefixes"] if p["path"] == old)
        plan["extras"] = installed.extras(
            found["packages"], marker, brought | set(names.blocks(wanted["requirements"]))
        )
    tool, root, channels = wanted["tool"], wanted["root"], wanted["channels"]
    steps = [["create", commands.create(tool, root, prefix, channels, wanted["specs"], folder, explicit)]]
    # conda's before pip's: both may bring the same package, and then the lock's is the one that has to stay.
    if plan["extras"]["conda"]:
        steps.append(["extras", commands.conda_install(tool, root, prefix, channels) + plan["extras"]["conda"]])
    if names.blocks(wanted["requirements"]):
        steps.append(["pip", _pip(wanted, prefix) + commands.locked(folder)])
    if plan["extras"]["pip"]:
        bound = ["--constraint", folder + "/constraints.txt"]
        steps.append(["extras", _pip(wanted, prefix) + bound + plan["extras"]["pip"]])
    plan.update(prefix=prefix, fresh=True, steps=steps, folder=folder)
    plan["files"] = {
        "requirements.txt": wanted["requirements"],
        "constraints.txt": names.constraints(wanted["requirements"]),
        "environment.yml": commands.environment_file(wanted["name"], channels, wanted["specs"]),
    }
    if explicit:
        plan["files"]["explicit.lock"] = wanted["lock"]


def _repair(plan, wanted, gone):
    """Bring back exactly what is gone, in place, from where it came."""
    prefix = plan["prefix"]
    folder = "%s/build/%s" % (wanted["root"], prefix.rsplit("/", 1)[-1])
    if gone["conda"]:
        begin = commands.conda_install(wanted["tool"], wanted["root"], prefix, wanted["channels"])
        plan["steps"].append(["create", begin + gone["conda"]])
    if gone["pip"]:
        blocks = names.blocks(wanted["requirements"])
        plan["files"]["requirements.txt"] = "".join(blocks[name] for name in gone["pip"])
        plan["steps"].append(["pip", _pip(wanted, prefix) + commands.locked(folder)])
    plan["folder"] = folder


def _foreign(plan, wanted, found):
    """Not ours, so nothing is removed or rebuilt; what it lacks is told, or added where that is allowed."""
    have = found["packages"]
    present = set(have["pip"]) | {names.normalized(name) for name in have["conda"]}
    missing = sorted(set(names.blocks(wanted["requirements"])) - present)
    if not missing:
        return
    if wanted["adopt"]:
        _repair(plan, wanted, {"conda": [], "pip": missing})
        return
    some = ", ".join(missing[:8]) + (" ..." if len(missing) > 8 else "")
    plan["warnings"].append(
        "%s was not made by gpulab and lacks %d packages of profile %s (%s): have them added with "
        "-e conda_env_adopt=true, or have one of our own made with -e gpulab_environment=%s/envs/OTHER-NAME."
        % (plan["prefix"], len(missing), wanted["profile"], some, wanted["root"])
    )


def refusal(plan, wanted, found):
    """A sentence that says why the steps cannot succeed on this host, "" when they can."""
    if wanted["machines"] and found["machine"] not in wanted["machines"]:
        return (
            "The host is %s, expected %s for profile %s: use a host of that kind, or give conda_env_file and "
            "conda_env_requirements of your own."
            % (found["machine"], " or ".join(wanted["machines"]), wanted["profile"])
        )
    if wanted["glibc"] and found["glibc"] and _numbers(found["glibc"]) < _numbers(wanted["glibc"]):
        return (
            "The host has glibc %s, expected %s or newer for the packages of profile %s: use a newer system, "
            "or an older profile with -e gpu_profile=carnd-2017." % (found["glibc"], wanted["glibc"], wanted["profile"])
        )
    need = wanted["megabytes"] if plan["fresh"] else min(wanted["megabytes"], REPAIR_MEGABYTES)
    if found["free_megabytes"] < need:
        return (
            "The environment %s needs %d MB below %s, and %d MB are free: free some, or set gpulab_environment "
            "to a path on a larger disk." % (wanted["name"], need, wanted["root"], found["free_megabytes"])
        )
    return ""


def _numbers(version):
    return [int(part) for part in version.split(".") if part.isdigit()]

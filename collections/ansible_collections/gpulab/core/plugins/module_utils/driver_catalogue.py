# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Which NVIDIA driver drives which GPUs: look-ups, versions compared, the choice for a host. Pure. Python 3.6+."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import re
from typing import NamedTuple, Tuple

from ansible_collections.gpulab.core.plugins.module_utils import driver_tables as tables
from ansible_collections.gpulab.core.plugins.module_utils.driver_installers import FILE_NAME, INSTALLERS, NO_COMPAT32

_VERSION = re.compile(r"\d{2,4}(?:\.\d+){0,3}\Z")
_DEVICE = re.compile(r"(?:(?:0x)?10de:)?(?:0x)?([0-9a-f]{4})\Z")
_LEGACY = {device: branch for branch, devices in tables.LEGACY.items() for device in devices.split()}
# NVIDIA's installer takes the open module by default from here on; before, it was new on data centre GPUs.
_OPEN_BY_DEFAULT = "560"
# The first branch with an open kernel module, and the first for 64-bit ARM servers (general knowledge).
_FIRST_OPEN = "515"
_FIRST_ARM = "450"

Gpu = NamedTuple(
    "Gpu",
    [
        ("device", str),  # four hexadecimal digits
        ("name", str),  # "" when only the architecture is known
        ("architecture", str),
        ("first", str),  # least branch that may drive it, "" = older than the catalogue
        ("last", str),  # last branch that drives it, "" = still driven
        ("open_module", str),  # "no" | "yes" | "only"
        ("cuda", str),  # last CUDA toolkit with code for it, "" = no end known
        ("ec2", Tuple[str, ...]),  # EC2 families
        ("nvswitch", bool),
    ],
)

Choice = NamedTuple(
    "Choice",
    [
        ("version", str),  # full version, "" when refused
        ("branch", str),
        ("flavour", str),  # "open" | "proprietary"
        ("sentence", str),  # what was chosen and why, or why not and what would be right
        ("refused", bool),
        ("wanted", str),  # what was asked for
        ("machine", str),  # as `uname -m` says it
        ("flavours", Tuple[str, ...]),  # those that would do, the best first
        ("least", str),  # any version from here ("" = any) ...
        ("last", str),  # ... to this branch ("" = no end) would do as well: a package of the host's own sources, say
    ],
)


class _RefusedError(Exception):
    """What was asked for cannot work; the message says why and what would."""


def numbers(version):
    """Return a version as a tuple of ints: (570, 124, 4) for "570.124.04"; () for ""."""
    return tuple(int(part) for part in re.findall(r"\d+", version))


def compare(a, b):
    """Return -1, 0 or 1 as version `a` is older than, the same as or newer than `b`: numeric, every component counts.

    "570.124.04" and "570.124.06" differ; "418.87" and "418.87.00" do too: NVIDIA ships them as two builds.
    """
    return (numbers(a) > numbers(b)) - (numbers(a) < numbers(b))


def branch_of(version):
    """Return the branch of a version ("580" for "580.95.05" and "580"), or "" when it is none."""
    return version.split(".")[0] if _VERSION.match(version) else ""


def gpu(device_id):
    """Return the Gpu of a PCI id ("10de:118a" or "118a", any case), or None when the catalogue does not know it.

    An id in none of the lists is known by its architecture's id range, without a name. NVSwitch bridges are no GPUs.
    """
    found = _DEVICE.match(device_id.strip().lower())
    device = found.group(1) if found else ""
    if not device or device in tables.NVSWITCHES:
        return None
    legacy = _LEGACY.get(device, "")
    ranges = [row for row in tables.ID_RANGES if row[0] <= int(device, 16) <= row[1]]
    if not ranges and not legacy:
        return None
    architecture, cuda = ranges[0][2:] if ranges else ("pre-CUDA", "none")
    first, last, open_module = tables.ARCHITECTURES[architecture]
    name, known_first, ec2, nvswitch = tables.GPUS.get(device, ("", first, (), False))
    return Gpu(device, name, architecture, known_first, legacy or last, open_module, cuda, ec2, nvswitch)


def branch_problem(device_id, version, open_module=None):
    """Say why a driver cannot drive a GPU: None | "legacy" | "too_old" | "open_unsupported" | "open_required".

    open_module: True or False for the loaded module's kind, None when it is not known. None also for ids and versions
    that the catalogue does not know: no guess.
    """
    found = gpu(device_id)
    branch = branch_of(version)
    if found is None or not branch:
        return None
    if open_module is True and found.open_module == "no":
        return "open_unsupported"
    if found.last and compare(branch, found.last) > 0:
        return "legacy"
    if found.first and compare(branch, found.first) < 0:
        return "too_old"
    if open_module is False and found.open_module == "only":
        return "open_required"
    return None


def cuda_minimum(cuda):
    """Return the least driver version that runs a CUDA toolkit ("8.0", "8.0.61", "12.4"), or "" if it is not known."""
    asked = numbers(cuda)
    for toolkit, least in tables.CUDA_MINIMUM:
        known = numbers(toolkit)
        # "8.0" is answered by the first 8.0.x; "12.4" by the row of all 12.x.
        if asked and asked[: len(known)] == known[: len(asked)]:
            return least
    return ""


def installer(version):
    """Return {file, url, size, sha256} of a version's installer for x86_64, or None when the catalogue has none.

    The full one where there is one, else that without 32-bit libraries.
    """
    for variant in (version, version + NO_COMPAT32):
        name = FILE_NAME.format(variant)
        if name in INSTALLERS:
            size, sha256, url = INSTALLERS[name]
            return {"file": name, "url": url, "size": size, "sha256": sha256}
    return None


def supported():
    """Return the branches that get fixes on the catalogue's date, newest first."""
    names = [name for name, row in tables.BRANCHES.items() if row[2] in ("production", "lts")]
    return sorted(names, key=numbers, reverse=True)


def label(found):
    """Return how a sentence names a GPU: "GRID K520 (10de:118a)", "the Kepler GPU (10de:0ff3)"."""
    return "%s (10de:%s)" % (found.name or "the %s GPU" % found.architecture, found.device)


def choose(wanted, device_ids, cuda="", machine="x86_64"):
    """Return the Choice of a driver for the GPUs of one host.

    wanted: "auto" (the newest supported production or LTS branch that drives every GPU and runs `cuda`, else the newest
    branch that does), a branch ("580") or an exact version ("367.57"). device_ids: PCI ids; those of other vendors and
    of NVSwitch bridges are passed over. cuda: the CUDA toolkit that has to run, "" for none in particular. machine: as
    `uname -m` says it.
    """
    wanted = wanted.strip() or "auto"
    matches = [_DEVICE.match(device.strip().lower()) for device in device_ids]
    devices = sorted({found.group(1) for found in matches if found} - set(tables.NVSWITCHES))
    known = [found for found in map(gpu, devices) if found]
    unknown = [device for device in devices if not gpu(device)]
    try:
        if not devices:
            raise _RefusedError("No NVIDIA GPU was seen, so there is no driver to choose.")
        least, last, wishes = _needs(known, cuda, machine)
        version, remark = _version(wanted, known, cuda, machine, least, last)
    except _RefusedError as refusal:
        return Choice("", "", "", str(refusal), True, wanted, machine, (), "", "")
    flavours = flavours_of(wishes, branch_of(version))
    names = ", ".join([label(found) for found in known] + ["10de:" + device for device in unknown])
    sentence = "%s (%s, %s module) for %s%s." % (version, life_of(branch_of(version)), flavours[0], names, remark)
    if unknown:
        sentence += " 10de:%s is not in the catalogue of %s: that it is driven is not known." % (
            ", 10de:".join(unknown),
            tables.DATE,
        )
    return Choice(version, branch_of(version), flavours[0], sentence, False, wanted, machine, flavours, least, last)


def _needs(known, cuda, machine):
    """Return (least version, last branch, flavours) that GPUs, CUDA and machine leave, or raise _RefusedError."""
    if machine not in ("x86_64", "amd64", "aarch64", "arm64"):
        raise _RefusedError("NVIDIA has no driver for %s: use an x86_64 or aarch64 host." % machine)
    least = max([found.first for found in known] + ["" if machine in ("x86_64", "amd64") else _FIRST_ARM], key=numbers)
    last = min([found.last for found in known if found.last] or [""], key=numbers)
    newest, oldest = max(known, key=lambda g: numbers(g.first), default=None), [g for g in known if g.last == last]
    if last and compare(least, last) > 0:
        raise _RefusedError(
            "%s needs branch %s or newer and %s ends with %s: no driver drives both, so put them into different hosts."
            % (label(newest), least, label(oldest[0]), last)
        )
    kinds = {found.open_module: found for found in known}
    if "only" in kinds and "no" in kinds:
        raise _RefusedError(
            "%s needs the open kernel module and %s the proprietary one: put them into different hosts."
            % (label(kinds["only"]), label(kinds["no"]))
        )
    wishes = ("open",) if "only" in kinds else ("proprietary",) if "no" in kinds else ("open", "proprietary")
    if any(found.device in tables.PROPRIETARY_BY_CHOICE for found in known):
        wishes = wishes[::-1]
    return max(least, _cuda_needs(known, cuda, last), key=numbers), last, wishes


def _cuda_needs(known, cuda, last):
    """Return the least driver for a CUDA toolkit ("" for none), or raise _RefusedError when the GPUs cannot run it."""
    if not cuda:
        return ""
    least = cuda_minimum(cuda)
    if not least:
        toolkits = "%s to %s" % (tables.CUDA_MINIMUM[0][0], tables.CUDA_MINIMUM[-1][0])
        raise _RefusedError("CUDA %s is not in the catalogue of %s, which has %s." % (cuda, tables.DATE, toolkits))
    for found in known:
        end = numbers(found.cuda)
        if found.cuda and numbers(cuda)[: len(end)] > end:
            raise _RefusedError(
                "CUDA %s has no code for %s, the last that has is CUDA %s: ask for that one or take a newer GPU."
                % (cuda, label(found), found.cuda)
            )
    if last and compare(branch_of(least) or least, last) > 0:
        raise _RefusedError(
            "CUDA %s needs driver %s or newer and %s ends with branch %s: ask for an older CUDA or take a newer GPU."
            % (cuda, least, label(next(g for g in known if g.last == last)), last)
        )
    return least


def _version(wanted, known, cuda, machine, least, last):
    """Return (version, remark) for what was asked, or raise _RefusedError."""
    if wanted == "auto":
        usable = [name for name in tables.BRANCHES if not last or compare(name, last) <= 0]
        usable = [name for name in usable if compare(tables.BRANCHES[name][1], least) >= 0]
        best = [name for name in supported() if name in usable]
        if best:
            return tables.BRANCHES[best[0]][1], ""
        if not usable:
            raise _RefusedError("Of branch %s, the last for %s, no installer is known." % (last, label(known[0])))
        return tables.BRANCHES[max(usable, key=numbers)][1], "; no branch that still gets fixes drives it"
    branch = branch_of(wanted) or wanted
    if wanted != branch or wanted in tables.BRANCHES:
        version = wanted if wanted != branch else tables.BRANCHES[branch][1]
    elif wanted.isdigit():
        raise _RefusedError(
            "Branch %s is not in the catalogue of %s: ask for an exact version of it." % (wanted, tables.DATE)
        )
    else:
        raise _RefusedError("%r is no driver: ask for auto, a branch (580) or a version (580.95.05)." % wanted)
    right = choose("auto", [found.device for found in known], cuda, machine).version
    _refuse_version(version, known, cuda, least, right)
    if tables.BRANCHES.get(branch, ("", "", ""))[2] == "ended" and right and compare(branch_of(right), branch) > 0:
        return version, "; its branch gets no security fixes, %s is the right driver today" % right
    return version, ""


def _refuse_version(version, known, cuda, least, right):
    """Raise _RefusedError if a GPU is not driven by a version, or the CUDA does not run on it."""
    for found in known:
        problem = branch_problem(found.device, version)
        if problem:
            why = "its last branch is " + found.last if problem == "legacy" else "its first branch is " + found.first
            raise _RefusedError(
                "Driver %s does not drive %s: %s. Ask for %s." % (version, label(found), why, right or "auto")
            )
    if cuda and compare(version, cuda_minimum(cuda)) < 0:
        raise _RefusedError(
            "CUDA %s needs driver %s or newer, not %s. Ask for %s."
            % (cuda, cuda_minimum(cuda), version, right or "auto")
        )
    if compare(version, least) < 0:
        raise _RefusedError(
            "Driver %s is not made for this machine: branch %s is the first that is." % (version, least)
        )


def flavours_of(kinds, branch):
    """Return which of the kinds of kernel module that GPUs accept a branch has, the best first."""
    if compare(branch, _FIRST_OPEN) < 0:
        return ("proprietary",)
    return tuple(sorted(kinds, reverse=True)) if compare(branch, _OPEN_BY_DEFAULT) < 0 else tuple(kinds)


def life_of(branch):
    """Return what a sentence says of a branch's life."""
    kind, end = tables.BRANCHES.get(branch, ("", "", "unknown to the catalogue", ""))[2:4]
    words = {"lts": "long term support until ", "production": "production until ", "ended": "ended "}
    return (words.get(kind, kind) + end).strip()

# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Building the driver's module for kernels: which compiler, which DKMS commands, which headers. Pure. Python 3.6+."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import re

_COMPILER = re.compile(
    r"\((?:\S*-)?gcc(?:-(?P<suffix>\d[\d.]*))? (?:version )?(?:\([^)]*\) )?(?P<version>\d+\.\d+[\d.]*)?"
)


def compiler_of(proc_version):
    """The compiler that built the running kernel, from /proc/version: `gcc-12`, `gcc-4.8`; None if it does not say.

    Packages are named by major and minor number up to gcc 4, by the major number from gcc 5 on.
    """
    found = _COMPILER.search(proc_version or "")
    if not found or not (found.group("suffix") or found.group("version")):
        return None
    if found.group("suffix"):
        return "gcc-" + found.group("suffix")
    parts = found.group("version").split(".")
    return "gcc-" + (".".join(parts[:2]) if int(parts[0]) < 5 else parts[0])


def _order(version):
    return [int(number) for number in re.findall(r"\d+", version)]


def dkms_source(entries, version=""):
    """(name, version) of the DKMS tree to build from, the newest or that of a version; None if there is none.

    entries: [{module, version, kernel, state}] as `dkms status` lists them.
    """
    trees = {(e["module"], e["version"]) for e in entries if version in ("", e["version"])}
    return max(trees, key=lambda tree: (_order(tree[1]), tree[0])) if trees else None


def dkms_commands(entries, source, kernels, force):
    """The commands, in order, that leave the tree `source` built and installed for each of `kernels`.

    force: build again what DKMS counts as installed: it does not see a module made for another build of the kernel.
    What is only built is taken as it is.
    Nothing to do is an empty list.
    """
    name, version = source
    tree = "%s/%s" % (name, version)
    commands = []
    ours = [e for e in entries if (e["module"], e["version"]) == (name, version)]
    for kernel in kernels:
        states = [e["state"] for e in ours if e.get("kernel") == kernel]
        if "installed" in states and not force:
            continue
        if "installed" in states and force:
            commands.append(["dkms", "remove", tree, "-k", kernel])
            others = [e for e in ours if e.get("kernel") not in (kernel, None)]
            if not others:
                # DKMS forgets a tree with its last kernel; its source stays in /usr/src.
                commands.append(["dkms", "add", tree])
        commands.append(["dkms", "install", "--force", tree, "-k", kernel])
    return commands


def kernels_to_build(running, kernels):
    """The running kernel, and after it the one of the next boot if that is another one whose headers are there.

    kernels: [{name, build, nvidia}], one for each folder of /lib/modules; boot loaders take the newest.
    """
    newest = max(kernels, key=lambda kernel: _order(kernel["name"])) if kernels else None
    if newest and newest["name"] != running and newest["build"]:
        return [running, newest["name"]]
    return [running]


def following_headers(installed):
    """Headers packages that follow the newest kernel as the kernel packages do: linux-headers-aws for linux-image-aws.

    installed: names of installed packages. Those whose headers are installed already are left out.
    """
    names = set(installed)
    wanted = ["linux-headers-" + n[len("linux-image-") :] for n in sorted(names) if re.match(r"linux-image-[a-z]", n)]
    return [n for n in wanted if n not in names and not re.match(r"linux-headers-(?:extra|unsigned|debug|dbg)", n)]

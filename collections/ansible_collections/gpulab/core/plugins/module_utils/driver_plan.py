# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""What a repair of one host installs, removes, keeps and holds: read off its state. Pure. Python 3.6+."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from collections import Counter

from ansible_collections.gpulab.core.plugins.module_utils import driver_names as package_names
from ansible_collections.gpulab.core.plugins.module_utils import driver_tables as tables
from ansible_collections.gpulab.core.plugins.module_utils.driver_catalogue import (
    branch_of,
    compare,
    flavours_of,
    gpu,
    installer,
    life_of,
    numbers,
    supported,
)
from ansible_collections.gpulab.core.plugins.module_utils.driver_names import bare, upstream

APT = ("debian", "ubuntu", "linuxmint", "pop", "raspbian", "elementary", "zorin", "neon", "kali", "devuan")
# Ubuntu's kernels carry drm.ko and others in a package of their own; it was renamed with this kernel.
_MODULES_EXTRA = "4.15"


def plan(state, choice, method="auto"):
    """Return the plan for a host as a dict; nothing in it is done here.

    state: what nvidia_driver_info returns as `state`, with `candidates` {package: version that apt would install}; a
    missing key is like an empty one. choice: the Choice of driver_catalogue. method: "auto" | "packages" | "runfile".

    For install_driver: version, branch, flavour, method ("packages" | "runfile"), install ["name=version"], installer
    ({file, url, size, sha256} or None), remove and keep [names]. For reinstall_driver: reinstall ["name=version"] and
    reinstall_version, both empty where no package is installed. For all: sentence, headers, extra_modules,
    fabric_manager, hold (the driver packages that are installed now). Sentences or None: refused (what was asked for
    cannot work), blocked (install_driver cannot be done this way), no_installer (it can, once somebody names a file
    with its size and sha256).
    """
    apt = (state.get("os") or {}).get("id") in APT
    packages = [dict(p, name=bare(p["name"])) for p in state.get("packages") or [] if package_names.installed(p)]
    names = [p["name"] for p in packages]
    drivers = sorted({name for name in names if package_names.is_driver(name, names)})
    coupled = [p for p in packages if package_names.is_coupled(p)] if apt else []
    candidates = (state.get("candidates") or {}) if apt else {}
    offer = None if choice.refused else _offer(choice, candidates, packages)
    runfile_there = bool(state.get("runfile_installed"))
    way = _method(method, apt, runfile_there, choice, offer, coupled)
    version, flavour, install = offer if offer and way == "packages" else (choice.version, choice.flavour, [])
    reinstall_version, reinstall = _reinstall(coupled, candidates, choice)
    found = installer(version) if way == "runfile" and choice.machine in ("x86_64", "amd64") else None
    return {
        "version": version,
        "branch": branch_of(version),
        "flavour": flavour,
        "sentence": _sentence(choice, version, way, state.get("kernel") or ""),
        "refused": choice.sentence if choice.refused else None,
        "blocked": None if choice.refused else _blocked(way, apt, runfile_there, drivers, install, choice),
        "no_installer": None if choice.refused or way != "runfile" or found else _no_installer(choice),
        "method": way,
        "installer": found,
        "remove": drivers if apt else [],
        "keep": sorted({name for name in names if package_names.is_kept(name, names)}),
        "reinstall": reinstall,
        "reinstall_version": reinstall_version,
        "install": install,
        "hold": sorted(
            {p["name"] for p in coupled} | set(filter(package_names.is_fabric_manager, drivers if apt else []))
        ),
        "headers": _headers(state),
        "extra_modules": _extra_modules(state),
        "fabric_manager": _fabric_manager(state, names, candidates, reinstall_version or version),
    }


def _method(method, apt, runfile_there, choice, offer, coupled):
    """Return how install_driver installs: as asked, else as the host was installed, else by packages if on offer."""
    if method != "auto":
        return method
    if not apt or runfile_there:
        return "runfile"
    if offer or choice.refused:
        return "packages"
    exact = choice.wanted == choice.version
    return "runfile" if exact or not coupled or installer(choice.version) else "packages"


def _offer(choice, candidates, packages):
    """Return (version, flavour, ["name=version"]) of the packages that fit the choice, or None.

    "auto" takes what the host's own sources offer when that drives the GPUs and the CUDA as well, before any installer.
    Where a suitable version is completely installed, only a newer one answers what to install in its place.
    """
    offered = {name: upstream(version) for name, version in candidates.items() if package_names.is_driver(name)}
    desktop = any(package_names.is_desktop(p["name"]) for p in packages)
    there = _suitable(packages, choice) if choice.wanted == "auto" else ""
    for branch in _branches(choice, offered.values()):
        for flavour in flavours_of(choice.flavours, branch):
            sets = package_names.package_sets(branch, flavour, desktop)
            fitting = [names for names in sets if _fits(offered.get(names[0], ""), branch, choice, there)]
            if fitting:
                # The newest; of equals the first.
                names = max(fitting, key=lambda names: numbers(offered[names[0]]))
                version, full = offered[names[0]], candidates[names[0]]
                return version, flavour, ["%s=%s" % (name, _at(candidates, name, version, full)) for name in names]
    return None


def _fits(version, branch, choice, there):
    """Whether a version on offer is of the branch, what was asked for, and newer than what is there if that matters."""
    if branch_of(version) != branch or compare(version, choice.least) < 0:
        return False
    if choice.wanted == choice.version:
        return version == choice.version
    return version == choice.version or compare(version, there) > 0


def _suitable(packages, choice):
    """Return the one version that all installed driver packages have completely, if the GPUs accept it, or ""."""
    coupled = [p for p in packages if package_names.is_coupled(p)]
    versions = {upstream(p["version"]) for p in coupled}
    whole = all((p.get("status") or "ii")[1:2] == "i" for p in coupled)
    version = versions.pop() if len(versions) == 1 and whole else ""
    ended = choice.last and compare(branch_of(version), choice.last) > 0
    return "" if ended or compare(version, choice.least) < 0 else version


def _branches(choice, versions):
    """Return the branches to look for among the versions on offer, the best first."""
    if choice.wanted != "auto":
        return [choice.branch]
    offered = {branch_of(version) for version in versions if version}
    usable = [b for b in offered if not choice.last or compare(b, choice.last) <= 0]
    first = [choice.branch, *supported()]
    return sorted(usable, key=lambda b: (-first.index(b) if b in first else -len(first), numbers(b)), reverse=True)


def _at(candidates, name, version, full):
    """Return the package version of `name` for a driver version: its candidate's if that is it, else the others'."""
    candidate = candidates.get(name, "")
    return candidate if upstream(candidate) == version else full


def _reinstall(coupled, candidates, choice):
    """Return (version, ["name=version"]): the installed driver packages, all at one version.

    That is the chosen version where the host's sources offer it for all of them, else the one that most of them can
    have: what apt offers now, because an older version is often gone from the archive; without an offer what is there.
    """
    if not coupled:
        return "", []
    versions = {p["name"]: candidates.get(p["name"]) or p["version"] for p in coupled}
    counts = Counter(upstream(version) for version in versions.values())
    if counts[choice.version] == len(versions):
        version = choice.version
    else:
        version = max(counts, key=lambda v: (counts[v], numbers(v)))
    full = Counter(v for v in versions.values() if upstream(v) == version).most_common(1)[0][0]
    fitting = sorted(name for name in versions if package_names.exists_at(name, version))
    return version, ["%s=%s" % (name, _at(versions, name, version, full)) for name in fitting]


def _headers(state):
    """Return the packages with the running kernel's headers."""
    kernel = state.get("kernel")
    if not kernel:
        return []
    apt = (state.get("os") or {}).get("id") in APT
    return [("linux-headers-%s" if apt else "kernel-devel-%s") % kernel]


def _extra_modules(state):
    """Return Ubuntu's package with the drm module and others of the running kernel; nobody else splits them off."""
    kernel = state.get("kernel") or ""
    if (state.get("os") or {}).get("id") != "ubuntu" or not kernel:
        return []
    old = numbers(kernel)[:2] < numbers(_MODULES_EXTRA)
    return [("linux-image-extra-%s" if old else "linux-modules-extra-%s") % kernel]


def _fabric_manager(state, names, candidates, version):
    """Return the fabric manager of exactly the driver's version, for hosts with an NVSwitch or with one installed.

    The driver's version is that of the module on disk for the running kernel, as long as there is one.
    """
    switched = [g for g in state.get("gpus") or [] if getattr(gpu(g["id"]), "nvswitch", False)]
    if not any(package_names.is_fabric_manager(name) for name in names) and len(switched) < 2:
        return []
    on_disk = [k.get("nvidia") for k in state.get("kernels") or [] if k.get("name") == state.get("kernel")]
    version = (on_disk[0] if on_disk and on_disk[0] not in (None, "", "none") else "") or version
    if not version:
        return []
    usual = "nvidia-fabricmanager-" + branch_of(version)
    known = [usual, "nvidia-fabricmanager", "cuda-drivers-fabricmanager-" + branch_of(version)]
    exact = [name for name in known if upstream(candidates.get(name, "")) == version]
    # Without a candidate of that version apt may still have an older one: "*" stands for the packager's revision.
    return ["%s=%s" % (exact[0], candidates[exact[0]])] if exact else ["%s=%s*" % (usual, version)]


def _blocked(way, apt, runfile_there, drivers, install, choice):
    """Return why install_driver cannot be done this way, or None."""
    if way == "packages" and not apt:
        return "Driver packages are handled with apt only, and this host has none: ask for the method runfile."
    if way == "packages" and runfile_there:
        return "NVIDIA's installer put a driver here and packages would clash with it: ask for the method runfile."
    if way == "packages" and not install:
        return (
            "No package source of this host offers driver %s: add one, or ask for the method runfile." % choice.version
        )
    if way == "runfile" and not apt and drivers:
        return "Remove %s first, with this host's package manager: only apt's is handled here." % ", ".join(drivers)
    return None


def _no_installer(choice):
    """Return the sentence for a version whose installer the catalogue does not have."""
    return "The catalogue of %s has no installer %s for %s: give its address, size and sha256, or ask for %s." % (
        tables.DATE,
        choice.version,
        choice.machine,
        tables.BRANCHES[choice.branch][1] if choice.branch in tables.BRANCHES else "auto",
    )


def _sentence(choice, version, way, kernel):
    """Return what the plan would install and why, in words."""
    if choice.refused:
        return choice.sentence
    parts = [choice.sentence]
    if version != choice.version:
        parts.append(
            "This host's package sources offer %s (%s), which drives it too, so that is taken."
            % (version, life_of(branch_of(version)))
        )
    newest = tables.BRANCHES.get(branch_of(version), ("",) * 6)[5]
    if way == "runfile" and newest and kernel and numbers(kernel)[:2] > numbers(newest):
        parts.append(
            "Branch %s is known to build up to Linux %s, this is %s: a trial build decides before anything is removed."
            % (branch_of(version), newest, kernel)
        )
    return " ".join(parts)

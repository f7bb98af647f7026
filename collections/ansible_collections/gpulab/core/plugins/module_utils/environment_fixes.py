# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Finding to the fixes to try, in order; after each the import is tried again. Pure. Python 3.6+.

The order for OpenCV is that of the course: OpenCV in the environment, then the library on the host, then, which the
course did not have, the headless build. docs/import-errors.md says why.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from typing import Dict, List, NamedTuple

from ansible_collections.gpulab.core.plugins.module_utils import (
    environment_cuda,
    environment_libraries,
    environment_names,
)
from ansible_collections.gpulab.core.plugins.module_utils.driver_catalogue import numbers
from ansible_collections.gpulab.core.plugins.module_utils.environment_case import (
    OPENCV,
    family,
    framework_of,
    installed_of,
    listed,
    numpy_is_pips,
)
from ansible_collections.gpulab.core.plugins.module_utils.environment_imports import distribution

# Newer ones no longer have what old packages import of them.
_BOUNDS = {"setuptools": "setuptools<81"}
_CONDA_NAMES = {"opencv-python": "opencv", "torch": "pytorch", "opencv-python-headless": "opencv"}
_HEADLESS = {"opencv-python": "opencv-python-headless", "opencv-contrib-python": "opencv-contrib-python-headless"}
# Options of `pip install` that `pip download` does not take.
_INSTALL_ONLY = ("--no-warn-script-location", "--ignore-installed", "--upgrade", "--force-reinstall", "--no-compile")


class Fix(NamedTuple):
    """Something to try. Its id is what makes it another one than those that were tried."""

    id: str
    what: str
    """What it installs, and how: "libgl1 with apt"."""
    commands: List[Dict[str, object]]
    """{label, argv} to run in this order in the environment."""
    packages: List[str] = []
    """Packages of the host to install."""
    replaced: Dict[str, str] = {}
    """Distribution that goes to the one that takes its place."""
    requirements: str = ""
    """Text to write to `requirements_file(prefix)` before."""


def requirements_file(prefix):
    """Where the requirements of a fix are written."""
    return prefix + "/gpulab-fix.txt"


def fixes(finding, case, means):
    """List of Fix for a finding, the first to try first; [] when nobody but its reader can help."""
    return [fix for fix in _MAKERS.get(finding.kind, _nothing)(finding, case, means) if fix is not None]


def _nothing(_finding, _case, _means):
    return []


def _missing(finding, case, means):
    """The locked version; else what is installed and has lost its files, conda's as the course says, the newest."""
    wanted = finding.names[0] if finding.kind == "dependency" else finding.module
    names = family(wanted)
    if any(name in means.locked for name in names):
        return [_locked([name for name in names if name in means.locked][:1], case, means)]
    again = _broken(finding, case, means) if wanted == finding.module else []
    return [*again, _by_conda(distribution(wanted), case, means), _by_pip(_requirement(wanted, case), case, means)]


def _requirement(module, case):
    """What to ask pip for when no lock names a module's version."""
    name = distribution(module)
    if name == "opencv-python":
        return "opencv-python-headless"  # works on a host without a display
    if name == "tensorflow" and (3, 5) <= numbers(case.python)[:2] <= (3, 6):
        return "tensorflow-gpu==0.12.1" if case.build == "cuda" and case.host.gpu else "tensorflow==0.12.1"
    return _BOUNDS.get(name, name)


def _broken(finding, case, means):
    """A package that is there, and not whole: the same again."""
    names = installed_of(finding.module, case) or list(family(finding.module))
    locked = [name for name in names if name in means.locked]
    if locked:
        return [_locked(locked[:1], case, means)]
    name = names[0]
    version = case.pip.get(name, "")
    if name not in case.pip or not means.pip:
        return []
    argv = [*means.pip, "--force-reinstall", "--no-deps", "%s==%s" % (name, version)]
    return [Fix("again:" + name, "%s %s again" % (name, version), [_command("pip " + name, argv)])]


def _versions(*more):
    """Maker for packages that do not fit each other: those with another version than the lock's go back to it."""

    def make(finding, case, means):
        names = [*more, *family(finding.module), *(distribution(name) for name in finding.names)]
        astray = [
            name
            for name in dict.fromkeys(names)
            if name in means.locked and case.distributions.get(name) not in (None, _version(means.locked[name]))
        ]
        return [_locked(astray, case, means)] if astray else []

    return make


def _system_library(finding, case, means):
    """OpenCV in the environment, the library on the host, the headless build."""
    found = []
    pips = installed_of(finding.module, case)
    if finding.module == "cv2" and not pips and not {"opencv", "py-opencv"} & set(case.conda):
        found.append(_by_conda("opencv-python", case, means))
    if means.system_packages:
        names = [environment_libraries.package(name, case.release) for name in finding.names]
        found.append(_by_apt(sorted({name for name in names if name})))
    headless = [name for name in pips if name in _HEADLESS.values()]
    if headless and means.pip:  # it is there, under the one that wants a display
        return [*found, _alone(headless[0], pips, case, means)]
    return found + [
        _swap(name, _HEADLESS[name], case, means, "it needs no display") for name in pips if name in _HEADLESS
    ]


def _by_apt(names):
    if not names:
        return None
    return Fix("apt:" + " ".join(names), "%s with apt" % listed(names), [], packages=names)


def _cuda_library(finding, case, means):
    """PyTorch's libraries come from pip; TensorFlow's from the host, or its CPU build does where there is no GPU."""
    framework = framework_of(finding.module, case)
    if framework is None:
        return []
    if framework.distribution == "torch":
        return _torch_libraries(framework, case, means)
    if case.host.gpu or framework.build == "cpu":
        return []
    return [_swap(framework.distribution, framework.other, case, means, "it needs no CUDA, and there is no GPU here")]


def _torch_libraries(framework, case, means):
    blocks = [means.locked[name] for name in sorted(means.locked) if name.startswith("nvidia-")]
    if not means.pip:
        return []
    if blocks:
        return [_from_lock("libraries:torch", "the CUDA libraries of torch", "".join(blocks), case, means)]
    argv = [*means.pip, "torch==" + framework.version]
    return [Fix("libraries:torch", "what torch %s needs" % framework.version, [_command("pip torch", argv)])]


def _cpu_build(finding, case, means):
    """The GPU build of the same version, where the host has the CUDA for it."""
    framework = framework_of(finding.module, case)
    if framework is None or not means.pip or not environment_cuda.has_cuda(framework, case.host):
        return []
    if framework.distribution != "torch":
        return [_swap(framework.distribution, framework.other, case, means, "it uses the GPU")]
    name = "torch==" + framework.version
    commands = [
        _command("pip torch", [*means.pip, "--force-reinstall", "--no-deps", name]),
        _command("pip torch", [*means.pip, name]),  # and what the GPU build needs more
    ]
    return [Fix("cuda:torch", "the CUDA build of torch %s" % framework.version, commands)]


def _one_opencv(finding, case, means):
    """Several builds of OpenCV lie in one folder: that of the lock stays, or the headless one."""
    there = installed_of(finding.module, case)
    if not there or not means.pip:
        return []
    liked = [name for name in OPENCV if name in means.locked] + [name for name in there if name in _HEADLESS.values()]
    return [_alone((liked + there)[0], there, case, means)]


def _alone(chosen, there, case, means):
    """One of several distributions that share a folder, whole: those that go take its files with them."""
    others = [name for name in there if name != chosen]
    before = [_command("pip uninstall", _uninstall(others, case))] if others else []
    replaced = {name: chosen for name in others if name in means.locked}
    what, identity = "%s alone" % chosen, "alone:" + chosen
    if chosen in means.locked:
        return _from_lock(identity, what, means.locked[chosen], case, means, before)._replace(replaced=replaced)
    again = [*means.pip, "--force-reinstall", "--no-deps", "%s==%s" % (chosen, case.pip[chosen])]
    return Fix(identity, what, [*before, _command("pip " + chosen, again)], replaced=replaced)


def _by_conda(name, case, means):
    """conda's package; not where it would put its NumPy over pip's, which tqdm does not need."""
    if not means.conda or (numpy_is_pips(case) and name != "tqdm"):
        return None
    name = _CONDA_NAMES.get(name, name)
    return Fix("conda:" + name, "%s with conda" % name, [_command("conda " + name, [*means.conda, name])])


def _by_pip(requirement, case, means):
    """The newest that goes with the versions of the lock."""
    if not means.pip:
        return None
    argv = [*means.pip, "--constraint", requirements_file(case.prefix), requirement]
    versions = environment_names.constraints("".join(means.locked.values()))
    text = "%s with pip" % requirement
    return Fix("pip:" + requirement, text, [_command("pip " + requirement, argv)], requirements=versions or "\n")


def _locked(names, case, means):
    if not means.pip:
        return None
    versions = ["%s %s" % (name, _version(means.locked[name])) for name in names]
    text = "%s, as locked" % listed(versions)
    return _from_lock("lock:" + " ".join(names), text, "".join(means.locked[name] for name in names), case, means)


def _from_lock(identity, text, requirements, case, means, before=()):
    """--ignore-installed, because what a killed run left may look installed, and cannot be uninstalled."""
    options = ["--ignore-installed", "--no-deps", "--require-hashes", "--requirement", requirements_file(case.prefix)]
    argv = [*means.pip, *options]
    return Fix(identity, text, [*before, _command("pip", argv)], requirements=requirements)


def _swap(old, new, case, means, why):
    """Another build of the same version; fetched before the old one goes, because both lie in the same folder."""
    version = case.distributions.get(old, "")
    if not means.pip or not version:
        return None
    folder, requirement = case.prefix + "/gpulab-fix", "%s==%s" % (new, version)
    fetch = ["download" if word == "install" else word for word in means.pip if word not in _INSTALL_ONLY]
    install = [*means.pip[:4], "--no-index", "--find-links", folder, "--no-deps", requirement]
    commands = [
        _command("pip download " + new, [*fetch, "--no-deps", "--dest", folder, requirement]),
        _command("pip uninstall " + old, _uninstall([old], case)),
        _command("pip install " + new, install),
        _command("rm " + folder, ["rm", "-rf", folder]),
    ]
    text = "%s %s in place of %s: %s" % (new, version, old, why)
    return Fix("swap:" + new, text, commands, replaced={old: new})


def _uninstall(names, case):
    return [case.prefix + "/bin/python", "-m", "pip", "uninstall", "--yes", *names]


def _command(label, argv):
    return {"label": label, "argv": argv}


def _version(block):
    """The version that a locked requirement names."""
    return next(iter(environment_names.pins(block).values()), "")


_MAKERS = {
    "missing": _missing,
    "dependency": _missing,
    "incomplete": _broken,
    "damaged": _broken,
    "system_library": _system_library,
    "cuda_library": _cuda_library,
    "driver_library": _cuda_library,
    "cpu_build": _cpu_build,
    "opencv_mixed": _one_opencv,
    "numpy_abi": _versions("numpy"),
    "numpy_api": _versions("numpy"),
    "protobuf": _versions("protobuf"),
    "mismatch": _versions(),
    "undefined_symbol": _versions(),
}
KINDS = tuple(_MAKERS)

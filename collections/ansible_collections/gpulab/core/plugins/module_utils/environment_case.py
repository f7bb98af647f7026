# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""What is known of an environment whose imports were tried, and what may be used to mend it. Pure. Python 3.6+."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from typing import Any, Dict, List, NamedTuple

from ansible_collections.gpulab.core.plugins.module_utils import environment_cuda
from ansible_collections.gpulab.core.plugins.module_utils.environment_imports import Finding, distribution

OPENCV = ("opencv-python", "opencv-contrib-python", "opencv-python-headless", "opencv-contrib-python-headless")
TENSORFLOW = ("tensorflow-gpu", "tensorflow", "tensorflow-cpu")


class Case(NamedTuple):
    """An environment and its host, as seen after its imports were tried."""

    prefix: str
    python: str
    """Version of its Python, "" if that does not start."""
    build: str
    """"cuda" or "cpu": what is wanted of the frameworks."""
    imports: Dict[str, Dict[str, Any]]
    distributions: Dict[str, str]
    """Normalized name to version of everything that Python finds, whoever installed it."""
    conda: Dict[str, str]
    """Name to version of the packages that conda installed."""
    pip: Dict[str, str]
    """Those of the distributions that are not conda's."""
    release: Dict[str, str]
    """The host's os-release."""
    host: environment_cuda.Host


class Means(NamedTuple):
    """What may be used to mend an environment."""

    conda: List[str]
    """Command to which package specifications are appended; [] for none."""
    pip: List[str]
    """Command to which requirements are appended, sources included; [] for none."""
    locked: Dict[str, str]
    """Normalized name to its lines in the requirements file, with hashes."""
    system_packages: bool
    """Whether packages of the host may be installed."""


def listed(names):
    """Names as a sentence lists them: "a, b and c"."""
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else "".join(names)


def family(module):
    """Distributions that bring a module, the usual one first: several for OpenCV and TensorFlow."""
    name = distribution(module)
    return {"opencv-python": OPENCV, "tensorflow": TENSORFLOW}.get(name, (name,))


def installed_of(module, case):
    """Names of the distributions of a module that pip installed."""
    return [name for name in family(module) if name in case.pip]


def framework_of(module, case):
    """The Framework that a module belongs to, None if it is none."""
    names = family(module)
    found = environment_cuda.frameworks(case.distributions, case.imports)
    return next((framework for framework in found if framework.distribution in names), None)


def cpu_builds(case, broken):
    """Findings for CPU builds of frameworks where the GPU shall compute; not for modules that are `broken` anyway."""
    found = environment_cuda.frameworks(case.distributions, case.imports)
    builds = {}  # type: dict[str, set[str]]
    for framework in found:
        builds.setdefault("torch" if framework.distribution == "torch" else "tensorflow", set()).add(framework.build)
    wanted = case.host.gpu and case.build == "cuda"
    slow = [module for module, kinds in builds.items() if wanted and kinds == {"cpu"} and module not in broken]
    return [Finding(module, "cpu_build", (), "") for module in slow]


def numpy_is_pips(case):
    """Whether pip installed NumPy: a package of conda that needs NumPy would put another over it."""
    return "numpy" in case.pip

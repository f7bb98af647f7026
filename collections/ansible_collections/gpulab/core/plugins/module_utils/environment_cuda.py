# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Which CUDA a framework needs, whether its build fits the host, whether the driver is new enough. Pure. Python 3.6+.

Sources: TensorFlow's table of tested build configurations (tensorflow.org/install/source, GPU on Linux), the CUDA
that PyTorch's wheels on PyPI were built with; the driver that each CUDA needs is in driver_tables.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import re
from typing import Dict, NamedTuple

from ansible_collections.gpulab.core.plugins.module_utils.driver_catalogue import compare, cuda_minimum, numbers
from ansible_collections.gpulab.core.plugins.module_utils.driver_tables import CUDA_MINIMUM

# (first version, CUDA, cuDNN) of each row; a row holds until the next.
TENSORFLOW = (
    ("0.12", "8.0", "5.1"),
    ("1.3", "8.0", "6"),
    ("1.5", "9.0", "7"),
    ("1.13", "10.0", "7.4"),
    ("2.1", "10.1", "7.6"),
    ("2.4", "11.0", "8.0"),
    ("2.5", "11.2", "8.1"),
    ("2.12", "11.8", "8.6"),
    ("2.14", "11.8", "8.7"),
    ("2.15", "12.2", "8.9"),
    ("2.16", "12.3", "8.9"),
    ("2.18", "12.5", "9.3"),
)
TORCH = (("0.4.1", "9.0", ""), ("1.2", "10.0", ""), ("1.3", "10.1", ""), ("1.5", "10.2", ""), ("1.13", "11.7", ""))
# Until here TensorFlow had a distribution of its own for GPUs; since then `tensorflow` has both.
_ONE_BUILD = "1.15"
# PyTorch's own table ends: from 2.1 on every wheel says it itself, once it can be imported.
_TORCH_END = "2.1"


class Framework(NamedTuple):
    """A framework as it is installed."""

    distribution: str
    version: str
    build: str
    """"cuda" or "cpu"."""
    cuda: str
    """CUDA release that its GPU build needs, "" if that is not known."""
    cudnn: str
    """cuDNN that the host must have, "" if it comes with the framework or is not known."""
    other: str
    """Distribution of the other build, at the same version."""


class Host(NamedTuple):
    """What bears on CUDA."""

    gpu: bool
    driver: str
    """Version of the loaded driver, "" if none is."""
    toolkits: Dict[str, str]
    """CUDA release ("8.0") to what its files say of the full version ("8.0.61"), "" if they say nothing."""
    libraries: Dict[str, str]
    """Soname of a CUDA library that is there to the folder it is in."""


def frameworks(distributions, imports):
    """Frameworks of an environment. distributions: {name: version}; imports: what the probe returned."""
    found = []
    for name in ("tensorflow-gpu", "tensorflow", "tensorflow-cpu"):
        version = distributions.get(name, "")
        if version:
            found.append(_tensorflow(name, version))
    if distributions.get("torch"):
        found.append(_torch(distributions["torch"], imports.get("torch", {})))
    return found


def _tensorflow(name, version):
    cuda, cudnn = _needs(TENSORFLOW, version)
    single = compare(version, _ONE_BUILD) >= 0
    gpu = name == "tensorflow-gpu" or (name == "tensorflow" and single)
    other = {"tensorflow-cpu": "tensorflow", "tensorflow-gpu": "tensorflow"}.get(name)
    return Framework(
        name,
        version,
        "cuda" if gpu else "cpu",
        cuda,
        cudnn,
        other or ("tensorflow-cpu" if single else "tensorflow-gpu"),
    )


def _torch(version, imported):
    plain, _plus, local = version.partition("+")
    told = re.match(r"cu(\d+)(\d)$", local)
    cuda = "%s.%s" % told.groups() if told else imported.get("cuda", "")
    if not cuda and local != "cpu" and "version" not in imported and compare(plain, _TORCH_END) < 0:
        cuda = _needs(TORCH, plain)[0]
    # A wheel without a local version that was imported and names no CUDA is the CPU build of another index.
    is_cpu = local == "cpu" or ("version" in imported and not cuda)
    return Framework("torch", plain, "cpu" if is_cpu else "cuda", cuda, "", "torch")


def _needs(table, version):
    """(CUDA, cuDNN) of a version, ("", "") before the first row."""
    rows = [row for row in table if compare(version, row[0]) >= 0]
    return rows[-1][1:] if rows else ("", "")


def needs(framework):
    """The words for what a GPU build wants of the host: "CUDA 8.0 and cuDNN 5.1"."""
    words = ["CUDA " + framework.cuda] if framework.cuda else ["CUDA"]
    return " and ".join(words + (["cuDNN " + framework.cudnn] if framework.cudnn else []))


def has_cuda(framework, host):
    """Whether the host has the CUDA and cuDNN of a GPU build; PyTorch brings its own."""
    if framework.distribution == "torch":
        return True
    cudart = "libcudart.so." + (framework.cuda if numbers(framework.cuda) < (11,) else framework.cuda.split(".")[0])
    cudnn = "libcudnn.so." + framework.cudnn.split(".")[0]
    return cudart in host.libraries and cudnn in host.libraries


def driver_warning(framework, host):
    """A sentence when the host's driver is too old for the CUDA of a GPU build, None when it is not, or not known."""
    if framework.build != "cuda" or not framework.cuda or not host.driver:
        return None
    full = host.toolkits.get(framework.cuda, "") if framework.distribution != "torch" else ""
    least = cuda_minimum(full) or cuda_minimum(framework.cuda)
    if not least or compare(host.driver, least) >= 0:
        return None
    ways = ["a driver from %s on" % least]
    older = _older_toolkit(framework.cuda, host.driver)
    if older and full:
        ways.append("CUDA %s, which runs on %s" % (older, cuda_minimum(older)))
    return "%s %s uses CUDA %s, which needs driver %s or newer, and the host has %s: install %s." % (
        framework.distribution,
        framework.version,
        full or framework.cuda,
        least,
        host.driver,
        ", or ".join(ways),
    )


def _older_toolkit(release, driver):
    """The newest toolkit of a CUDA release that runs on a driver, "" if none does."""
    fitting = [
        toolkit
        for toolkit, least in CUDA_MINIMUM
        if numbers(toolkit)[:2] == numbers(release)[:2] and compare(driver, least) >= 0
    ]
    return fitting[-1] if fitting else ""

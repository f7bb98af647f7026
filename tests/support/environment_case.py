"""An environment and its host as plain values, for tests of what is tried and said."""

from __future__ import annotations

from typing import Any

from ansible_collections.gpulab.core.plugins.module_utils import environment_fixes
from ansible_collections.gpulab.core.plugins.module_utils.environment_case import Case, Means
from ansible_collections.gpulab.core.plugins.module_utils.environment_cuda import Host
from ansible_collections.gpulab.core.plugins.module_utils.environment_fixes import Fix
from ansible_collections.gpulab.core.plugins.module_utils.environment_imports import Finding

PREFIX = "/opt/gpulab/conda/envs/carnd-term1-0123456789ab"
PYTHON = f"{PREFIX}/bin/python"
PIP = [PYTHON, "-m", "pip", "install", "--no-input", "--extra-index-url", "https://example.org/cpu"]
CONDA = ["/opt/gpulab/conda/bin/micromamba", "install", "-y", "-c", "conda-forge"]
DEBIAN_12 = {"ID": "debian", "VERSION_ID": "12"}
CUDA_8 = {"libcudart.so.8.0": "/usr/local/cuda-8.0/lib64", "libcudnn.so.5": "/usr/local/cuda-8.0/lib64"}


def lock(**versions: str) -> dict[str, str]:
    """Blocks of a lock: name (underscores for hyphens) to version."""
    names = {name.replace("_", "-"): version for name, version in versions.items()}
    return {n: f"{n}=={v} \\\n    --hash=sha256:{'0' * 64}\n" for n, v in names.items()}


def case(pip: dict[str, str] | None = None, conda: dict[str, str] | None = None, **more: Any) -> Case:
    """An environment with these packages on a Debian 12 without a GPU."""
    host = Host(**{"gpu": False, "driver": "", "toolkits": {}, "libraries": {}} | more.pop("host", {}))
    python = {"prefix": PREFIX, "python": "3.12.8", "build": "cpu", "imports": {}, "release": DEBIAN_12}
    packages = {"pip": pip or {}, "conda": conda or {}, "distributions": {**(conda or {}), **(pip or {})}}
    return Case(**python | packages | {"host": host} | more)


def means(conda: bool = True, pip: bool = True, system: bool = True, **locked: str) -> Means:
    return Means(CONDA if conda else [], PIP if pip else [], lock(**locked), system)


def ids(finding: Finding, environment: Case, allowed: Means) -> list[str]:
    return [fix.id for fix in environment_fixes.fixes(finding, environment, allowed)]


def only(finding: Finding, environment: Case, allowed: Means) -> Fix:
    (fix,) = environment_fixes.fixes(finding, environment, allowed)
    return fix


def commands(fix: Fix) -> list[str]:
    return [" ".join(command["argv"]) for command in fix.commands]

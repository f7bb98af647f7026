# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Names, pins and keys of an environment's packages, as conda and pip write them. Pure. Python 3.6+."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import hashlib
import json
import re
from typing import Dict, List

_PIN = re.compile(r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*==\s*(?P<version>[^\s;\\]+)")
_CONDA_NAME = re.compile(r"^(?:\S*::)?(?P<name>[A-Za-z0-9_.-]+)")


def normalized(name):
    """A distribution's name as PyPI compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def conda_name(spec):
    """The package of a conda spec such as `conda-forge::python >=3.11,<3.13`; "" when there is none."""
    found = _CONDA_NAME.match(spec.strip())
    return found.group("name").lower() if found else ""


def stripped(text):
    """A file's lines without comments and blank lines: what makes a difference."""
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def blocks(text):
    """{normalized name: its lines with the hashes} of a requirements file; options and comments belong to no name."""
    found: Dict[str, List[str]] = {}
    name = ""
    for line in text.splitlines():
        if line.strip().startswith("#") or not line.strip():
            continue
        if not line[0].isspace():
            pin = _PIN.match(line)
            name = normalized(pin.group("name")) if pin else ""
        if name:
            found.setdefault(name, []).append(line.rstrip())
    return {name: "\n".join(lines) + "\n" for name, lines in found.items()}


def pins(text):
    """{normalized name: version} of a requirements file."""
    return {name: version for name, block in blocks(text).items() for version in _PIN.findall(block)[0][1:]}


def constraints(text):
    """The pins without hashes: a constraints file with hashes would ask for hashes of everything that is installed."""
    return "".join("%s==%s\n" % pin for pin in sorted(pins(text).items()))


def lock_names(lock):
    """Names of the packages in an explicit conda lock, from its URLs: `.../name-version-build.conda#hash`."""
    files = [line.split("#")[0].rsplit("/", 1)[-1] for line in stripped(lock) if "://" in line]
    return {file.rsplit("-", 2)[0] for file in files}


def content_key(conda, lock, requirements, build, tool):
    """sha256 (hex) of what an environment is made from: the same key, the same environment.

    conda: specs of the environment file. lock, requirements: texts. build: cpu or cuda. tool: kind and major version,
    such as `micromamba 2`, because another solver may choose others.
    """
    parts = [sorted(conda), stripped(lock), stripped(requirements), build, tool]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

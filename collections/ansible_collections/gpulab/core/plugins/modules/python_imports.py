#!/usr/bin/python
# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Module gpulab.core.python_imports."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: python_imports
short_description: Try the imports of a Python environment, say what is wrong and what to try next
description:
  - Imports each module in a process of its own in the environment's Python, so that one that crashes hides no other.
  - Reads the errors, the installed packages, and what the host has of CUDA, and names the next thing to try that was
    not tried yet. Changes nothing.
options:
  python:
    description: Python of the environment.
    type: path
    required: true
  modules:
    description: Modules to import.
    type: list
    elements: str
    required: true
  build:
    description: What is wanted of the frameworks; V(cuda) makes their CPU builds a finding on a host with a GPU.
    type: str
    choices: [cpu, cuda]
    default: cpu
  conda:
    description: Command to which conda's package specifications are appended; empty forbids to use conda.
    type: list
    elements: str
    default: []
  pip:
    description: Command to which requirements are appended, beginning with PYTHON -m pip install; empty forbids pip.
    type: list
    elements: str
    default: []
  requirements:
    description: Text of the requirements file with hashes that the environment was made from.
    type: str
    default: ""
  system_packages:
    description: Whether packages of the host may be installed.
    type: bool
    default: false
  tried:
    description: The C(id) of what was tried before.
    type: list
    elements: str
    default: []
attributes:
  check_mode: {description: It only reads., support: full}
author: [the gpulab authors (@gpulab)]
"""

EXAMPLES = r"""
- name: Try the imports
  gpulab.core.python_imports:
    python: /opt/gpulab/conda/envs/carnd-term1/bin/python
    modules: [torch, cv2, tqdm]
"""

RETURN = r"""
imports:
  description: Module to C(version), C(file) and C(cuda), or to C(error), C(kind), C(signal) and C(folder).
  returned: success
  type: dict
  sample: {"tqdm": {"version": "4.67.1", "file": "/opt/env/lib/python3.12/site-packages/tqdm/__init__.py", "cuda": ""}}
findings:
  description: What is wrong, each with C(module), C(kind), C(names) and C(sentence), which says what to type.
  returned: success
  type: list
  elements: dict
warnings_found:
  description: Sentences about what does not show at the import, such as a driver that is too old.
  returned: success
  type: list
  elements: str
distributions:
  description: What is installed, normalized name to version.
  returned: success
  type: dict
fix:
  description:
    - What to try next, or null. C(id), C(would) and C(sentence) (for before and after), C(commands) (each with C(label)
      and C(argv)), C(packages) of the host, C(replaced) (distribution to the one that takes its place), and
      C(requirements) with the C(file) to write them to.
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gpulab.core.plugins.module_utils import environment_check


def main():
    """Run the module."""
    strings = {"type": "list", "elements": "str", "default": []}
    module = AnsibleModule(
        argument_spec={
            "python": {"type": "path", "required": True},
            "modules": {"type": "list", "elements": "str", "required": True},
            "build": {"type": "str", "choices": ["cpu", "cuda"], "default": "cpu"},
            "conda": dict(strings),
            "pip": dict(strings),
            "requirements": {"type": "str", "default": ""},
            "system_packages": {"type": "bool", "default": False},
            "tried": dict(strings),
        },
        supports_check_mode=True,
    )
    given = module.params
    case, findings = environment_check.gather(given["python"], given["modules"], given["build"])
    means = environment_check.means(given["conda"], given["pip"], given["requirements"], given["system_packages"])
    finding, chosen = environment_check.next_fix(case, findings, means, given["tried"])
    fix = environment_check.fix_described(finding, chosen, case) if chosen else None
    said = environment_check.described(case, findings)
    # "warnings" is Ansible's own: it would print them.
    module.exit_json(changed=False, fix=fix, warnings_found=said.pop("warnings"), **said)


if __name__ == "__main__":
    main()

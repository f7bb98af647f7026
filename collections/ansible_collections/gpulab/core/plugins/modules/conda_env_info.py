#!/usr/bin/python
# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Module gpulab.core.conda_env_info."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
---
module: conda_env_info
short_description: Diagnose a conda environment and plan the smallest thing to do about it
description:
  - Looks at the environment that a name stands for, at what runs in it, and at what is left of runs that were killed.
  - Says in one word and one sentence what is wrong with it, plans the command lines that make it right, and imports
    modules in it. Read-only.
version_added: "0.3.0"
options:
  prefix: {type: path, required: true, description: The environment's name on the host; must be ROOT/envs/NAME.}
  made: {type: path, default: "", description: A prefix that was just made and is to take that name.}
  profile: {type: str, required: true, description: Name of the kind of environment; for messages.}
  build: {type: str, choices: [auto, cpu, cuda], default: auto, description: V(auto) is cuda where /dev/nvidia0 exists.}
  specs: {type: list, elements: str, required: true, description: Conda specs of the environment file.}
  channels: {type: list, elements: str, required: true, description: Conda channels to take them from.}
  lock: {type: str, default: "", description: An explicit conda lock that is used in place of O(specs).}
  requirements: {type: dict, required: true, description: Text of pip's lock with hashes for C(cpu) and for C(cuda).}
  wheels: {type: str, default: "", description: URL of a folder of wheels, used in place of pip's index.}
  torch_index: {type: str, default: "", description: Package index with PyTorch's CPU builds.}
  tool: {type: str, default: micromamba, description: "micromamba, auto, existing, or a path on the host."}
  micromamba: {type: str, default: "", description: "URL#sha256=HEX or a path in place of O(pin)."}
  pin:
    description: C(version) of micromamba, C(url) with {version} and {arch}; C(arch) and C(sha256) by machine.
    type: dict
    required: true
  machines: {type: list, elements: str, default: [], description: Machines that the requirements are for; none for any.}
  glibc: {type: str, default: "", description: C library that the requirements need.}
  megabytes: {type: dict, required: true, description: Space that a new environment takes for C(cpu) and for C(cuda).}
  keep_extras: {type: bool, default: true, description: Carry a user's own packages over to a new environment.}
  adopt: {type: bool, default: false, description: Add what is missing to an environment that we did not make.}
  rebuild: {type: bool, default: false, description: Plan a new environment whatever the old one is like.}
  imports: {type: list, elements: str, default: [], description: Modules to import.}
  files: {type: dict, default: {}, description: "Path to text: files that the environment needs beside it."}
author: [the gpulab authors (@gpulab)]
attributes:
  check_mode: {description: It only reads., support: full}
"""

EXAMPLES = r"""
- name: Look at the environment
  gpulab.core.conda_env_info:
    prefix: /opt/gpulab/conda/envs/carnd-term1
    profile: modern
    specs: [python >=3.11, pip]
    channels: [conda-forge]
    requirements: {cpu: "{{ text }}", cuda: "{{ text }}"}
    pin: {version: 2.9.0-0, url: "{{ url }}", arch: {x86_64: "64"}, sha256: {x86_64: "{{ sha256 }}"}}
    megabytes: {cpu: 3000, cuda: 12000}
    imports: [torch]
"""

RETURN = r"""
verdict:
  description: ready, absent, outdated, packages_missing, damaged, half_made or foreign.
  returned: success
  type: str
sentence: {description: The verdict in a sentence., returned: success, type: str}
plan:
  description: What to do, as environment_plan.decide says.
  returned: success
  type: dict
tool: {description: "The program: kind, path, url, sha256, and whether it is there.", returned: success, type: dict}
build: {description: cpu or cuda., returned: success, type: str}
key: {description: What the wanted environment is made of, as a hash., returned: success, type: str}
name: {description: The environment's name., returned: success, type: str}
root: {description: The folder of all environments., returned: success, type: str}
prefix_ready: {description: Whether a Python runs in the plan's prefix., returned: success, type: bool}
python: {description: Its version., returned: success, type: str}
python_error: {description: Why it does not run; empty when it does., returned: success, type: str}
packages: {description: Name to version of what conda and pip installed in it., returned: success, type: dict}
extras: {description: What was added to it by a user., returned: success, type: list}
locked: {description: Names that the requirements pin., returned: success, type: list}
foreign: {description: Whether it was made by others., returned: success, type: bool}
imports: {description: Module to its version or its error., returned: success, type: dict}
findings: {description: What is wrong with the imports., returned: success, type: list}
warnings_found: {description: Sentences about what works and should not be left so., returned: success, type: list}
conda_install: {description: Command line to which conda specs are added., returned: success, type: list}
pip_install: {description: Command line to which requirements are added., returned: success, type: list}
files: {description: Those of O(files) that are not as they should be., returned: success, type: list}
free_megabytes: {description: Space left., returned: success, type: int}
gpu: {description: Whether /dev/nvidia0 exists., returned: success, type: bool}
user: {description: Who asks., returned: success, type: str}
root_is_ours: {description: Whether that user may write the folder of environments., returned: success, type: bool}
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gpulab.core.plugins.module_utils import (
    environment_host,
    environment_names,
    environment_plan,
    environment_tool,
    environment_view,
)


def main():
    """Gather, decide, import, report."""
    text = {"type": "str", "default": ""}
    module = AnsibleModule(
        argument_spec={
            "prefix": {"type": "path", "required": True},
            "made": {"type": "path", "default": ""},
            "profile": {"type": "str", "required": True},
            "build": {"type": "str", "choices": ["auto", "cpu", "cuda"], "default": "auto"},
            "specs": {"type": "list", "elements": "str", "required": True},
            "channels": {"type": "list", "elements": "str", "required": True},
            "lock": text,
            "requirements": {"type": "dict", "required": True},
            "wheels": text,
            "torch_index": text,
            "tool": {"type": "str", "default": "micromamba"},
            "micromamba": text,
            "pin": {"type": "dict", "required": True},
            "machines": {"type": "list", "elements": "str", "default": []},
            "glibc": text,
            "megabytes": {"type": "dict", "required": True},
            "keep_extras": {"type": "bool", "default": True},
            "adopt": {"type": "bool", "default": False},
            "rebuild": {"type": "bool", "default": False},
            "imports": {"type": "list", "elements": "str", "default": []},
            "files": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    wanted = dict(module.params)
    root = os.path.realpath(os.path.dirname(os.path.dirname(wanted["prefix"])))
    name = os.path.basename(wanted["prefix"])
    found = environment_host.gather(root, name)
    build = wanted["build"] if wanted["build"] != "auto" else "cuda" if found["gpu"] else "cpu"
    existing = environment_host.tools() if wanted["tool"] in ("auto", "existing") else []
    try:
        tool = environment_tool.choose(
            wanted["tool"], wanted["micromamba"], wanted["pin"], found["machine"], root, existing
        )
    except environment_tool.ToolError as error:
        module.fail_json(msg=str(error))
    requirements = wanted["requirements"][build]
    key = environment_names.content_key(wanted["specs"], wanted["lock"], requirements, build, tool["identity"])
    wanted.update(root=root, name=name, build=build, tool=tool, key=key, requirements=requirements)
    wanted.update(megabytes=int(wanted["megabytes"][build]))
    plan = environment_plan.decide(wanted, found)
    result = environment_view.look(plan, wanted, found)
    module.exit_json(changed=False, verdict=plan["verdict"], sentence=plan["sentence"], plan=plan, **result)


if __name__ == "__main__":
    main()

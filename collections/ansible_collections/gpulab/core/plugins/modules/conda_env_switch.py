#!/usr/bin/python
# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Module gpulab.core.conda_env_switch."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
---
module: conda_env_switch
short_description: Let an environment's name point to one that is whole
description:
  - Marks a prefix as whole, with a list of what was installed, and lets the name point to it in one step, so that at
    any moment the name stands for the old environment or for the new one.
  - Removes what is left over under that name, but nothing in which a process runs or on which one works.
version_added: "0.3.0"
options:
  link: {type: path, required: true, description: "The environment's name on the host, ROOT/envs/NAME."}
  prefix: {type: path, required: true, description: The prefix that it is to stand for.}
  foreign: {type: bool, default: false, description: The prefix was made by others; it is not marked.}
  marker: {type: dict, default: {}, description: What to note of the prefix beside its packages; C(key) is needed.}
  locked: {type: list, elements: str, default: [], description: Names of packages that were installed from a lock.}
  replaced:
    description: Packages of the lock that others took the place of, name to name; they are not missed from then on.
    type: dict
    default: {}
author: [the gpulab authors (@gpulab)]
attributes:
  check_mode: {description: Says whether something would change., support: full}
"""

EXAMPLES = r"""
- name: Use the new environment
  gpulab.core.conda_env_switch:
    link: /opt/gpulab/conda/envs/carnd-term1
    prefix: /opt/gpulab/conda/envs/carnd-term1-0123456789ab
    marker: {key: "{{ key }}", profile: modern}
    locked: [torch, tqdm]
"""

RETURN = r"""
removed: {description: Folders that were removed., returned: success, type: list}
kept: {description: Folders that are left over and in use, with who uses them., returned: success, type: dict}
"""

import json
import os
import shutil

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gpulab.core.plugins.module_utils import (
    environment_commands,
    environment_host,
    environment_installed,
)


def marker(prefix, given, locked, replaced):
    """The marker that a prefix should have: what it has, or else all that was found, and what was replaced since."""
    known = environment_host.read_json(os.path.join(prefix, environment_host.MARKER))
    wanted = dict(known or dict(given, **environment_host.base(prefix, locked)))
    wanted["replaced"] = dict(wanted.get("replaced") or {}, **replaced)
    pip = environment_installed.versions(environment_host.packages(prefix))["pip"]
    for old, new in replaced.items():
        # The new one is no addition of a user's: a rebuild decides anew.
        wanted["pip"].pop(old, None)
        wanted["pip"].update({new: pip[new]} if new in pip else {})
    return wanted, wanted != known


def write(path, content):
    """Replace a file in one step, so that a killed run leaves the old one or the new one."""
    with open(path + ".part", "w") as file:
        json.dump(content, file, indent=1, sort_keys=True)
    os.rename(path + ".part", path)


def point(link, target):
    """Let a symbolic link point elsewhere, in one step."""
    part = "%s.%d.part" % (link, os.getpid())
    os.symlink(target, part)
    os.rename(part, link)


def spare(link, prefix, foreign):
    """What is left over under this name: ({path}, {path: who uses it})."""
    root, name = os.path.dirname(os.path.dirname(link)), os.path.basename(link)
    others = [
        p for p in environment_host.prefixes(os.path.realpath(root), name) if p["path"] != os.path.realpath(prefix)
    ]
    # A whole one may be wanted again after a link to somebody else's environment.
    others = [p for p in others if not (foreign and p["key"])]
    free = sorted(p["path"] for p in others if not p["busy"])
    return free, {p["path"]: p["busy"] for p in others if p["busy"]}


def remove(prefix):
    """Remove a prefix and what it was made with; first its mark, so that a killed run leaves none that looks whole."""
    for name in (environment_host.MARKER, environment_commands.BUILT):
        if os.path.exists(os.path.join(prefix, name)):
            os.unlink(os.path.join(prefix, name))
    shutil.rmtree(prefix)
    root, name = os.path.dirname(os.path.dirname(prefix)), os.path.basename(prefix)
    for ending in ("", ".sh", ".job"):
        path = "%s/build/%s%s" % (root, name, ending)
        if os.path.isdir(path):
            shutil.rmtree(path)
        elif os.path.exists(path):
            os.unlink(path)


def main():
    """Mark, switch, remove."""
    module = AnsibleModule(
        argument_spec={
            "link": {"type": "path", "required": True},
            "prefix": {"type": "path", "required": True},
            "foreign": {"type": "bool", "default": False},
            "marker": {"type": "dict", "default": {}},
            "locked": {"type": "list", "elements": "str", "default": []},
            "replaced": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    link, prefix, foreign = (module.params[name] for name in ("link", "prefix", "foreign"))
    if os.path.isdir(link) and not os.path.islink(link) and os.path.realpath(link) != os.path.realpath(prefix):
        module.fail_json(
            msg="%s is a folder, expected a symbolic link of ours: move it away, and run this again." % link
        )
    changed = False
    if not foreign:
        content, changed = marker(prefix, module.params["marker"], module.params["locked"], module.params["replaced"])
        if changed and not module.check_mode:
            write(os.path.join(prefix, environment_host.MARKER), content)
    if os.path.realpath(link) != os.path.realpath(prefix):
        changed = True
        if not module.check_mode:
            point(link, os.path.realpath(prefix))
    removed, kept = spare(link, prefix, foreign)
    if not module.check_mode:
        for path in removed:
            remove(path)
    module.exit_json(changed=changed or bool(removed), removed=removed, kept=kept)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Module gpulab.core.nvidia_modules."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: nvidia_modules
short_description: Load, unload or exchange the kernel modules of the NVIDIA driver
description:
  - Exchanges a stale loaded module for the one on disk without a restart of the host, where nothing holds the GPU.
  - Processes that hold the GPU are named and never ended; then nothing is unloaded, and RV(blocked) says what to do.
  - NVIDIA's own daemons are stopped before modules are unloaded, and started again in every case.
options:
  state:
    description:
      - V(loaded) loads nvidia and nvidia_uvm and makes the device nodes.
      - V(uvm) loads nvidia_uvm and makes its node.
      - V(unloaded) unloads all of the driver's modules.
      - V(reloaded) unloads them and loads what was loaded from disk, nvidia and nvidia_uvm at least.
    type: str
    choices: [loaded, reloaded, unloaded, uvm]
    default: loaded
  expected_version:
    description:
      - Version that the module on disk must have before it is loaded, for example that of the libraries.
      - With another one nothing is done, and RV(blocked) says so. Empty takes any.
    type: str
    default: ""
  services:
    description: Units to stop before modules are unloaded, those that run; they are started again afterwards.
    type: list
    elements: str
    default:
      - nvidia-persistenced
      - nvidia-fabricmanager
      - nvidia-dcgm
      - dcgm
      - nv-hostengine
      - nvidia-powerd
      - nvidia-gridd
attributes:
  check_mode: {description: "Says what it would unload and load, and does neither.", support: full}
author: [the gpulab authors (@gpulab)]
"""

EXAMPLES = r"""
- name: Exchange the loaded module for the one on disk
  gpulab.core.nvidia_modules:
    state: reloaded
    expected_version: "535.309.01"
  become: true
"""

RETURN = r"""
unloaded: {description: "Modules that went, in order.", returned: always, type: list, sample: [nvidia_uvm, nvidia]}
loaded: {description: "Modules that were loaded, in order.", returned: always, type: list, sample: [nvidia]}
nodes: {description: Device nodes that were made., returned: always, type: list, sample: [/dev/nvidia-uvm]}
holders:
  description: Processes that hold a GPU and are not one of O(services), each with C(pid) and C(command).
  returned: always
  type: list
  sample: [{"pid": 4711, "command": "python"}]
blocked: {description: "A sentence that says why nothing was done, or null.", returned: always, type: str}
failed_services: {description: Services that ran and could not be started again., returned: always, type: list}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gpulab.core.plugins.module_utils import driver_modules
from ansible_collections.gpulab.core.plugins.module_utils.driver_loading import Host, LoadError

WANTED = {
    "loaded": ["nvidia", "nvidia_uvm"],
    "uvm": ["nvidia_uvm"],
    "unloaded": [],
    "reloaded": ["nvidia", "nvidia_uvm"],
}


def why_not(host, state, expected, holders):
    """The sentence that forbids it before anything is touched, or None."""
    sentence = None
    if state != "unloaded":
        sentence = driver_modules.wrong_version(host.kernel, host.version_on_disk(), expected)
    if sentence is None and state in ("unloaded", "reloaded") and host.names() and holders:
        sentence = driver_modules.held_by(holders)
    return sentence


def to_load(state, before):
    """NVIDIA's names of the modules to load, in order: what the state asks for, and what was loaded and comes back."""
    known = {driver_modules.canonical(name) for name in before} if state == "reloaded" else set()
    return [name for name in reversed(driver_modules.UNLOAD_ORDER) if name in known or name in WANTED[state]]


def exchange(host, state):
    """Do it; returns the sentence that stopped it, or None. Raises LoadError."""
    modules = to_load(state, host.names())
    if state in ("loaded", "uvm"):
        host.load(modules)
        return None
    stopped = host.active()
    host.stop(stopped)
    try:
        blocked = host.unload()
        if blocked is None and modules:
            host.load(modules)
    finally:
        host.start(stopped)
    return blocked


def foresee(host, state):
    """What `exchange` would do, noted in `host`."""
    before = host.names()
    host.unloaded = before if state in ("unloaded", "reloaded") else []
    left = {driver_modules.canonical(name) for name in before if name not in host.unloaded}
    host.loaded = [name for name in to_load(state, before) if name not in left]


def main():
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["loaded", "reloaded", "unloaded", "uvm"], "default": "loaded"},
            "expected_version": {"type": "str", "default": ""},
            "services": {"type": "list", "elements": "str", "default": list(driver_modules.SERVICES)},
        },
        supports_check_mode=True,
    )
    state, host = module.params["state"], Host(module.params["services"])
    holders, failure = host.strangers(), None
    blocked = why_not(host, state, module.params["expected_version"], holders)
    if blocked is None and module.check_mode:
        foresee(host, state)
    elif blocked is None:
        try:
            blocked = exchange(host, state)
        except (LoadError, OSError) as error:
            failure = str(error)
    for name in host.failed_services:
        module.warn("Service %s ran before and could not be started again: read `systemctl status %s`." % (name, name))
    result = {
        "changed": bool(host.unloaded or host.loaded or host.nodes),
        "unloaded": host.unloaded,
        "loaded": host.loaded,
        "nodes": host.nodes,
        "holders": holders,
        "blocked": blocked,
        "failed_services": host.failed_services,
    }
    if failure:
        module.fail_json(msg=failure, **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()

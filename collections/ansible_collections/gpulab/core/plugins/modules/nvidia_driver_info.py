#!/usr/bin/python
# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Module gpulab.core.nvidia_driver_info."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: nvidia_driver_info
short_description: Diagnose the NVIDIA driver of a host
description:
  - Collects everything that a host says of its NVIDIA driver, names what is wrong with it in one word and one sentence,
    and plans the driver that it should have.
  - Needs no GPU and no driver. Read-only, apart from missing /dev/nvidia* nodes, which nvidia-smi makes as root.
  - Without root the kernel log and other users' processes may stay unseen.
options:
  wanted:
    description: The driver to plan for, V(auto), a branch such as V(580), or an exact version such as V(367.57).
    type: str
    default: auto
  cuda:
    description: CUDA toolkit that the driver has to run, such as V(12.4); empty asks for none in particular.
    type: str
    default: ""
  method:
    description: Plan with the distribution's packages, with NVIDIA's runfile, or with what fits the host.
    type: str
    choices: [auto, packages, runfile]
    default: auto
  timeout:
    description:
      - Seconds that each command gets; those that a healthy host may be slow with, such as nvidia-smi, get four times
        that.
    type: int
    default: 5
attributes:
  check_mode: {description: It only reads., support: full}
author: [the gpulab authors (@gpulab)]
"""

EXAMPLES = r"""
- name: Look at the driver
  gpulab.core.nvidia_driver_info:
    wanted: "367.57"
  become: true
  register: driver

- name: Say what is wrong with it
  ansible.builtin.debug:
    var: driver.diagnosis.sentence
"""

RETURN = r"""
evidence:
  description: What was collected, text by file name; what is absent or unreadable is left out.
  returned: success
  type: dict
  sample: {"uname.txt": "6.1.0-56-cloud-amd64\n"}
diagnosis:
  description:
    - C(verdict), C(sentence), C(proof) (the lines that decided), C(repair) (a sentence, or null where nothing on the
      host mends it), C(actions) (names of the steps), C(needs_reboot) (no, maybe, yes) and C(risk).
  returned: success
  type: dict
  sample: {"verdict": "healthy", "actions": []}
versions:
  description: Driver versions of the C(loaded) module, the module C(on_disk) and the C(userspace) libraries, or null.
  returned: success
  type: dict
  sample: {"loaded": "535.309.01", "on_disk": "535.309.01", "userspace": "535.309.01"}
state:
  description: Kernels, DKMS entries, packages, GPUs, modules, processes that hold a GPU, services, holds, candidates.
  returned: success
  type: dict
  sample: {"kernel": "6.1.0-56-cloud-amd64"}
plan:
  description: The driver to install and how (see the plan's own documentation); C(refused) says why there is none.
  returned: success
  type: dict
  sample: {"version": "580.173.02", "method": "packages", "refused": null}
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gpulab.core.plugins.module_utils import (
    driver_catalogue,
    driver_diagnosis,
    driver_evidence,
    driver_plan,
    driver_sources,
    driver_state,
)


def main():
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "wanted": {"type": "str", "default": "auto"},
            "cuda": {"type": "str", "default": ""},
            "method": {"type": "str", "choices": ["auto", "packages", "runfile"], "default": "auto"},
            "timeout": {"type": "int", "default": 5},
        },
        supports_check_mode=True,
    )
    wanted = module.params["wanted"]
    evidence = driver_sources.collect(module.params["timeout"])
    facts = driver_evidence.read(evidence)
    state = driver_state.state(facts)
    ids = [gpu["id"] for gpu in state["gpus"]]
    choice = driver_catalogue.choose(wanted, ids, module.params["cuda"], os.uname()[4])
    module.exit_json(
        changed=False,
        evidence=evidence,
        diagnosis=dict(driver_diagnosis.diagnose(evidence, wanted=wanted)._asdict()),
        versions=driver_state.versions(facts),
        state=state,
        plan=driver_plan.plan(state, choice, module.params["method"]),
    )


if __name__ == "__main__":
    main()

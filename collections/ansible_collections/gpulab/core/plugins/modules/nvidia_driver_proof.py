#!/usr/bin/python
# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Module gpulab.core.nvidia_driver_proof."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: nvidia_driver_proof
short_description: Prove that the NVIDIA driver of a host works
description:
  - Takes steps from cheap to expensive. C(versions) compares whole versions of the loaded module, the module on disk,
    the libraries and nvidia-smi. C(nvidia_smi) wants every GPU of the PCI bus listed, C(devices) the modules and device
    files. C(cuda) starts every GPU and copies a pattern to its memory and back, with libcuda alone.
  - C(samples) runs NVIDIA's deviceQuery and vectorAdd, and C(framework) a product in PyTorch, where they are installed.
  - C(kernel_log) wants no new mismatch, Xid or failed start, C(next_boot) the module ready for the running kernel and
    for that of the next start.
  - After a step that fails, those that rest on it are skipped. Changes nothing.
options:
  expected_version:
    description: Version that the driver must have, or its branch; empty takes any that is the same everywhere.
    type: str
    default: ""
  framework_python:
    description: A Python with PyTorch; empty leaves that step out.
    type: str
    default: ""
  since:
    description: Seconds after boot; what the kernel log said before does not count.
    type: float
    default: 0.0
  timeout:
    description: Seconds for each command of a step.
    type: int
    default: 60
attributes:
  check_mode: {description: It only reads., support: full}
author: [the gpulab authors (@gpulab)]
"""

EXAMPLES = r"""
- name: Prove the driver
  gpulab.core.nvidia_driver_proof:
    expected_version: "535.309.01"
  become: true
"""

RETURN = r"""
proven:
  description: Whether versions, nvidia_smi, devices and cuda are good and no other step failed.
  returned: success
  type: bool
steps:
  description:
    - Each with C(name), C(ok) (null when it was skipped), C(detail) (a sentence) and C(skipped) (the reason, or null).
  returned: success
  type: list
  elements: dict
  sample: [{"name": "versions", "ok": true, "detail": "535.309.01 everywhere", "skipped": null}]
versions:
  description: Driver versions of the C(loaded) module, the module C(on_disk) and the C(userspace) libraries, or null.
  returned: success
  type: dict
  sample: {"loaded": "535.309.01", "on_disk": "535.309.01", "userspace": "535.309.01"}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gpulab.core.plugins.module_utils import driver_proof
from ansible_collections.gpulab.core.plugins.module_utils.driver_proving import Proof


def main():
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "expected_version": {"type": "str", "default": ""},
            "framework_python": {"type": "str", "default": ""},
            "since": {"type": "float", "default": 0.0},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    options = module.params
    proof = Proof(options["expected_version"], options["framework_python"], options["since"], options["timeout"])
    steps = proof.steps()
    module.exit_json(changed=False, proven=driver_proof.proven(steps), steps=steps, versions=proof.versions)


if __name__ == "__main__":
    main()

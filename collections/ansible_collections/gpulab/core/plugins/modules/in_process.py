# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Documentation of the action in_process; it runs on the control machine, as ansible.builtin.template does."""

DOCUMENTATION = r"""
---
module: in_process
short_description: Run a module of any collection inside Ansible's own process
description:
  - On the control machine a module costs a second before it does anything, since it is packed, unpacked, and a new
    Python imports what Ansible has imported already. This runs it where that has been done.
  - It is the same module with the same arguments, check mode and answer. On another connection than a local one, or as
    another user, it runs as modules do.
version_added: "0.5.0"
options:
  module: {type: str, required: true, description: Full name of the module.}
  arguments: {type: dict, required: true, description: Its arguments; defaults of modules and groups do not count.}
author: [the gpulab authors (@gpulab)]
attributes:
  check_mode:
    description: The module's own.
    support: partial
    details: As the module has it.
  diff_mode:
    description: The module's own.
    support: partial
    details: As the module has it.
"""

EXAMPLES = r"""
- name: Make the security group
  gpulab.core.in_process:
    module: amazon.aws.ec2_security_group
    arguments: {name: mine, description: SSH from one address, region: us-east-1}
"""

RETURN = r"""
"*": {description: What the module returns., returned: always, type: raw}
"""

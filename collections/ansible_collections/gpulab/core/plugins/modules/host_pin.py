#!/usr/bin/python
# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Pin the own key of an SSH host that a certificate has vouched for until now."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_pin
short_description: Pin the key of a host that was known by a certificate
description:
  - Writes the key that was read from a host to a known_hosts file in place of the authority that certified the host.
  - A host that is pinned already keeps its keys, whatever was read; one of which the file says nothing is not pinned.
  - The host has to be asked for its key through a connection that the authority has verified.
options:
  known_hosts: {type: path, required: true, description: The file.}
  host: {type: str, required: true, description: The name that the file has for the host.}
  key: {type: str, required: true, description: 'Its public key, type and body.'}
author: [the gpulab authors (@gpulab)]
"""

EXAMPLES = r"""
- name: Pin the host's own key
  gpulab.core.host_pin:
    known_hosts: .gpulab/gpulab/known_hosts
    host: i-0123456789abcdef0
    key: ssh-ed25519 {{ ansible_facts.ssh_host_key_ed25519_public }}
  delegate_to: localhost
  throttle: 1
"""

RETURN = r"""
pinned: {description: Whether the key was pinned now., returned: success, type: bool}
"""

from datetime import datetime, timezone

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gpulab.core.plugins.module_utils import host_pins, report_files

ARGUMENTS = {
    "known_hosts": {"type": "path", "required": True},
    "host": {"type": "str", "required": True},
    # A public key is no secret.
    "key": {"type": "str", "required": True, "no_log": False},
}


def main():
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    path, host, key = (module.params[name] for name in ("known_hosts", "host", "key"))
    before = report_files.read(path)
    pins = host in host_pins.certified(before, datetime.now(timezone.utc))
    after = host_pins.added(before, {host: [" ".join(key.split()[:2])]}) if pins else before
    module.exit_json(pinned=pins, **report_files.write({path: after}, module.check_mode))


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Module gpulab.core.jupyter_token."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: jupyter_token
short_description: Keep a random token for the notebook on the host
description:
  - Makes a token of 24 random bytes on the host, once, in a file that only its owner can read.
  - Returns its salted hash for the server's configuration, never the token.
options:
  path: {type: path, required: true, description: The file; its folder is made when it is missing.}
  rotate: {type: bool, default: false, description: Make a new token although there is one.}
author: [the gpulab authors (@gpulab)]
attributes:
  check_mode: {support: full, description: Says that a token would be made, and makes none.}
"""

EXAMPLES = r"""
- name: Keep a token
  gpulab.core.jupyter_token:
    path: ~/.local/share/gpulab/notebook-token
  register: token
"""

RETURN = r"""
password_hash:
  description: The token's salted hash, for Jupyter's password setting; "" in check mode where there is no token.
  returned: success
  type: str
  sample: "sha256:0123456789ab:6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"
"""

import binascii
import os
import stat
import tempfile

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gpulab.core.plugins.module_utils import environment_host, jupyter_secret


def is_private(path):
    """Whether a file or folder admits nobody but its owner, who is us."""
    found = os.stat(path)
    return found.st_uid == os.geteuid() and not stat.S_IMODE(found.st_mode) & 0o077


def write(path, token):
    """Replace the file in one step; it is private from its first byte."""
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        os.makedirs(folder)
    os.chmod(folder, 0o700)
    handle, part = tempfile.mkstemp(dir=folder, prefix=".notebook-token-")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(token + "\n")
        os.rename(part, path)
    except BaseException:
        os.unlink(part)
        raise


def main():
    """Compare, make what is missing."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "rotate": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    path = module.params["path"]
    token = "" if module.params["rotate"] else jupyter_secret.token_of(environment_host.read(path))
    # A token that others could read is one that others may know.
    if token and not is_private(path):
        token = ""
    changed = not token
    if changed and not module.check_mode:
        token = binascii.hexlify(os.urandom(jupyter_secret.BYTES)).decode()
        write(path, token)
    module.exit_json(changed=changed, password_hash=jupyter_secret.password_hash(token) if token else "")


if __name__ == "__main__":
    main()

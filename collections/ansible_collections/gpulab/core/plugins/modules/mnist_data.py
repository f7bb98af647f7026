#!/usr/bin/python
# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Module gpulab.core.mnist_data."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
---
module: mnist_data
short_description: Put the four MNIST files into a folder
description:
  - Makes sure that a folder holds the four uncompressed IDX files of MNIST.
  - Every file is verified by the sha256 of its uncompressed content, wherever it came from.
  - A file that is already right is left alone; a wrong one is replaced atomically.
version_added: "0.1.0"
options:
  dest:
    description: The folder on the host, made if missing.
    type: path
    required: true
  sources:
    description:
      - Where to look, in order. Each is a base URL, or a folder on the host, that holds C(NAME.gz) or plain C(NAME).
    type: list
    elements: str
    required: true
  timeout:
    description: Seconds to wait for a server to answer.
    type: int
    default: 60
author:
  - gpulab contributors
attributes:
  check_mode:
    description: Says what would be fetched, and fetches nothing.
    support: full
  diff_mode:
    description: The files are binary, so no difference is shown.
    support: none
"""

EXAMPLES = r"""
- name: Fetch MNIST, from a folder first
  gpulab.core.mnist_data:
    dest: /opt/gpulab/benchmark/mnist
    sources:
      - /media/mnist
      - https://ossci-datasets.s3.amazonaws.com/mnist/
"""

RETURN = r"""
files:
  description: For each file where it came from, V(present) when it was already right.
  returned: success
  type: dict
  sample: {"t10k-labels-idx1-ubyte": "present"}
sha256:
  description: The sha256 of each uncompressed file.
  returned: success
  type: dict
  sample: {"t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"}
"""

import os
import tempfile

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import fetch_url
from ansible_collections.gpulab.core.plugins.module_utils import idx_files


def read_path(path, limit):
    """(body, None) or (None, reason) from a file on the host."""
    try:
        with open(path, "rb") as file:
            return file.read(limit), None
    except (IOError, OSError) as error:
        return None, error.strerror or str(error)


def read_url(module, url, limit):
    """(body, None) or (None, reason) from a server."""
    response, info = fetch_url(module, url, timeout=module.params["timeout"])
    if info["status"] != 200:
        return None, info["msg"]
    try:
        return response.read(limit), None
    except Exception as error:  # a connection may break in as many ways as there are layers below
        return None, "the transfer broke off: %s" % error


def obtain(module, name):
    """(location, bytes) from the first source that has the right file; ends the module when none has."""
    failures = []
    for source in module.params["sources"]:
        for kind, location in idx_files.locations(source, name):
            limit = idx_files.SIZES[name] + 1
            body, reason = read_path(location, limit) if kind == "path" else read_url(module, location, limit)
            if body is not None:
                try:
                    return location, idx_files.checked(name, body)
                except idx_files.IdxError as error:
                    reason = str(error)
            failures.append((location, reason))
    return module.fail_json(msg=idx_files.all_failed(name, failures))


def write(module, path, raw):
    """Replace `path` in one step, so that a killed run leaves the old file or the new one."""
    handle, part = tempfile.mkstemp(dir=module.tmpdir)
    with os.fdopen(handle, "wb") as file:
        file.write(raw)
    os.chmod(part, 0o644)
    module.atomic_move(part, path)


def is_present(path, name):
    """Whether the file there is already right."""
    body, _reason = read_path(path, idx_files.SIZES[name] + 1)
    return body is not None and idx_files.is_right(name, body)


def main():
    """Compare, fetch what is missing, report."""
    module = AnsibleModule(
        argument_spec={
            "dest": {"type": "path", "required": True},
            "sources": {"type": "list", "elements": "str", "required": True},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    dest, files = module.params["dest"], {}
    missing = [name for name in idx_files.NAMES if not is_present(os.path.join(dest, name), name)]
    for name in idx_files.NAMES:
        files[name] = "missing" if name in missing else "present"
    if not module.check_mode:
        if not os.path.isdir(dest):
            os.makedirs(dest)
        for name in missing:
            files[name], raw = obtain(module, name)
            write(module, os.path.join(dest, name), raw)
    module.exit_json(changed=bool(missing), files=files, sha256=dict(idx_files.SHA256))


if __name__ == "__main__":
    main()

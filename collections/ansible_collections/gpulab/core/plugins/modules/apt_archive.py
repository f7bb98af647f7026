#!/usr/bin/python
# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Module gpulab.core.apt_archive."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
---
module: apt_archive
short_description: Keep the package files of what is installed
description:
  - Puts the files of installed packages, at the installed versions, into a folder.
  - They come from apt's own cache, or from where apt gets packages.
  - A version that is nowhere any more is told, and is no failure.
version_added: "0.2.0"
options:
  packages:
    description: Names of packages; those that are not installed are left out.
    type: list
    elements: str
    required: true
  folder:
    description: The folder on the host, which must exist.
    type: path
    required: true
  cache:
    description: Folder where apt keeps the files that it has fetched.
    type: path
    default: /var/cache/apt/archives
author:
  - gpulab contributors
attributes:
  check_mode:
    description: Fetches nothing, and tells nothing.
    support: none
  diff_mode:
    description: The files are binary, so no difference is shown.
    support: none
"""

EXAMPLES = r"""
- name: Keep the driver that is installed
  gpulab.core.apt_archive:
    packages: [nvidia-driver, libcuda1]
    folder: /var/lib/gpulab/driver/20261122T101500Z/packages
"""

RETURN = r"""
packages:
  description: Name to version of what is installed.
  returned: success
  type: dict
missing:
  description: Names of packages whose files could not be had.
  returned: success
  type: list
  elements: str
files:
  description: Names of the files in the folder.
  returned: success
  type: list
  elements: str
"""

import glob
import os
import shutil

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gpulab.core.plugins.module_utils import apt_packages, driver_programs


def kept(folder, name, version):
    """Paths of a package's file in a folder; apt writes the colon of an epoch as %3a."""
    return glob.glob(os.path.join(folder, "%s_%s_*.deb" % (name, version.replace(":", "%3a"))))


def keep(name, version, folder, cache):
    """Whether the folder has the package's file, after trying the cache and the sources of apt."""
    if not kept(folder, name, version):
        for path in kept(cache, name, version):
            shutil.copy2(path, folder)
    if not kept(folder, name, version):
        # One by one: apt fetches none of a list in which one is gone.
        driver_programs.run(
            ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", "%s=%s" % (name, version)], cwd=folder
        )
    return bool(kept(folder, name, version))


def main():
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "packages": {"type": "list", "elements": "str", "required": True},
            "folder": {"type": "path", "required": True},
            "cache": {"type": "path", "default": "/var/cache/apt/archives"},
        }
    )
    folder, installed = module.params["folder"], apt_packages.installed()
    wanted = {name: installed[name] for name in module.params["packages"] if name in installed}
    before = set(os.listdir(folder))
    missing = [n for n, version in sorted(wanted.items()) if not keep(n, version, folder, module.params["cache"])]
    files = sorted(os.listdir(folder))
    module.exit_json(changed=set(files) != before, packages=wanted, missing=missing, files=files)


if __name__ == "__main__":
    main()

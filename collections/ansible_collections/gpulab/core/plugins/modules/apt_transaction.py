#!/usr/bin/python
# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Module gpulab.core.apt_transaction."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
---
module: apt_transaction
short_description: Install, reinstall and remove packages in one transaction that is simulated first
description:
  - Asks apt what it would do, refuses if that takes away anything but what may go, and only then does it.
  - M(ansible.builtin.apt) can neither reinstall a version nor refuse by what a simulation says, and needs python3-apt.
  - Holds of other packages are respected, and a hold of a package named here is lifted for the transaction.
version_added: "0.2.0"
options:
  install:
    description: Packages that shall be there, C(NAME), C(NAME=VERSION), C(NAME=PATTERN*), or paths of package files.
    type: list
    elements: str
    default: []
  remove:
    description: Names of packages that shall not be there.
    type: list
    elements: str
    default: []
  reinstall:
    description: Unpack those of O(install) again that are there already.
    type: bool
    default: false
  keep:
    description: Names or shell patterns of packages that must not go, whatever depends on what is removed.
    type: list
    elements: str
    default: []
  may_remove:
    description: Names or shell patterns of packages that may go beside O(remove).
    type: list
    elements: str
    default: []
  refresh:
    description: Fetch the package lists before, as far as their sources answer.
    type: bool
    default: false
  lock_timeout:
    description: Seconds to wait for another apt or dpkg; apt 1.9.11 or newer.
    type: int
    default: 600
author:
  - gpulab contributors
attributes:
  check_mode:
    description: Simulates, and says what would be done.
    support: full
  diff_mode:
    description: The lists that are returned say it.
    support: none
"""

EXAMPLES = r"""
- name: Put back the packages of one version
  gpulab.core.apt_transaction:
    install: [nvidia-driver=535.261.03-1, libcuda1=535.261.03-1]
    reinstall: true
    keep: [nvidia-container-toolkit*]
"""

RETURN = r"""
installed:
  description: Name to version of packages that were not there.
  returned: success
  type: dict
replaced:
  description: Name to old and new version of packages that were there.
  returned: success
  type: dict
untouched:
  description: V(true) when the transaction was refused, so that nothing was changed.
  returned: failure
  type: bool
removed:
  description: Names of packages that went.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gpulab.core.plugins.module_utils import apt_packages, apt_simulation

ROUNDS = 4
"""How often what is missing may miss something itself."""


def is_there(item, packages):
    """Whether an item of `install` is fulfilled; a package file never is, since only apt knows what it holds."""
    name, _equals, version = item.partition("=")
    return name in packages and apt_simulation.matches(packages[name], [version or "*"])


def simulate(module, options, items):
    """(Changes apt would make, items with what was missing before); ends the module if apt cannot do it.

    Fetches apt's lists when it does not know a package. apt does not install beside what is half installed, so the
    packages that others miss are added: a driver whose library was taken away is repaired by naming both.
    """
    for _again in range(ROUNDS):
        argv = ["apt-get", "--simulate", *options, *items]
        rc, out = apt_packages.run(argv)
        if rc != 0 and apt_simulation.missing(out) and not module.check_mode:
            apt_packages.refresh(module.params["lock_timeout"])
            rc, out = apt_packages.run(argv)
        unmet = [item for item in apt_simulation.unmet(out) if item not in items]
        if rc == 0 or not unmet:
            break
        items = items + unmet
    if rc != 0:
        refuse(module, "apt cannot do it: %s." % apt_simulation.error_of(out))
    return apt_simulation.parse(out), items


def refuse(module, sentence):
    """End the module before anything was changed."""
    module.fail_json(msg=sentence + " Nothing was changed.", untouched=True)


def commit(module, options, items, held):
    """Do it, with these holds lifted, and set again when it fails. Ends the module then."""
    if held:
        apt_packages.run(["apt-mark", "unhold", *sorted(held)])
    # Older versions end at an option that they do not know.
    modern = apt_packages.run(["dpkg", "--compare-versions", apt_packages.installed()["apt"], "ge", "1.1"])[0] == 0
    choices = ["--yes", "-q"] + (["--allow-downgrades"] if modern else [])
    rc, out = apt_packages.run(["apt-get", *choices, "-o", "Dpkg::Options::=--force-confold", *options, *items])
    if rc == 0:
        return
    again = sorted(held & set(apt_packages.installed()))
    if again:
        apt_packages.run(["apt-mark", "hold", *again])
    if apt_simulation.not_fetched(out):
        refuse(module, "apt could not fetch the packages: %s." % apt_simulation.error_of(out))
    module.fail_json(msg="apt failed: %s" % apt_simulation.error_of(out), log=out[-8000:], rc=rc)


def main():
    """Entry point."""
    strings = {"type": "list", "elements": "str", "default": []}
    module = AnsibleModule(
        argument_spec={
            "install": dict(strings),
            "remove": dict(strings),
            "reinstall": {"type": "bool", "default": False},
            "keep": dict(strings),
            "may_remove": dict(strings),
            "refresh": {"type": "bool", "default": False},
            "lock_timeout": {"type": "int", "default": 600},
        },
        supports_check_mode=True,
    )
    wanted, packages = module.params, apt_packages.installed()
    if not packages:
        refuse(
            module, "This host has no package known to dpkg, expected one with apt: use nvidia_driver_method=runfile."
        )
    if wanted["refresh"] and not module.check_mode:
        apt_packages.refresh(wanted["lock_timeout"])
    again = wanted["install"] if wanted["reinstall"] else [i for i in wanted["install"] if not is_there(i, packages)]
    gone = [name for name in wanted["remove"] if name in packages]
    names = [item.partition("=")[0] for item in again] + gone
    if not names:
        module.exit_json(changed=False, installed={}, replaced={}, removed=[])
    options = ["--no-install-recommends", "-o", "DPkg::Lock::Timeout=%d" % wanted["lock_timeout"], "install"]
    options += ["--reinstall"] if wanted["reinstall"] else []
    items = again + [name + "-" for name in gone]
    changes, items = simulate(module, options, items)
    held = apt_simulation.changed(changes) & apt_packages.held()
    objection = apt_simulation.objection(changes, gone + wanted["may_remove"], wanted["keep"])
    objection = objection or apt_simulation.hold_objection(held, names + wanted["may_remove"])
    if objection:
        refuse(module, objection)
    if not module.check_mode:
        commit(module, options, items, held)
    module.exit_json(changed=True, installed=changes.installed, replaced=changes.replaced, removed=changes.removed)


if __name__ == "__main__":
    main()

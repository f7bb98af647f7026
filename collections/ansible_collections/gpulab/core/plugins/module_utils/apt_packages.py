# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Ask dpkg and apt of this host, and let them work without questions. Python 3.6+, standard library only."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from ansible_collections.gpulab.core.plugins.module_utils import driver_programs

QUIET = {"DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_SUSPEND": "1", "UCF_FORCE_CONFFOLD": "1"}


def run(argv):
    """(exit code, output) of a package command that asks nothing."""
    return driver_programs.run(argv, more=QUIET)


def installed():
    """{name: version} of the packages whose files are there, also half-configured ones; {} on a host without dpkg."""
    _rc, out = run(["dpkg-query", "-W", "-f", "${db:Status-Abbrev}\t${Package}\t${Version}\n"])
    rows = [line.split("\t") for line in out.splitlines() if line.count("\t") == 2]
    return {name: version for status, name, version in rows if status[1:2] in ("i", "U", "F", "W", "t")}


def held():
    """Names of the packages on hold, without the architecture that apt adds to foreign ones."""
    return {name.split(":")[0] for name in run(["apt-mark", "showhold"])[1].split()}


def refresh(lock_timeout):
    """Fetch the package lists; sources that do not answer keep their old ones, a transaction tells what it misses."""
    run(["apt-get", "-q", "-o", "DPkg::Lock::Timeout=%d" % lock_timeout, "update"])

# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Unloads and loads the driver's kernel modules on this host, with its services stopped meanwhile. Python 3.6+.

Nothing is unloaded while a process holds the GPU; services that ran are started again in every case, and modules that
went before one that would not go are loaded again.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import glob
import os
import re
import stat

from ansible_collections.gpulab.core.plugins.module_utils import driver_files, driver_modules
from ansible_collections.gpulab.core.plugins.module_utils.driver_commands import find, read_file, run

PATIENCE = 300
"""Seconds for one modprobe, rmmod or systemctl: eight GPUs take a minute to start."""


class LoadError(Exception):
    """A module could not be loaded; the text is a sentence."""


def _reason(output):
    """What a command says is wrong: its first error; install lines of modprobe.d add others that follow from it."""
    lines = [line.strip() for line in output.text.splitlines() if line.strip()] if output else []
    errors = [line for line in lines if "ERROR" in line or "FATAL" in line]
    return (errors or lines[-1:] or ["no reason was given" if output else "the command is not there"])[0]


class Host:
    """This host's modules and services. Collects what was done in `unloaded`, `loaded`, `nodes`, `failed_services`.

    root: the folder that stands for "/" where files are read and device nodes made.
    """

    def __init__(self, services, root=""):
        self.services, self.root = services, root
        self.kernel = self._said("uname", "-r")
        self.stem = (driver_files.module_names(root, self.kernel) or ["nvidia"])[0]
        self.unloaded, self.loaded, self.nodes, self.failed_services = [], [], [], []

    @staticmethod
    def _said(*argv):
        output = run(list(argv), PATIENCE)
        return output.text.strip() if output and output.rc == 0 else ""

    def modules(self):
        """[{name, refcount, users}] of what is loaded; the counts are those of /sys where it has them."""
        found = driver_modules.parse(self._said("lsmod") or read_file(self.root + "/proc/modules"))
        for module in found:
            count = (read_file("%s/sys/module/%s/refcnt" % (self.root, module["name"])) or "").strip()
            module["refcount"] = int(count) if re.match(r"-?\d+$", count) else module["refcount"]
        return found

    def names(self):
        """Names of the driver's loaded modules, in the order in which they can be unloaded."""
        return [module["name"] for module in driver_modules.ours(self.modules())]

    def holders(self):
        """Processes that hold a GPU: [{pid, command}]."""
        return driver_files.holders(self.root, driver_files.device_files(self.root))

    def strangers(self):
        """The holders that do not belong to a service of ours."""
        return [holder for holder in self.holders() if not self._is_ours(holder["pid"])]

    def _is_ours(self, pid):
        groups = read_file("%s/proc/%d/cgroup" % (self.root, pid)) or ""
        return any("/%s.service" % name in groups for name in self.services)

    def version_on_disk(self):
        """Version of the module that modprobe would load now, "" when there is none."""
        return self._said("modinfo", "-k", self.kernel, "-F", "version", self.stem)

    # Services

    def active(self):
        """Those of our services that run."""
        return [name for name in self.services if self._said("systemctl", "is-active", name + ".service") == "active"]

    def stop(self, names):
        """Stop services; one that does not stop shows as a holder."""
        for name in names:
            run(["systemctl", "stop", name + ".service"], PATIENCE)

    def start(self, names):
        """Start services; those that fail are noted."""
        for name in names:
            output = run(["systemctl", "start", name + ".service"], PATIENCE)
            if not output or output.rc:
                self.failed_services.append(name)

    # Modules

    def unload(self):
        """Unload the driver; return None, or the sentence that says why it is as it was."""
        before = self.names()
        plan = driver_modules.unload(self.modules(), self.holders())
        for name in plan.order:
            output = run(["rmmod", name], PATIENCE)
            if not output or output.rc:
                for gone in reversed(self.unloaded):
                    self.modprobe(gone)
                self.unloaded, self.loaded = [], []
                return (
                    "Module %s could not be unloaded (%s): end what uses it, or allow a restart of the host with "
                    "-e nvidia_driver_allow_reboot=true." % (name, _reason(output))
                )
            self.unloaded.append(name)
        return plan.blocked if before else None

    def load(self, modules):
        """Load modules by NVIDIA's names, then make the device nodes. Raises LoadError."""
        for module in modules:
            self.modprobe(module)
        self.make_nodes()

    def modprobe(self, module):
        """Load one module unless it is there; a distribution's own name of it is tried too. Raises LoadError."""
        wanted = driver_modules.canonical(module)
        if wanted in self._canonical_names():
            return
        outputs = [run(["modprobe", wanted.replace("_", "-")], PATIENCE)]
        name = driver_modules.file_name(self.stem, wanted)
        if outputs[0] and outputs[0].rc and "not found" in outputs[0].text and name != wanted.replace("_", "-"):
            outputs.append(run(["modprobe", name], PATIENCE))
        if not outputs[-1] or outputs[-1].rc:
            raise LoadError("Module %s could not be loaded: %s" % (wanted, _reason(outputs[-1])))
        if wanted not in self._canonical_names():
            raise LoadError(
                "modprobe %s ended well, but the module is not loaded: look for a line on it in /etc/modprobe.d."
                % wanted
            )
        self.loaded.append(wanted)

    def _canonical_names(self):
        return [driver_modules.canonical(name) for name in self.names()]

    # Device nodes

    def make_nodes(self):
        """Make the /dev/nvidia* that are missing, by nvidia-modprobe if it is there."""
        before = set(glob.glob(self.root + "/dev/nvidia*"))
        gpus = sorted(glob.glob(self.root + "/proc/driver/nvidia/gpus/*/information"))
        minors = [self._minor(path, number) for number, path in enumerate(gpus)]
        if find("nvidia-modprobe"):
            run(["nvidia-modprobe", "-u"] + ["-c%d" % minor for minor in minors or [0]], PATIENCE)
        for path, major, minor in driver_modules.device_nodes(read_file(self.root + "/proc/devices") or "", minors):
            if not os.path.exists(self.root + path):
                os.mknod(self.root + path, 0o666 | stat.S_IFCHR, os.makedev(major, minor))
                os.chmod(self.root + path, 0o666)
        self.nodes = sorted(path[len(self.root) :] for path in set(glob.glob(self.root + "/dev/nvidia*")) - before)

    @staticmethod
    def _minor(path, number):
        found = re.search(r"Device Minor:\s*(\d+)", read_file(path) or "")
        return int(found.group(1)) if found else number

# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Takes the steps of driver_proof on this host. Read-only; what may crash or hang runs in a process of its own.

Python 3.6+, standard library only.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import glob
import os
import sys

from ansible_collections.gpulab.core.plugins.module_utils import (
    driver_cuda,
    driver_evidence,
    driver_modules,
    driver_proof,
    driver_sources,
    driver_state,
)
from ansible_collections.gpulab.core.plugins.module_utils.driver_commands import find, listing, run

SAMPLES = ("deviceQuery", "vectorAdd")
_DEMOS = "/usr/local/cuda*/extras/demo_suite/"  # where toolkits up to 12 put built samples
_CUDA = "import importlib, sys; sys.path[:0] = %r; importlib.import_module(%r).main()"


class Proof:
    """The steps on this host. Arguments are the module's options; root stands for "/" where files are read."""

    def __init__(self, expected, python, since, timeout, root=""):
        self.expected, self.python, self.since, self.timeout, self.root = expected, python, since, timeout, root
        self.evidence = driver_sources.collect(root=root or "/")
        self.facts = driver_evidence.read(self.evidence)
        self.versions = driver_state.versions(self.facts)
        self.state = driver_state.state(self.facts)
        self.gpus = len(self.state["gpus"])
        self.listed = ""

    def steps(self):
        """All steps, in order."""
        return driver_proof.take(
            [
                ("versions", self._versions),
                ("nvidia_smi", self._nvidia_smi),
                ("devices", self._devices),
                ("cuda", self._cuda),
                ("samples", self._samples),
                ("framework", self._framework),
                ("kernel_log", self._kernel_log),
                ("next_boot", self._next_boot),
            ]
        )

    def _run(self, *argv):
        """(exit status or None, output); 127 when it is absent."""
        output = run(list(argv), self.timeout)
        return (127, "") if output is None else (output.rc, output.text)

    def _versions(self):
        query = self._run("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
        libraries = driver_state.libraries(self.evidence.get("ldconfig.txt"))
        found = {
            "/proc/driver/nvidia/version": self.versions["loaded"],
            "modinfo": self.versions["on_disk"],
            "libcuda.so.1": libraries.get("cuda"),
            "libnvidia-ml.so.1": libraries.get("nvidia-ml"),
            "nvidia-smi": query[1].strip().split("\n")[0] if query[0] == 0 else None,
        }
        if "sys-module-nvidia-version.txt" in self.evidence:
            found["/sys/module/nvidia/version"] = self.evidence["sys-module-nvidia-version.txt"].strip()
        return driver_proof.versions(found, self.expected)

    def _nvidia_smi(self):
        rc = self._run("nvidia-smi")[0]
        listed_rc, self.listed = self._run("nvidia-smi", "-L") if rc == 0 else (rc, "")
        return driver_proof.nvidia_smi(listed_rc, self.listed, self.gpus)

    def _devices(self):
        loaded = run(["lsmod"], self.timeout)
        modules = driver_modules.parse(loaded.text if loaded else self.evidence.get("lsmod.txt"))
        names = [driver_modules.canonical(module["name"]) for module in modules]
        return driver_proof.devices(names, listing(self.root + "/dev"), self.gpus)

    def _cuda(self):
        # The module travels as a zip file that only this process has on its path.
        rc, text = self._run(sys.executable, "-c", _CUDA % (sys.path, driver_cuda.__name__))
        return driver_proof.cuda(text, rc, self.gpus, "MIG " in self.listed)

    def _samples(self):
        results = {}
        for name in SAMPLES:
            path = find(name) or (sorted(glob.glob(self.root + _DEMOS + name)) or [None])[-1]
            if path:
                results[name] = self._run(path)
        return driver_proof.samples(results)

    def _framework(self):
        if not self.python:
            return driver_proof.skip("framework", "no framework_python was given")
        return driver_proof.framework(self.python, *self._run(self.python, "-c", driver_proof.FRAMEWORK))

    def _kernel_log(self):
        # Collected anew: the steps before this one may have made the driver complain.
        log = driver_sources.THEN["dmesg.txt"](driver_sources.Host(self.root, self.timeout))
        return driver_proof.kernel_log(log, self.since)

    def _next_boot(self):
        links = [self.root + path for path in ("/vmlinuz", "/boot/vmlinuz") if os.path.islink(self.root + path)]
        grubby = self._run("grubby", "--default-kernel")
        linked = grubby[1].strip() if grubby[0] == 0 else os.readlink(links[0]) if links else ""
        kernel = self.state["kernel"] or ""
        booting = driver_proof.next_kernel(self.state["kernels"], listing(self.root + "/boot"), linked, kernel)
        version = self.versions["userspace"]
        return driver_proof.next_boot(self.state["kernels"], self.state["dkms"], kernel, booting, version)

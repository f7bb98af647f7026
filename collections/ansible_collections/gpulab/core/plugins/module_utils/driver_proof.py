# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""What proves that a host's driver works: steps from cheap to expensive, each judged from what was seen. Pure.

A step is {name, ok, detail, skipped}: ok is True, False, or None when it was skipped, and then `skipped` says why. The
texts and codes are those of NVML (nvidia-smi), the CUDA driver interface and the kernel log. Python 3.6+.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import json
import re

from ansible_collections.gpulab.core.plugins.module_utils.driver_evidence import version_parts

NEEDED = ("versions", "nvidia_smi", "devices", "cuda")
"""Steps without which nothing is proven; each rests on the one before it."""

RESTS_ON_CUDA = ("samples", "framework")

CUDA_CODES = {
    2: "the GPU's memory is full: end what uses it",
    46: "another process has the GPU for itself (compute mode): end it",
    100: "no CUDA device: the module is loaded but drives no GPU",
    304: "the operating system refuses access to the GPU: look at the device files and the cgroup",
    802: "the system is not ready: nvidia-fabricmanager does not run, or is of another version",
    803: "libcuda and the loaded module are of different versions",
    804: "a compat libcuda is used on a GPU that does not support it: take it off the library path",
    999: "unknown error: as a rule nvidia_uvm is not loaded or /dev/nvidia-uvm is missing",
}
"""CUresult to cause (cuda.h's CUDA_ERROR_*)."""

_BAD_LOG = re.compile(r"API mismatch|RmInitAdapter failed|Xid \([^)]*\): (\d+)")
# Faults of a user's program (NVIDIA's Xid catalogue: illegal address, MMU fault, stopped processing, cleanup).
_OF_PROGRAMS = ("13", "31", "43", "45")
_STAMP = re.compile(r"^(?:<\d+>)?\[\s*(\d+\.\d+)\]")


def step(name, ok, detail):
    """A step that was taken."""
    return {"name": name, "ok": ok, "detail": detail, "skipped": None}


def skip(name, reason):
    """A step that was not taken."""
    return {"name": name, "ok": None, "detail": "", "skipped": reason}


def take(checks):
    """Take the steps in order; those that rest on one that failed are skipped. checks: (name, function to a step)."""
    steps, failed = [], None
    for name, check in checks:
        if failed and (name in NEEDED or name in RESTS_ON_CUDA):
            steps.append(skip(name, "it rests on %s, which failed" % failed))
            continue
        steps.append(check())
        if name in NEEDED and not steps[-1]["ok"]:
            failed = failed or name
    return steps


def proven(steps):
    """Whether every needed step was taken and none failed."""
    good = [found["name"] for found in steps if found["ok"]]
    return all(name in good for name in NEEDED) and all(found["ok"] is not False for found in steps)


def versions(found, expected):
    """Step: whole versions are the same everywhere.

    found: {where: version or None}; expected: a version, a branch or "".
    """
    missing = sorted(where for where, version in found.items() if not version)
    if missing:
        return step("versions", False, "No version of %s was found." % " and of ".join(missing))
    different = sorted(set(found.values()))
    if len(different) > 1:
        told = "; ".join("%s %s" % (where, found[where]) for where in sorted(found))
        return step("versions", False, "The versions differ: %s." % told)
    version = different[0]
    if expected and expected not in (version, version.split(".")[0]):
        return step("versions", False, "The driver is %s everywhere, and %s was asked for." % (version, expected))
    return step("versions", True, "%s everywhere: %s." % (version, ", ".join(sorted(found))))


def nvidia_smi(rc, listed, gpus):
    """Step: nvidia-smi ends with 0 and lists the GPUs that the PCI bus has. rc None: it hung. listed: text of -L."""
    if rc != 0:
        return step("nvidia_smi", False, "nvidia-smi %s." % ("did not end" if rc is None else "ended with %d" % rc))
    count = len(re.findall(r"^GPU \d+:", listed, re.MULTILINE))
    detail = "nvidia-smi lists %d of %d GPUs." % (count, gpus)
    return step("nvidia_smi", count == gpus and gpus > 0, detail)


def devices(modules, nodes, gpus):
    """Step: the modules are loaded and the device files exist. modules: NVIDIA's names; nodes: names below /dev."""
    wanted = ["nvidiactl", "nvidia-uvm"] + ["nvidia%d" % number for number in range(gpus)]
    missing = ["module " + name for name in ("nvidia", "nvidia_uvm") if name not in modules]
    missing += ["/dev/" + name for name in wanted if name not in nodes]
    if missing:
        return step("devices", False, "Missing: %s." % ", ".join(missing))
    return step("devices", True, "nvidia and nvidia_uvm are loaded; /dev/%s exist." % ", /dev/".join(wanted))


def cuda(output, rc, gpus, mig):
    """Step: every GPU starts, and a pattern comes back from its memory.

    output: what driver_cuda printed; rc None: it hung; mig: GPUs are cut into parts, of which CUDA shows one.
    """
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    last = lines[-1] if lines else {}
    if "answer" not in last:
        return step("cuda", False, _cuda_failure(last, rc))
    answer = last["answer"]
    names, bad = [], []
    for number, device in enumerate(answer["devices"]):
        names.append(device["name"])
        if not device["copied"]:
            bad.append("GPU %d (%s)" % (number, device["name"]))
    if bad:
        return step("cuda", False, "A pattern came back changed from the memory of %s." % ", ".join(bad))
    if not names or (len(names) != gpus and not mig):
        return step("cuda", False, "CUDA shows %d of %d GPUs." % (len(names), gpus))
    version = "%d.%d" % (answer["version"] // 1000, answer["version"] % 1000 // 10)
    return step("cuda", True, "CUDA %s: memory of %s copied there and back." % (version, ", ".join(names)))


def _cuda_failure(last, rc):
    if "code" in last:
        cause = CUDA_CODES.get(last["code"])
        return "%s returned %d%s." % (last["failed"], last["code"], ": " + cause if cause else "")
    if "failed" in last:
        return "%s cannot be used: %s" % (last["failed"], last["reason"])
    call = last.get("call", "its start")
    if rc is None:
        return "CUDA did not come back from %s." % call
    return "CUDA was ended by signal %d in %s." % (-rc, call) if rc < 0 else "CUDA ended with %d in %s." % (rc, call)


def samples(results):
    """Step: NVIDIA's own samples pass. results: {name: (rc, text)} of those that are installed."""
    if not results:
        return skip("samples", "no deviceQuery or vectorAdd is installed")
    bad = sorted(name for name, (rc, text) in results.items() if rc != 0 or not re.search("PASS", text))
    if bad:
        return step("samples", False, "%s failed." % " and ".join(bad))
    return step("samples", True, "%s passed." % " and ".join(sorted(results)))


def framework(python, rc, text):
    """Step: PyTorch multiplies two matrices on the GPU. rc and text of FRAMEWORK run by `python`; rc None: it hung."""
    said = [line for line in text.splitlines() if line.strip()] or ["nothing"]
    if rc == 0 and said[-1].startswith("skip: "):
        return skip("framework", said[-1][len("skip: ") :])
    if rc == 0 and said[-1].startswith("torch "):
        return step("framework", True, said[-1])
    return step("framework", False, "%s %s: %s" % (python, "did not end" if rc is None else "failed", said[-1][:300]))


FRAMEWORK = """
try:
    import torch
except ImportError:
    raise SystemExit(print("skip: this Python has no torch"))
if torch.version.cuda is None:
    raise SystemExit(print("skip: this torch is built without CUDA"))
assert torch.cuda.is_available(), "torch.cuda.is_available() is False"
x = torch.ones(1024, 1024, device="cuda")
total = (x @ x).sum().item()
assert total == 1024**3, "a product of ones sums to %r" % total
print("torch %s multiplied on %s" % (torch.__version__, torch.cuda.get_device_name(0)))
"""
"""Program that lets PyTorch compute: the sum of a product of ones is a power of two, exact in any float format."""


def kernel_log(text, since):
    """Step: the driver complained of nothing after `since`, seconds after boot. text: dmesg.txt, None when unreadable.

    Lines without such a time are old for nobody, so they count. Faults of users' programs do not.
    """
    if text is None:
        return skip("kernel_log", "the kernel log cannot be read")
    for line in text.splitlines():
        found, stamp = _BAD_LOG.search(line), _STAMP.match(line)
        if found and found.group(1) not in _OF_PROGRAMS and not (stamp and float(stamp.group(1)) <= since):
            return step("kernel_log", False, "The kernel log has: %s" % line.strip()[:300])
    return step("kernel_log", True, "No mismatch, Xid or failed start in the kernel log since %g s after boot." % since)


def next_boot(kernels, dkms, running, booting, version):
    """Step: the module lies ready for the running kernel and the one of the next start.

    kernels: [{name, build, nvidia}]; dkms: [{module, version, kernel, state}]; booting: name of the next kernel.
    """
    if not version:
        return step("next_boot", False, "No version of the libraries was found that a module could be for.")
    on_disk = {kernel["name"]: kernel["nvidia"] for kernel in kernels}
    by_dkms = {entry["kernel"]: entry["version"] for entry in dkms if entry["state"] == "installed"}
    for kernel in sorted({running, booting}):
        there = on_disk.get(kernel) or by_dkms.get(kernel)
        if there != version:
            words = "of version %s" % there if there else "missing"
            return step("next_boot", False, "The module for kernel %s is %s, not %s." % (kernel, words, version))
    return step(
        "next_boot", True, "Version %s lies ready for %s." % (version, " and ".join(sorted({running, booting})))
    )


def next_kernel(kernels, images, linked, running):
    """Name of the kernel that the next start takes: the boot loader's, else the newest.

    kernels: [{name}] of /lib/modules, which may be left over; images: names in /boot; linked: path of the boot loader's
    image, or "".
    """
    names = [kernel["name"] for kernel in kernels]
    names = [name for name in names if "vmlinuz-" + name in images] or names
    named = linked.split("/")[-1].partition("-")[2]
    if named in names:
        return named
    return max(names, key=version_parts) if names else running

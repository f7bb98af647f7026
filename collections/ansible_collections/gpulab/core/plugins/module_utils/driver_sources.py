# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""The evidence of a host's NVIDIA driver: which commands and files tell of it, and `collect`, which reads them all.

Read-only: nothing is loaded or written, with two harmless exceptions that belong to the commands: nvidia-smi, run by
root, creates missing /dev/nvidia* nodes (through nvidia-modprobe), and apt-cache may renew its cache. nvidia-smi would
also load a module that is on disk but not loaded, so it is not asked then. bin/collect-evidence writes the same texts
without Python; a test compares the two. What identifies a machine (UUIDs, serial numbers) is masked. Python 3.6+.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import os
import re
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.gpulab.core.plugins.module_utils import driver_files, driver_modules, driver_packages
from ansible_collections.gpulab.core.plugins.module_utils.driver_commands import (
    LIMIT,
    listing,
    matching,
    read_file,
    run,
)

SLOW = ("nvidia-smi", "dkms", "dpkg", "rpm", "apt-cache", "modinfo")
"""Commands that get four times the timeout, because a healthy host may be slow with them: without persistence mode
nvidia-smi first starts each GPU, two seconds each; the others read much, and a new disk in a cloud is slow to read.
"""

KERNEL_LOG = (
    "NVRM|Xid|nvidia|NVIDIA|nouveau|vfio-pci|gsp_|[Ss]ecure ?[Bb]oot|Lockdown:|Loading of .*module|PKCS#7"
    "|version magic|Unknown symbol|disagrees about version|module verification"
)
SERVICES = (*driver_modules.SERVICES, "display-manager", "docker", "containerd")
_UUID = re.compile("[0-9A-Fa-f]{8}-([0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}")
_SERIAL = re.compile("([Ss]erial [Nn]umber[ :]*)[^ \\n]+")


class Host:
    """The host that is looked at: `root` stands for "/", commands get `timeout` seconds, `late` says which hung."""

    def __init__(self, root, timeout):
        self.root, self.timeout, self.late = root.rstrip("/"), timeout, []
        self.kernel = (self.say(["uname", "-r"]) or "").strip()

    def read(self, path):
        return read_file(self.root + path)

    def patience(self, command):
        """Seconds that a command gets."""
        return self.timeout * (4 if command in SLOW else 1)

    def output(self, argv, **options):
        """A command's Output; None when it is absent or late."""
        patience = self.patience(argv[0])
        output = run(argv, patience, **options)
        if output and output.timed_out:
            self.late.append("%s timed out after %g s\n" % (" ".join(argv), patience))
            return None
        return output

    def say(self, argv, also_failed=False):
        """What a command prints; None when it is absent, late, or (unless `also_failed`) fails."""
        output = self.output(argv)
        return output.text if output and (also_failed or output.rc == 0) else None


# Sources that need more than a command or a file


def _module(host):
    """modinfo's words on the module that the running kernel would load; what it says when there is none."""
    missing = None
    for name in driver_files.module_names(host.root, host.kernel) or ["nvidia", "nvidia-current"]:
        output = host.output(["modinfo", "-k", host.kernel, name]) if host.kernel else None
        if output and output.rc == 0:
            return output.text
        if output and missing is None and re.search("not found|could not find", output.text):
            missing = output.text  # other failures, as of a modinfo that knows no -k, say nothing
    return missing


def _pci(host):
    """lspci's paragraphs on NVIDIA's devices and on display controllers; all of them when there is no such device."""
    text = host.say(["lspci", "-Dnnk"])
    if not text:
        return driver_files.pci_devices(host.root)
    paragraphs = re.split(r"\n(?=\S)", text.rstrip("\n"))
    ours = [p for p in paragraphs if re.search(r"\[03[0-9a-f]{2}\]|\[10de:", p.split("\n")[0])]
    return "\n".join(ours or paragraphs) + "\n"


def _libraries(host):
    """ldconfig's first line, then its lines of libcuda and libnvidia-ml, each with the file that it leads to."""
    text = host.say(["ldconfig", "-p"])
    if text is None:
        return None
    lines = text.splitlines()[:1]
    for line in (matching(r"^\s*lib(cuda|nvidia-ml)\.so.* => ", text) or "").splitlines():
        path = line.split(" => ")[1]
        real = os.path.realpath(host.root + path)
        lines.append("%s -> %s" % (line.strip(), real[len(os.path.realpath(host.root or "/").rstrip("/")) :]))
    return "".join(line + "\n" for line in lines)


def _kernel_log(host):
    """The driver's lines in the kernel log of this boot, the last 400."""
    text = host.say(["dmesg"]) or host.say(
        ["journalctl", "-k", "-b", "--no-pager", "-o", "short-monotonic", "--no-hostname"]
    )
    return "".join(matching(KERNEL_LOG, text).splitlines(True)[-400:]) if text else None


def _would_load(host):
    """What modprobe would complain of, None when it would not."""
    names = driver_files.module_names(host.root, host.kernel) or ["nvidia"]
    output = host.output(["modprobe", "-n", "-v", names[0]], stderr_only=True)
    return output.text if output and output.text and "invalid option" not in output.text else None


def _fabric_manager(host):
    output = host.output(["systemctl", "status", "nvidia-fabricmanager", "--no-pager", "-l"])
    if not output or "Loaded:" not in output.text or "Loaded: not-found" in output.text:
        return None  # no systemd, or no such unit
    return "".join(output.text.splitlines(True)[-40:])


def _services(host):
    """`UNIT STATE` for each unit of SERVICES that exists."""
    units = [name + ".service" for name in SERVICES]
    text = host.say(["systemctl", "show", "-p", "LoadState", "-p", "ActiveState", *units])
    if not text:
        return None
    lines = []
    for number, block in enumerate(text.split("\n\n")):
        state = re.search("^ActiveState=(.+)$", block, re.MULTILINE)
        if "LoadState=loaded" in block and state:
            lines.append("%s %s\n" % (SERVICES[number], state.group(1)))
    return "".join(lines)


def _kernels(host, modinfo):
    """`KERNEL build=yes|no nvidia=VERSION|none` for each folder of /lib/modules."""
    lines = []
    for kernel in listing(host.root + "/lib/modules"):
        build = "yes" if driver_files.has_build(host.root, kernel) else "no"
        if kernel == host.kernel:
            found = re.search(r"^version:\s*(\S+)", modinfo or "", re.MULTILINE)
            version = found.group(1) if found else ""
        else:
            names = driver_files.module_names(host.root, kernel)
            version = (host.say(["modinfo", "-k", kernel, "-F", "version", names[0]]) if names else "") or ""
        lines.append("%s build=%s nvidia=%s\n" % (kernel, build, version.strip() or "none"))
    return "".join(lines) or None


def _holders(host):
    found = driver_files.holders(host.root)
    return "".join("%d %s\n" % (h["pid"], h["command"]) for h in found) if found or os.geteuid() == 0 else None


def _compiler(host):
    lines = (host.say(["cc", "--version"]) or "").splitlines()[:1] + (host.read("/proc/version") or "").splitlines()
    return "".join(line + "\n" for line in lines) or None


def _virtual(host):
    """The word of systemd-detect-virt, and whether this is a container."""
    word = (host.say(["systemd-detect-virt"], also_failed=True) or "").strip()
    kind = (host.say(["systemd-detect-virt", "--container"], also_failed=True) or "").strip()
    if kind in ("", "none"):
        kind = driver_files.container(host.root) or kind
    if not word and not kind:
        return None
    return "%s\ncontainer: %s\n" % (word or kind, "no" if kind in ("", "none") else kind)


def _cuda_paths(host):
    """Where compat libraries, or any libraries before the system's, are put on the path of programs."""
    line = os.environ.get("LD_LIBRARY_PATH")
    own = "LD_LIBRARY_PATH=%s\n" % line if line else ""
    linker = driver_files.naming(host.root, "compat", ["/etc/ld.so.conf", "/etc/ld.so.conf.d/*.conf"])
    shells = driver_files.naming(host.root, "LD_LIBRARY_PATH", ["/etc/environment", "/etc/profile.d/*.sh"])
    return own + linker + shells or None


def _existing(host, *paths):
    return "".join(path + "\n" for path in paths if os.path.exists(host.root + path)) or None


def _files(host, *paths):
    return "".join(host.read(path) or "" for path in paths) or None


def _devices(host):
    found = sorted(host.root + "/dev/" + name for name in listing(host.root + "/dev") if name.startswith("nvidia"))
    return host.say(["ls", "-l"] + (found or [host.root + "/dev/nvidia*"]), also_failed=True)


# The table, in the order in which they are read. What nvidia-smi may change comes before it; what rests on another
# source gets what was seen.

FIRST = {
    "uname.txt": lambda host: host.kernel + "\n" if host.kernel else None,
    "proc-driver-nvidia-version.txt": lambda host: host.read("/proc/driver/nvidia/version"),
    "sys-module-nvidia-version.txt": lambda host: host.read("/sys/module/nvidia/version"),
    "modinfo.txt": _module,
    "lspci.txt": _pci,
    "lsmod.txt": lambda host: host.say(["lsmod"]) or host.read("/proc/modules"),
    "dev.txt": _devices,
    "holders.txt": _holders,
}
THEN = {
    "dkms-status.txt": lambda host: host.say(["dkms", "status"]),
    "ldconfig.txt": _libraries,
    "dpkg.txt": driver_packages.installed,
    "dmesg.txt": _kernel_log,
    "modprobe.txt": _would_load,
    "mokutil.txt": lambda host: (
        host.say(["mokutil", "--sb-state"], also_failed=True) or driver_files.secure_boot(host.root)
    ),
    "fabricmanager.txt": _fabric_manager,
    "os-release.txt": lambda host: host.read("/etc/os-release") or host.read("/usr/lib/os-release"),
    "runfile.txt": lambda host: _existing(host, "/usr/bin/nvidia-uninstall", "/var/lib/nvidia"),
    "reboot-required.txt": lambda host: _files(host, "/var/run/reboot-required", "/var/run/reboot-required.pkgs"),
    "compiler.txt": _compiler,
    "services.txt": _services,
    "cuda-paths.txt": _cuda_paths,
    "virt.txt": _virtual,
    "apt-holds.txt": driver_packages.held,
    "space.txt": lambda host: host.say(["df", "-Pk", "/", "/tmp", "/boot"], also_failed=True),
}
KNOWING = {
    "kernels.txt": lambda host, seen: _kernels(host, seen.get("modinfo.txt")),
    # Without NVIDIA hardware nothing is going to be installed, and apt takes a second where it may keep no cache.
    "candidates.txt": lambda host, seen: (
        driver_packages.candidates(host) if "10de" in seen.get("lspci.txt", "10de") else None
    ),
}
LAST = {
    "build-log.txt": lambda host, seen: driver_files.build_log(host.root, host.kernel, seen.get("dkms-status.txt")),
}
NAMES = sorted([*FIRST, *THEN, *KNOWING, *LAST, "nvidia-smi.txt", "nvidia-smi.rc", "timeouts.txt"])
"""Every file that a collected folder may hold."""


def _nvidia_smi(host, seen):
    """{nvidia-smi.txt, nvidia-smi.rc}; {} when it is absent, or would load a module that is on disk and not loaded."""
    on_disk = re.search(r"^version:", seen.get("modinfo.txt", ""), re.MULTILINE)
    if on_disk and "proc-driver-nvidia-version.txt" not in seen:
        return {}
    patience = host.patience("nvidia-smi")
    output = run(["nvidia-smi"], patience)
    if output is None:
        return {}
    if output.timed_out:
        return {"nvidia-smi.txt": "%stimed out after %g s\n" % (output.text, patience)}
    return {"nvidia-smi.txt": output.text, "nvidia-smi.rc": "%d\n" % output.rc}


def _masked(text):
    return _SERIAL.sub(r"\1(masked)", _UUID.sub("(masked)", text))[:LIMIT]


def collect(timeout=5, root="/"):
    """{file name: text} of everything that this host has to say; what is absent, unreadable or too late is left out.

    timeout: seconds that each command gets. A source that ran and said nothing is "". timeouts.txt names the late ones.
    """
    host = Host(root, timeout)
    with ThreadPoolExecutor(8) as pool:
        seen = _answers({name: pool.submit(source, host) for name, source in FIRST.items()})
        smi = pool.submit(_nvidia_smi, host, dict(seen))
        asked = {name: pool.submit(source, host, dict(seen)) for name, source in KNOWING.items()}
        asked.update({name: pool.submit(source, host) for name, source in THEN.items()})
        seen.update(_answers(asked))
        seen.update(_answers({name: pool.submit(source, host, seen) for name, source in LAST.items()}))
        seen.update(smi.result())
    if host.late:
        seen["timeouts.txt"] = "".join(sorted(host.late))
    return {name: _masked(text) for name, text in seen.items()}


def _answers(asked):
    answers = {name: future.result() for name, future in asked.items()}
    return {name: text for name, text in answers.items() if text is not None}

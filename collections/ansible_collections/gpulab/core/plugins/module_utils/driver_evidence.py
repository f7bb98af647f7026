"""What a folder of captured outputs says of a host's NVIDIA driver: versions, modules, GPUs, kernels, packages. Pure.

Every source may be absent (then it was not seen, which is not the same as empty), cut, or in any of its historical
formats; reading never raises. Formats and their sources: the table of formats in docs/driver-doctor.md.
"""

import re

from ansible_collections.gpulab.core.plugins.module_utils.driver_lspci import NVIDIA_MODULE, gpus, no_module_listed
from ansible_collections.gpulab.core.plugins.module_utils.driver_text import Text

# The files of an evidence folder that `bin/diagnose` reads; what is absent was not seen.
FILES = (
    "uname.txt",
    "proc-driver-nvidia-version.txt",
    "sys-module-nvidia-version.txt",
    "modinfo.txt",
    "dkms-status.txt",
    "lsmod.txt",
    "lspci.txt",
    "ldconfig.txt",
    "dpkg.txt",
    "nvidia-smi.txt",
    "nvidia-smi.rc",
    "dmesg.txt",
    "modprobe.txt",
    "build-log.txt",
    "mokutil.txt",
    "fabricmanager.txt",
    "framework.txt",
    "dev.txt",
)
VERSION = r"\d+\.\d+(?:\.\d+)?"
# lsmod, or /proc/modules: name, size, references.
_MODULE = re.compile(r"^(\w+)\s+\d+\s+(-?\d+)\b\s*(\S*)")
_DKMS = re.compile(
    r"^\s*(nvidia[\w-]*)(?:/|,\s*)(%s)(?:,\s*([^,\s]+),\s*([^:,\s]+))?:\s*(added|built|installed|broken)(.*)$" % VERSION
)
_DKMS_FIELDS = ("module", "version", "kernel", "arch", "state", "warning")
_LIBRARY = re.compile(r"lib(cuda|nvidia-ml)\.so\.(%s)\b" % VERSION)
_PACKAGE = re.compile(r"^\s*([a-zA-Z]{2,3})\s+(\S+?)(?::\w+)?\s+(\S+)")
_SMI_TABLE = re.compile(r"NVIDIA-SMI\s+(%s)\b.{0,60}?Driver Version:\s*(%s)" % (VERSION, VERSION))
_SMI_CUT = re.compile(r"\| NVIDIA-SMI (%s)\b" % VERSION)
_SMI_COLUMNS = re.compile(r"# gpu\s+(?:pid|pwr|sm|fb|idx)\b", re.IGNORECASE)
_SMI_QUERY = re.compile(r"Driver Version\s*:\s*(%s)" % VERSION)
_SMI_LIST = re.compile(r"^GPU \d+: \S.*\(UUID:", re.MULTILINE)
_SMI_BUS = re.compile(r"\b(?:[0-9A-F]{4,8}):([0-9A-F]{2}:[0-9A-F]{2}\.[0-7])\b", re.IGNORECASE)
# Packages whose version is the version of the user-space libraries (Debian, Ubuntu, NVIDIA's repository).
_USERSPACE_PACKAGE = re.compile(
    r"^(?:libnvidia-(?:compute|ml1?)|libcuda1|nvidia-(?:utils|compute-utils|smi)|nvidia-tesla-\d+-smi"
    r"|nvidia-\d+)(?:[-\d]|$)"
)
# nvidia-smi names a GPU's address in these as well, and has no answer.
_SMI_SILENT = re.compile(r"Unable to|Failed|failed|couldn't|No devices|is lost|\bNVRM\b")
# Exit codes of nvidia-smi that mean that it got no answer (NVML's return codes).
SMI_FAILED = {4, 6, 9, 12, 15, 16, 17, 18, 255}


def version_parts(version):
    """Return a version as a tuple of numbers, to compare whole versions: 570.124.04 is not 570.124.06."""
    return tuple(int(part) for part in re.findall(r"\d+", version or ""))


def same(one, other):
    """Return whether two whole versions are equal; TensorFlow writes 560.35.5 for 560.35.05 and 550.120.0 for
    550.120.
    """
    one, other = list(version_parts(one)), list(version_parts(other))
    while len(one) > 2 and one[-1] == 0:
        one.pop()
    while len(other) > 2 and other[-1] == 0:
        other.pop()
    return bool(one) and one == other


def first(pattern, text, group=1):
    """Return a group of the first match in a text, or None."""
    found = re.search(pattern, text, re.MULTILINE)
    return found.group(group) if found else None


class Facts(object):
    """Everything that the evidence says; None or empty where it says nothing. See `read`."""

    def __init__(self, evidence):
        self.raw = {name: str(text) for name, text in evidence.items() if text is not None}
        self.texts = {name: Text(name, text) for name, text in self.raw.items()}
        self.kernel = self._word("uname.txt", r"^\s*(?:Linux \S+ )?(\d+\.\d+\S*)")
        self.loaded = self._word("sys-module-nvidia-version.txt", r"^\s*(%s)\s*$" % VERSION)
        running = self.flat("proc-driver-nvidia-version.txt")
        self.loaded = first(r"Module(?: for \S+)?\s+(%s)" % VERSION, running) or self.loaded
        self.open_loaded = "Open Kernel Module" in running if running else None
        self._modinfo()
        self.dkms = self._dkms()
        self.modules = self._modules()
        self.gpus = gpus(self.lines("lspci.txt")) if self.has("lspci.txt") else None
        self.libraries = sorted({m.group(2) for m in _LIBRARY.finditer(self.flat("ldconfig.txt"))}, key=version_parts)
        self.packages = self._packages()
        self.package_version = self._package_version()
        self._smi()

    # Reading

    def has(self, name):
        """Return whether a source was captured at all, if only as empty."""
        return name in self.texts

    def flat(self, name):
        """Return a source in one line, "" when it was not captured."""
        return self.texts[name].flat if name in self.texts else ""

    def lines(self, name):
        """Return a source's lines."""
        return self.texts[name].lines if name in self.texts else []

    def _word(self, name, pattern):
        return first(pattern, "\n".join(self.lines(name)))

    def quote(self, name, needle):
        """Return ["file: line"] for the first line of a source that holds a string, else []."""
        for line in self.lines(name):
            if needle in line:
                return ["%s: %s" % (name, line.strip()[:300])]
        return []

    def _modinfo(self):
        self.on_disk = self._word("modinfo.txt", r"^version:\s*(%s)" % VERSION)
        # `modinfo -F version` prints the bare version.
        self.on_disk = self.on_disk or self._word("modinfo.txt", r"^(%s)\s*$" % VERSION)
        self.license = self._word("modinfo.txt", r"^license:\s*(.+?)\s*$")
        self.open_on_disk = "MIT" in self.license if self.license else None
        self.vermagic = self._word("modinfo.txt", r"^vermagic:\s*(\S+)")
        self.signer = self._word("modinfo.txt", r"^(?:signer|sig_id):\s*(.+?)\s*$")
        self.no_module_file = bool(
            re.search(r"Module nvidia\S* not found|could not find module", self.flat("modinfo.txt"), re.IGNORECASE)
        )

    def _dkms(self):
        """Return [{module, version, kernel, arch, state, warning}] of `dkms status`, both formats."""
        found = []
        for line in self.lines("dkms-status.txt"):
            match = _DKMS.match(line)
            if match:
                found.append({key: match.group(n) for n, key in enumerate(_DKMS_FIELDS, 1)})
        return found

    def _modules(self):
        """Return {name: references} of lsmod or /proc/modules, or None when it was not captured."""
        if not self.has("lsmod.txt"):
            return None
        found = (_MODULE.match(line.strip()) for line in self.lines("lsmod.txt"))
        return {m.group(1).replace("-", "_"): int(m.group(2)) for m in found if m}

    def _packages(self):
        """Return [{name, version, status}] of `dpkg -l` (and `rpm -qa` as status "ii"), in order."""
        found = []
        for line in self.lines("dpkg.txt"):
            match = _PACKAGE.match(line)
            rpm = re.match(
                r"^\s*((?:kmod-|akmod-|xorg-x11-drv-)?(?:nvidia"
                r"|cuda)[\w.+-]*?)-(\d[\w.:~+]*-[\w.~+]+?)(?:\.(?:x86_64|noarch|aarch64))?\s*$",
                line,
            )
            if match and re.search(r"\d", match.group(3)):
                found.append({"status": match.group(1), "name": match.group(2), "version": match.group(3)})
            elif rpm:
                found.append({"status": "ii", "name": rpm.group(1), "version": rpm.group(2)})
        return found

    def _package_version(self):
        """Return the driver version of the installed user-space packages, or None."""
        for package in self.packages:
            if package["status"][1] in "iUFHW" and _USERSPACE_PACKAGE.match(package["name"]):
                found = first(r"(?:^|:)(\d{3}\.\d+(?:\.\d+)?)", package["version"])
                if found:
                    return found
        return None

    def _smi(self):
        text = self.flat("nvidia-smi.txt")
        code = first(r"(-?\d+)", self.flat("nvidia-smi.rc"))
        self.smi_rc = int(code) if code else None
        table, query = _SMI_TABLE.search(text), _SMI_QUERY.search(text)
        self.smi_version = table.group(2) if table else query.group(1) if query else None
        listed = _SMI_LIST.search("\n".join(self.lines("nvidia-smi.txt")))
        part = _SMI_BUS.search(text) or _SMI_COLUMNS.search(text) or _SMI_CUT.search(text)
        answered = bool(table or query or listed or (part and not _SMI_SILENT.search(text)))
        self.smi_buses = {m.group(1).lower() for m in _SMI_BUS.finditer(text)} if answered else set()
        self.smi_answers = answered and self.smi_rc not in SMI_FAILED

    # What follows from it

    @property
    def module_loaded(self):
        """Whether an NVIDIA module is loaded: True, False, or None when no source says."""
        if self.loaded or self.smi_answers:
            return True
        if self.modules is not None:
            return any(NVIDIA_MODULE.match(name) for name in self.modules)
        if "No such file" in self.flat("proc-driver-nvidia-version.txt"):
            return False
        return None

    @property
    def dkms_here(self):
        """The DKMS entries of the running kernel; all installed ones when the running kernel is not known."""
        if self.kernel:
            return [d for d in self.dkms if d["kernel"] == self.kernel]
        return [d for d in self.dkms if d["state"] == "installed"]

    @property
    def disk_versions(self):
        """Versions of the module on disk for the running kernel: modinfo's, else those that DKMS installed."""
        if self.on_disk:
            return [self.on_disk]
        return [d["version"] for d in self.dkms_here if d["state"] == "installed"]

    def module_file(self):
        """Whether a module lies on disk for the running kernel: True, False, or None when no source says."""
        if self.on_disk or any(d["state"] == "installed" for d in self.dkms_here):
            return True
        if self.no_module_file or self.no_kernel_folder() or no_module_listed(self.lines("lspci.txt")):
            return False
        if self.kernel and self.dkms:
            return False
        if self.kernel and self.vermagic:
            return self.vermagic == self.kernel
        return None

    def no_kernel_folder(self):
        """Whether kernels.txt lists the running kernel without a module."""
        return self.kernel_line("nvidia=none")

    def headers_absent(self):
        """Whether kernels.txt lists the running kernel without its headers."""
        return self.kernel_line("build=no")

    def kernel_line(self, word):
        """Whether kernels.txt has the running kernel with a word such as build=no."""
        for line in self.lines("kernels.txt"):
            parts = line.split()
            if parts and parts[0] == self.kernel:
                return word in parts[1:]
        return False


def read(evidence):
    """Return the Facts of {file name: text}; never raises, whatever the texts hold."""
    return Facts(evidence)

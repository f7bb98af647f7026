"""One host's case: the facts of its evidence, its signs with the line that proves each, and which side has which
version. Pure.
"""

import re
from collections import namedtuple

from ansible_collections.gpulab.core.plugins.module_utils.driver_evidence import read, same
from ansible_collections.gpulab.core.plugins.module_utils.driver_signs import SIGNS

_TROUBLE = re.compile(r"fail|error|time(?:d )?out|mismatch|\bXid\b|assert|\blost\b|fallen|not respond", re.IGNORECASE)
# Where a sentence of the driver, the loader, an installer or CUDA may stand: people paste one log into another's file.
LOGS = ("dmesg.txt", "build-log.txt", "modprobe.txt", "framework.txt", "nvidia-smi.txt")

# A sign that was found: the match, and "file: line" as proof.
Hit = namedtuple("Hit", ("match", "proof"))
# Which version is where, and why they count as different; `partial` when only NVML's cut version ("570.124") is known.
Mismatch = namedtuple("Mismatch", ("loaded", "userspace", "partial", "proof"))


class Case(object):
    """The facts, and questions about them that more than one rule asks."""

    def __init__(self, evidence):
        self.facts = read(evidence)
        self.works = self.facts.smi_answers
        dmesg = self.facts.texts.get("dmesg.txt")
        load = dmesg.last(SIGNS["loading"]) if dmesg else None
        # What the kernel said before the module was last loaded is history.
        self._boot = load.end() if load else 0
        self._attempt = dmesg.moments_before(load) if load else 0
        self.last_load = load.group(1) if load else None

    def hit(self, sign, files=LOGS, now=False, probe=False):
        """Return the last Hit of a sign in the first of the files that has it, or None.

        now: not what the kernel said before the module was last loaded. probe: the same for what it says while it
        loads, which stands before the line that says so.
        """
        start = self._boot if now else self._attempt if probe else 0
        for name in files:
            text = self.facts.texts.get(name)
            if not text:
                continue
            match = text.last(SIGNS[sign])
            if match and not (name == "dmesg.txt" and match.start() < start):
                return Hit(match, text.proof(match))
        return None

    def after(self, sign, later, files=LOGS):
        """Return whether a later sign follows the last one in the same file (an installation that went on, and ended
        well).
        """
        for name in files:
            text = self.facts.texts.get(name)
            one, other = (text.last(SIGNS[s]) for s in (sign, later)) if text else (None, None)
            if one and other and other.start() > one.start():
                return True
        return False

    def seen(self, *names):
        """Return the first line of each named source that was captured, as proof."""
        found = []
        for name in names:
            text = [line.strip() for line in self.facts.lines(name) if line.strip()]
            if text:
                found.append("%s: %s" % (name, text[0][:300]))
        return found

    def gpu_ids(self):
        """Return the PCI ids of the GPUs: lspci's, or those that the driver named in the kernel log."""
        if self.facts.gpus:
            return [gpu.id for gpu in self.facts.gpus if gpu.id]
        found = [SIGNS["pci_id"].findall(self.facts.flat(name)) for name in ("dmesg.txt", "build-log.txt")]
        return sorted({i.lower() for ids in found for i in ids})

    # Versions

    def api_mismatch(self):
        """Return (client, module, proof) of the last API mismatch that still stands, or None."""
        for sign, client, module in (("api_mismatch", 1, 2), ("api_mismatch_old", 2, 1)):
            hit = self.hit(sign)
            if hit is None:
                continue
            versions = hit.match.group(client), hit.match.group(module)
            loaded = self.facts.loaded or (self.last_load if hit.proof.startswith("dmesg.txt") else None)
            # Another module has been loaded since: the message is about the one before.
            older = loaded and not same(loaded, versions[1])
            # The kernel log may hold the load of this very module after the message (a log in the wrong order).
            if not older:
                return versions[0], versions[1], hit.proof
        return None

    def mismatch(self):
        """Return the Mismatch of loaded module and user space, or None.

        Whole versions are compared: 570.124.04 and 570.124.06 do not work together.
        """
        facts = self.facts
        loaded, libraries = facts.loaded, facts.libraries
        if loaded and libraries:
            strange = [v for v in libraries if not same(v, loaded)]
            if len(strange) == len(libraries) or (strange and not self.works):
                proof = self.seen("proc-driver-nvidia-version.txt", "sys-module-nvidia-version.txt")[:1]
                return Mismatch(loaded, strange[-1], False, proof + facts.quote("ldconfig.txt", strange[-1]))
        if self.works:
            return self._mismatch_of_the_answer()
        for found in (self._mismatch_told(), self._mismatch_of_packages()):
            if found:
                return found
        return None

    def _mismatch_of_the_answer(self):
        """nvidia-smi answers, but another module is loaded now than the one it spoke to, or TensorFlow found another
        libcuda.
        """
        facts = self.facts
        if facts.loaded and facts.smi_version and not same(facts.loaded, facts.smi_version):
            proof = self.seen("proc-driver-nvidia-version.txt", "sys-module-nvidia-version.txt")[:1]
            return Mismatch(
                facts.loaded, facts.smi_version, False, proof + facts.quote("nvidia-smi.txt", facts.smi_version)
            )
        dso = self.hit("dso_mismatch", ("framework.txt",))
        if dso and not same(*dso.match.groups()):
            return Mismatch(dso.match.group(1), dso.match.group(2), False, [dso.proof])
        return None

    def _mismatch_told(self):
        """NVML, CUDA, TensorFlow or the kernel says so."""
        facts = self.facts
        api = self.api_mismatch()
        told = self.hit("nvml_mismatch", ("nvidia-smi.txt", "framework.txt"))
        if told is None and not self.compat_in_path():
            told = self.hit("cuda_803")
        dso = self.hit("dso_mismatch")
        library = self.hit("nvml_library", ("nvidia-smi.txt", "framework.txt"))
        code = ["nvidia-smi.rc: 18"] if facts.smi_rc == 18 else []
        if dso and not same(*dso.match.groups()):
            return Mismatch(facts.loaded or dso.match.group(1), dso.match.group(2), False, [dso.proof])
        if told or code:
            loaded = facts.loaded or (api[1] if api else None)
            user = facts.libraries[-1] if facts.libraries else api[0] if api else None
            partial = user is None and library is not None
            user = user or (library.match.group(1) if library else None) or facts.package_version
            proof = (
                ([told.proof] if told else []) + code + ([library.proof] if partial else []) + ([api[2]] if api else [])
            )
            return Mismatch(loaded, user, partial, proof + self._loaded_proof())
        if api and not (facts.libraries and facts.loaded):
            return Mismatch(api[1], api[0], False, [api[2]])
        cut = self.hit("api_mismatch_cut", ("dmesg.txt", "build-log.txt"), now=True)
        if cut and not api and not facts.loaded and not self.hit("api_mismatch"):
            return Mismatch(cut.match.group(1), None, False, [cut.proof])
        return None

    def _mismatch_of_packages(self):
        """Nobody complained in what was captured, but the packages or the module on disk are not the loaded module."""
        facts = self.facts
        if not facts.loaded or facts.libraries:
            return None
        if facts.package_version and not same(facts.package_version, facts.loaded):
            return Mismatch(
                facts.loaded,
                facts.package_version,
                False,
                self._loaded_proof() + facts.quote("dpkg.txt", facts.package_version),
            )
        if facts.on_disk and not same(facts.on_disk, facts.loaded):
            return Mismatch(facts.loaded, None, False, self._loaded_proof() + facts.quote("modinfo.txt", facts.on_disk))
        return None

    def _loaded_proof(self):
        return self.seen("proc-driver-nvidia-version.txt", "sys-module-nvidia-version.txt")[:1]

    def only_a_client(self):
        """Return the API mismatch of one client while module and host libraries agree (its own libraries differ), or
        None.
        """
        facts = self.facts
        api = self.api_mismatch()
        if api and facts.loaded and facts.libraries and all(same(v, facts.loaded) for v in facts.libraries):
            return api
        return None

    def compat_in_path(self):
        """Return whether a captured library path leads to CUDA's compatibility libraries."""
        return any(re.search(r"/cuda[\w.-]*/compat\b", self.facts.flat(n)) for n in ("framework.txt", "cuda-paths.txt"))

    def trouble_since_load(self):
        """Return the first line of the driver since its last load that speaks of trouble of any kind, as proof, or
        None.
        """
        lines = self.facts.lines("dmesg.txt")
        last = max([n for n, line in enumerate(lines) if "loading NVIDIA UNIX" in line], default=-1)
        for line in lines[last + 1 :]:
            if re.search(r"NVRM|nvidia", line) and _TROUBLE.search(line) and "verification failed" not in line:
                return "dmesg.txt: %s" % line.strip()[:300]
        return None

    def framework_trouble(self):
        """Return whether a framework's output speaks of trouble of any kind."""
        return bool(_TROUBLE.search(self.facts.flat("framework.txt")))

    def secure_boot_on(self):
        """Return whether mokutil says that Secure Boot is enabled."""
        return bool(re.search(r"SecureBoot enabled", self.facts.flat("mokutil.txt"), re.IGNORECASE))

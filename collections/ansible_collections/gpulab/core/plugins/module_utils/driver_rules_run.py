"""Rules for a module that runs: a lost GPU, versions that differ, firmware, an adapter that does not start,
libraries. Pure.
"""

import re

from ansible_collections.gpulab.core.plugins.module_utils.driver_case import LOGS
from ansible_collections.gpulab.core.plugins.module_utils.driver_evidence import same, version_parts
from ansible_collections.gpulab.core.plugins.module_utils.driver_finding import finding

_POWER_CYCLE = (
    "no installation mends that: stop and start the instance (it moves to other hardware), or power-cycle the machine"
)


def gpu_lost(case, _catalogue):
    """The GPU has fallen off the bus: hardware, never a driver repair."""
    facts = case.facts
    dead = [gpu for gpu in facts.gpus or () if gpu.lost]
    if dead and not case.works:
        proof = ["lspci.txt: %s" % dead[0].line]
        hit = case.hit("gpu_lost")
        return _lost("lspci reads revision ff from GPU %s" % dead[0].address, proof + ([hit.proof] if hit else []))
    hit = case.hit("gpu_lost", ("nvidia-smi.txt", "framework.txt"))
    if hit:
        return _lost("nvidia-smi cannot reach a GPU any more", [hit.proof])
    if facts.smi_rc in (15, 16):
        return _lost("nvidia-smi ended with %d" % facts.smi_rc, ["nvidia-smi.rc: %d" % facts.smi_rc])
    errors = case.hit("smi_errors", ("nvidia-smi.txt",))
    if errors:
        return _lost("nvidia-smi shows ERR! in place of a GPU's values", [errors.proof])
    hit = case.hit("gpu_lost", ("dmesg.txt", "build-log.txt"), now=True)
    hit = hit or (None if case.works else case.hit("lost_at_probe", probe=True))
    if hit:
        return _lost("the kernel log says that the GPU has fallen off the bus since the module was loaded", [hit.proof])
    return None


def _lost(what, proof):
    return finding("gpu_lost", "A GPU is lost: %s; %s." % (what, _POWER_CYCLE), proof)


def unlisted_gpu_failed(case, _catalogue):
    """One GPU answers, another that the kernel log names has not started."""
    dmesg = case.facts.texts.get("dmesg.txt")
    hit = case.hit("adapter_address", ("dmesg.txt",), now=True) if dmesg else None
    if hit is None or not case.facts.smi_buses or hit.match.group(1).lower() in case.facts.smi_buses:
        return None
    return firmware_failure(case, None) or adapter_failed(case, None)


def version_mismatch(case, _catalogue):
    """Loaded module and libraries differ: which of them is stale is told by the module on disk."""
    client = case.only_a_client()
    if client and not case.works:
        return finding(
            "container_only",
            "Module and libraries of the host are both %s; one client brings %s of its own: take the driver's "
            "libraries out of that "
            "container's image, or start it through the NVIDIA container toolkit." % (case.facts.loaded, client[0]),
            [client[2]],
        )
    pair = case.hit("module_pair", now=True)
    if pair:
        return finding(
            "stale_module_on_disk",
            "The driver's own modules differ: nvidia.ko is %s and %s is %s." % pair.match.groups(),
            [pair.proof],
        )
    found = case.mismatch()
    if found is None:
        return None
    disk, user, loaded = case.facts.disk_versions, found.userspace, found.loaded
    sides = "module %s is loaded, the libraries are %s" % (loaded or "of another version", user or "of another version")
    proof = found.proof
    if not disk:
        return finding(
            "stale_loaded_module",
            "Driver/library mismatch: %s; which module is on disk was not seen (modinfo, dkms), so this takes the "
            "libraries to be the "
            "newer side." % sides,
            proof,
        )
    proof = proof + (case.facts.quote("modinfo.txt", disk[0]) or case.facts.quote("dkms-status.txt", disk[-1]))
    if any(_fits(version, user, found.partial, loaded) for version in disk):
        return finding(
            "stale_loaded_module",
            "Driver/library mismatch: %s, and the module on disk (%s) already fits them." % (sides, " and ".join(disk)),
            proof,
        )
    return _stale_on_disk(case, sides, disk, user, proof)


def _fits(version, user, partial, loaded):
    """Whether a module on disk fits the libraries; not knowing those, whether it is another one than the loaded."""
    if user is None:
        return loaded is None or not same(version, loaded)
    if partial:
        return version_parts(version)[: len(version_parts(user))] == version_parts(user)
    return same(version, user)


def _stale_on_disk(case, sides, disk, user, proof):
    # Its source is registered with DKMS already: building is a smaller step than reinstalling.
    registered = user and any(same(d["version"], user) for d in case.facts.dkms)
    actions = ["rebuild_modules", "update_initramfs", "reload_modules"] if registered else None
    return finding(
        "stale_module_on_disk",
        "Driver/library mismatch: %s, and the module on disk (%s) does not fit them either: loading it again would "
        "not help." % (sides, " and ".join(disk)),
        proof,
        actions,
        "Build the registered module %s for the running kernel, renew the initramfs, and reload." % user
        if actions
        else None,
    )


def other_module_on_disk(case, _catalogue):
    """It works now, but the next load brings another module than the libraries."""
    facts = case.facts
    now = facts.loaded or facts.smi_version
    if not facts.on_disk or not now or same(facts.on_disk, now):
        return None
    sides = "module and libraries are %s and work" % now
    return finding(
        "stale_module_on_disk",
        "The next boot will break this driver: %s, but the module on disk is %s." % (sides, facts.on_disk),
        facts.quote("modinfo.txt", facts.on_disk) + case.seen("proc-driver-nvidia-version.txt")[:1],
        ["reinstall_driver", "update_initramfs"],
        "Bring the module on disk to the version that runs; nothing is unloaded.",
    )


def firmware_failure(case, _catalogue):
    """The GPU's system processor does not start: its firmware file is missing, or the GPU needs a power cycle."""
    missing = case.hit("firmware_file", now=True) or case.hit("firmware_file")
    if missing:
        return finding(
            "firmware_failure",
            "The GPU's firmware does not load: the file that belongs to this module is not there.",
            [missing.proof],
            ["reinstall_driver", "update_initramfs", "reload_modules"],
            "Install the firmware of exactly the module's version, renew the initramfs, and reload.",
        )
    hit = case.hit("firmware", now=True) or case.hit("firmware")
    if hit is None:
        return None
    return finding(
        "firmware_failure", "The GPU's system processor (GSP) does not start or answer; %s." % _POWER_CYCLE, [hit.proof]
    )


def adapter_failed(case, _catalogue):
    """The module runs and cannot start the GPU."""
    hit = case.hit("adapter", now=True) or case.hit("adapter")
    if hit:
        code = re.search(r"\((0x[0-9a-fx:]+)", hit.proof)
        said = " (%s)" % code.group(1) if code else ""
        return finding(
            "adapter_init_failed", "The driver cannot start the GPU%s; %s." % (said, _POWER_CYCLE), [hit.proof]
        )
    none = case.hit("no_devices", ("nvidia-smi.txt",))
    if none or case.facts.smi_rc == 6:
        proof = [none.proof] if none else ["nvidia-smi.rc: 6"]
        return finding(
            "adapter_init_failed",
            "The driver is loaded and has started no GPU, and why was not seen: read the kernel log (dmesg); %s."
            % _POWER_CYCLE,
            proof,
        )
    return None


def userspace_missing(case, _catalogue):
    """The module may be there; the libraries or nvidia-smi are not."""
    facts = case.facts
    hit = case.hit("userspace_missing", ("nvidia-smi.txt", "framework.txt")) or case.hit(
        "function_missing", ("nvidia-smi.txt",)
    )
    if hit is None and facts.smi_rc in (12, 13):
        return _no_userspace(["nvidia-smi.rc: %d" % facts.smi_rc])
    if hit is None and facts.module_loaded and facts.has("ldconfig.txt") and not facts.libraries:
        return _no_userspace(["ldconfig.txt: no libcuda and no libnvidia-ml"])
    return _no_userspace([hit.proof]) if hit else None


def _no_userspace(proof):
    return finding(
        "userspace_missing", "The driver's libraries (libnvidia-ml, libcuda) are missing or not found.", proof
    )


def healthy(case, _catalogue):
    """nvidia-smi answers; or the module is loaded, fits what else was seen, and nobody complained."""
    facts = case.facts
    if case.works:
        proof = facts.quote("nvidia-smi.txt", facts.smi_version) if facts.smi_version else case.seen("nvidia-smi.txt")
        return finding("healthy", "The driver %sworks: nvidia-smi answers." % _named(facts.smi_version), proof)
    loaded = facts.loaded or (case.last_load if not case.facts.has("lsmod.txt") else None)
    if not loaded or facts.smi_rc not in (None, 0) or facts.texts.get("nvidia-smi.txt"):
        return None
    if facts.disk_versions and not any(same(v, loaded) for v in facts.disk_versions):
        return None
    troubles = ("not_loaded", "no_such_device", "no_gpu", "api_mismatch_cut")
    if case.trouble_since_load() or case.framework_trouble() or any(case.hit(sign, now=True) for sign in troubles):
        return None
    seen = [name for name in ("ldconfig.txt", "modinfo.txt", "dkms-status.txt", "lspci.txt") if facts.texts.get(name)]
    proof = case.seen("proc-driver-nvidia-version.txt", "sys-module-nvidia-version.txt")
    load = case.hit("loading", ("dmesg.txt",))
    return finding(
        "healthy",
        "Module %s is loaded and nothing that was captured speaks against it; nvidia-smi's answer was not seen."
        % loaded,
        (proof or ([load.proof] if load else [])) + [q for name in seen[:1] for q in facts.quote(name, loaded)],
    )


def _named(version):
    return "%s " % version if version else ""


def unknown(case):
    """Nothing that was captured decides; say what was."""
    seen = [name for name, text in case.facts.texts.items() if text]
    if not seen:
        return finding(
            "unknown", "There is no evidence: no captured output was found; run bin/collect-evidence on the host.", []
        )
    loaded = case.facts.loaded
    more = "module %s is loaded; " % loaded if loaded else ""
    return finding(
        "unknown",
        "What was captured does not decide: %sread %s; bin/collect-evidence on the host captures the rest."
        % (more, ", ".join(sorted(seen))),
        [line for name in LOGS for line in case.seen(name)][:5],
    )

"""Rules for what stands on the driver: NVSwitch's fabric manager, CUDA, unified memory, permissions, containers.
Pure.
"""

from ansible_collections.gpulab.core.plugins.module_utils.driver_finding import finding

_SAID = ("framework.txt", "nvidia-smi.txt")
# PCI ids of NVSwitch bridges (pci.ids): V100, A100, H100 systems.
_NVSWITCHES = ("10de:1ac1", "10de:1ac2", "10de:1af1", "10de:22a3")


def fabric_manager(case, _catalogue):
    """On an NVSwitch host CUDA starts only when the fabric manager of exactly the driver's version runs."""
    files = ("fabricmanager.txt", "framework.txt", "dmesg.txt")
    apart = case.hit("fabric_mismatch", files)
    if apart and not case.after("fabric_mismatch", "fabric_alive", files):
        both = case.hit("fabric_versions", files)
        against = both.match.group(2) if both else "another version (the line is cut)"
        return finding(
            "fabric_manager_mismatch",
            "The fabric manager is %s and the driver is %s: they must be the same." % (apart.match.group(1), against),
            [apart.proof],
        )
    switch = case.hit("nvswitch_mismatch", ("dmesg.txt", "fabricmanager.txt"), now=True)
    if switch:
        return finding(
            "fabric_manager_mismatch",
            "The NVSwitch driver is %s and the fabric manager %s: they must be the same." % switch.match.groups(),
            [switch.proof],
        )
    waits = case.hit("cuda_802")
    dead = case.hit("fabric_dead", ("fabricmanager.txt", "framework.txt"))
    alive = case.hit("fabric_alive", ("fabricmanager.txt",))
    if dead and alive and not case.after("fabric_alive", "fabric_dead", ("fabricmanager.txt",)):
        dead = None
    harmless = case.hit("fabric_harmless", ("fabricmanager.txt",))
    if waits is None and (dead is None or harmless or not _may_have_nvswitch(case)):
        return None
    return finding(
        "fabric_manager_down",
        "CUDA waits for the NVSwitch fabric, and the fabric manager does not run.",
        [hit.proof for hit in (waits, dead) if hit],
    )


def _may_have_nvswitch(case):
    """Whether lspci shows an NVSwitch; not having seen lspci, whether nothing says that the GPU works without one."""
    if case.facts.has("lspci.txt"):
        listed = case.facts.flat("lspci.txt").lower()
        return "nvswitch" in listed or any(i in listed for i in _NVSWITCHES)
    return not case.works


def cuda_compat(case, _catalogue):
    """Forward-compatibility libraries are in the path on a GPU or driver that they are not for."""
    hit = case.hit("cuda_804")
    if hit is None and (case.works or case.compat_in_path()):
        # libcuda is of another version than the module while nvidia-smi's library fits: a second libcuda comes first.
        hit = case.hit("cuda_803", _SAID)
    if hit is None:
        return None
    return finding(
        "cuda_compat_misused", "CUDA's compatibility libraries are used where they do not apply.", [hit.proof]
    )


def cuda_too_old(case, _catalogue):
    """The driver is older than the CUDA that a program was built for."""
    hit = case.hit("cuda_too_old", (*_SAID, "build-log.txt"))
    if hit is None:
        return None
    has = case.facts.smi_version or case.facts.loaded
    return finding(
        "cuda_driver_too_old",
        "The driver%s is older than the CUDA of the program needs." % (" %s" % has if has else ""),
        [hit.proof],
    )


def access_blocked(case, _catalogue):
    """The operating system, a cgroup or permissions keep this process from the GPU; the driver is not at fault."""
    hit = case.hit("access_blocked", _SAID)
    if hit is None and case.facts.smi_rc in (4, 17):
        proof = ["nvidia-smi.rc: %d" % case.facts.smi_rc]
    elif hit:
        proof = [hit.proof]
    else:
        return None
    return finding(
        "access_blocked",
        "This process may not use the GPU: start the container through the NVIDIA runtime, or allow its device "
        "files to this user.",
        proof,
    )


def uvm_missing(case, _catalogue):
    """nvidia-uvm, which CUDA needs and nvidia-smi does not, is not loaded or has no device node."""
    hit = case.hit("uvm", ("framework.txt", "modprobe.txt", "nvidia-smi.txt"))
    if hit is None:
        return None
    absent = case.facts.modules is not None and "nvidia_uvm" not in case.facts.modules
    return finding(
        "uvm_missing",
        "CUDA cannot start: nvidia-uvm %s."
        % ("is not loaded" if absent else "or its device node is missing or unusable"),
        [hit.proof],
    )


def container(case, _catalogue):
    """Only the container does not see the GPU."""
    hit = case.hit("container", _SAID)
    if hit is None:
        return None
    return finding(
        "container_only",
        "Only the container does not reach the GPU: restart it through the NVIDIA container toolkit (installed and "
        "configured for "
        "this engine); the host's driver is not the cause.",
        [hit.proof],
    )

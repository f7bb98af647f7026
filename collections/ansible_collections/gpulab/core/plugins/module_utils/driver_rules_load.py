"""Rules for loading the module: is there a GPU, does the branch drive it, does another driver hold it, does the
kernel take it. Pure.
"""

from ansible_collections.gpulab.core.plugins.module_utils.driver_evidence import version_parts
from ansible_collections.gpulab.core.plugins.module_utils.driver_finding import finding

_KERNEL_SAYS = ("modprobe.txt", "dmesg.txt", "build-log.txt", "nvidia-smi.txt", "framework.txt")
# Drivers that hold a GPU on purpose, for a virtual machine: taking it from them is not a repair.
_PASSED_THROUGH = ("vfio-pci", "pci-stub", "xen-pciback")


def no_gpu_in_lspci(case, _catalogue):
    """lspci was captured and lists no NVIDIA GPU."""
    facts = case.facts
    if facts.gpus is None or facts.gpus or facts.loaded or case.hit("gpu_lost"):
        return None
    return finding(
        "no_gpu",
        "There is no NVIDIA GPU on this host: lspci lists none; use an instance type that has one.",
        case.seen("lspci.txt") or ["lspci.txt: (empty)"],
    )


def no_gpu_for_the_module(case, _catalogue):
    """The module itself says that it found no GPU, and lspci was not captured."""
    hit = case.hit("no_gpu", _KERNEL_SAYS)
    if hit and not case.facts.gpus and not case.facts.loaded:
        return finding(
            "no_gpu", "The NVIDIA module found no GPU on this host; use an instance type that has one.", [hit.proof]
        )
    return None


def open_module_unsupported(case, _catalogue):
    """The open module met a GPU without a system processor: Maxwell, Pascal, Volta."""
    hit = case.hit("open_unsupported", probe=True)
    if hit is None:
        return None
    return finding(
        "open_module_unsupported",
        "The open kernel module does not drive %s: it takes the proprietary one, of branch 580 at the latest."
        % _gpu(case),
        [hit.proof],
    )


def open_module_required(case, _catalogue):
    """The proprietary module met a GPU that only the open one drives: Blackwell and later."""
    hit = case.hit("open_required", probe=True)
    if hit is None and not case.facts.open_loaded and not case.hit("loading_open", ("dmesg.txt",)):
        hit = case.hit("open_required_code", probe=True)
    if hit is None:
        return None
    return finding(
        "open_module_required",
        "The proprietary kernel module does not drive %s: it takes the open one." % _gpu(case),
        [hit.proof],
    )


def legacy_gpu(case, _catalogue):
    """The driver names another branch for this GPU, or refuses it."""
    hit = case.hit("legacy")
    if hit:
        branch = hit.match.group(1)
        ignores = case.hit("ignores")
        if ignores and _replaced(case, ignores.match.group(1)):
            return None
        which = "branch %s" % branch if branch else "an older branch"
        return finding("legacy_gpu", "This driver no longer drives %s: %s does." % (_gpu(case), which), [hit.proof])
    hit = case.hit("unsupported_release", probe=True)
    if hit and not case.facts.open_loaded and not _replaced(case, hit.match.group(1)):
        return finding(
            "legacy_gpu",
            "Driver %s does not drive %s: its branch is not for it." % (hit.match.group(1), _gpu(case)),
            [hit.proof],
        )
    return None


def _replaced(case, version):
    """Whether a driver that spoke in the kernel log is neither loaded nor on disk any more (it writes 535.183 for
    535.183.01).
    """
    there = [v for v in (case.facts.loaded, case.facts.on_disk) if v]
    parts = version_parts(version)
    return bool(there) and not any(version_parts(v)[: len(parts)] == parts for v in there)


def branch_of_another_gpu(case, catalogue):
    """Nothing was captured of why it does not work, and the catalogue says that this branch does not drive any GPU
    here.
    """
    facts = case.facts
    version = facts.loaded or (facts.disk_versions or [None])[-1]
    ids = case.gpu_ids()
    trouble = any(case.hit(s) for s in ("no_devices", "no_such_device", "not_loaded", "adapter")) or facts.smi_rc in (
        6,
        9,
    )
    if not (version and ids and trouble):
        return None
    is_open = facts.open_loaded if facts.open_loaded is not None else facts.open_on_disk
    problems = [catalogue.branch_problem(i, version, bool(is_open)) for i in ids]
    if not all(problems):
        return None
    verdict = {"open_unsupported": "open_module_unsupported", "open_required": "open_module_required"}.get(
        problems[0], "legacy_gpu"
    )
    return finding(
        verdict,
        "Driver %s does not drive GPU 10de:%s: by the catalogue its branch or flavour is not for it."
        % (version, ids[0]),
        ["lspci.txt: %s" % gpu.line for gpu in facts.gpus or ()][:1]
        + case.seen("proc-driver-nvidia-version.txt", "modinfo.txt")[:1],
    )


def owned_by_another_driver(case, _catalogue):
    """The module was loaded, and another driver already held the GPU."""
    hit = case.hit("other_driver", probe=True)
    return _bound(case, hit.proof) if hit else None


def bound_to_another_driver(case, _catalogue):
    """lspci or lsmod shows another driver on the GPU."""
    facts = case.facts
    bound = [gpu for gpu in facts.gpus or () if gpu.driver]
    others = [gpu for gpu in bound if gpu.driver not in ("nvidia", "nvidia-current")]
    if bound and len(others) == len(bound):
        return _bound(case, "lspci.txt: Kernel driver in use: %s (%s)" % (others[0].driver, others[0].line))
    if not bound and facts.modules and "nouveau" in facts.modules and not facts.module_loaded:
        return _bound(case, (facts.quote("lsmod.txt", "nouveau") or [""])[0])
    return None


def _bound(case, proof):
    holders = {gpu.driver for gpu in case.facts.gpus or ()} | set(case.facts.modules or ())
    passed = [name for name in _PASSED_THROUGH if name in holders or name.replace("-", "_") in holders]
    if passed and "nouveau" not in holders:
        return finding(
            "other_driver_bound",
            "The GPU is held by %s, which hands it to a virtual machine: that is a choice, so nothing takes it "
            "away; release it there first." % passed[0],
            [proof],
            [],
        )
    name = next((n for n in ("nouveau", "nvidiafb", "rivafb") if n in holders), "another driver (nouveau, as a rule)")
    return finding("other_driver_bound", "The GPU is held by %s, so NVIDIA's module cannot have it." % name, [proof])


def secure_boot(case, _catalogue):
    """The kernel refuses modules without a signature that it trusts."""
    facts = case.facts
    if facts.module_loaded:
        return None
    hit = case.hit("secure_boot", _KERNEL_SAYS, now=True)
    if hit is None and case.secure_boot_on():
        refused = case.hit("not_permitted", _KERNEL_SAYS)
        # All of modinfo was captured and names no signer; or DKMS built it, and it does not run for no other reason.
        unsigned = facts.license and not facts.signer
        idle = case.hit("not_loaded") and facts.module_file() and not (facts.signer or _other_reason(case))
        hit = refused or ((unsigned or idle) and facts.module_file() and case.hit("not_loaded")) or None
    if hit is None:
        return None
    return finding(
        "secure_boot",
        "Secure Boot refuses the module, which carries no signature that this machine trusts: enrol the signing key "
        "(mokutil --import, "
        "then confirm at the console), use the distribution's signed modules, or switch Secure Boot off.",
        [hit.proof, *facts.quote("mokutil.txt", "SecureBoot")],
    )


def _other_reason(case):
    signs = ("vermagic", "missing_symbol", "other_driver", "no_such_device", "no_gpu")
    return any(case.hit(sign, _KERNEL_SAYS) for sign in signs) or bound_to_another_driver(case, None)


def module_missing(case, _catalogue):
    """No module for the running kernel lies on disk."""
    facts = case.facts
    if facts.module_loaded or facts.on_disk:
        return None
    hit = case.hit("module_missing", (*_KERNEL_SAYS, "modinfo.txt"))
    if hit is None and (
        facts.module_file() is not False or (facts.module_loaded is None and not case.hit("not_loaded"))
    ):
        return None
    kernel = facts.kernel or "the running kernel"
    proof = [hit.proof] if hit else case.seen("dkms-status.txt", "modinfo.txt", "uname.txt")
    proof += facts.quote("kernels.txt", kernel) + facts.quote("lspci.txt", "Kernel modules:")
    registered = [d for d in facts.dkms if d["state"] in ("added", "built", "installed")]
    actions = ["rebuild_modules", "load_modules"] if registered else None
    return finding(
        "module_missing",
        "There is no NVIDIA module for %s%s." % (kernel, "; DKMS has the source" if registered else ""),
        proof,
        actions,
        "Build the registered module for the running kernel and load it." if actions else None,
    )


def refused_by_the_kernel(case, _catalogue):
    """The module was built for another kernel, or needs what this kernel has not loaded."""
    # An alias that is switched off fails with the loader's words for a missing symbol.
    if case.facts.module_loaded or case.hit("module_alias_off", _KERNEL_SAYS):
        return None
    symbol = case.hit("missing_symbol", _KERNEL_SAYS, now=True)
    magic = case.hit("vermagic", _KERNEL_SAYS, now=True)
    if symbol:
        name, code = symbol.match.group(1) or "symbol that is asked for", symbol.match.group(2)
        # -22 is EINVAL: the symbol is there, of another build; else it is not there at all.
        if code == "-22":
            return finding(
                "missing_symbol",
                "The module was built against another build of this kernel: its %s does not agree." % name,
                [symbol.proof] + ([magic.proof] if magic else []),
                ["install_headers", "rebuild_modules", "load_modules"],
                "Build the module again for exactly the running kernel.",
            )
        return finding(
            "missing_symbol",
            "The kernel has no %s: something that the NVIDIA module needs is not loaded." % name,
            [symbol.proof],
        )
    if magic is None:
        return None
    pair = case.hit("vermagic_pair", _KERNEL_SAYS)
    built, wants = pair.match.groups() if pair else ("another kernel or compiler", "the running one")
    actions = (
        ["install_compiler", "rebuild_modules", "load_modules"]
        if pair and built.split()[0] == wants.split()[0]
        else None
    )
    return finding(
        "vermagic_mismatch",
        "The module on disk was built for %s, the kernel wants %s." % (built.strip(), wants.strip()),
        [hit.proof for hit in (pair, magic) if hit],
        actions,
        "Build the module again with the kernel's own compiler." if actions else None,
    )


def module_not_loaded(case, _catalogue):
    """A module is there, or nothing says that none is, and it is not loaded."""
    facts = case.facts
    hit = (
        case.hit("not_loaded") or case.hit("module_alias_off", _KERNEL_SAYS) or case.hit("not_permitted", _KERNEL_SAYS)
    )
    if facts.loaded or (facts.module_loaded and not hit):
        return None
    no_device = case.hit("no_such_device", _KERNEL_SAYS)
    if no_device:
        # It loads, and no GPU is its own: no rule above knows why.
        return None
    if hit is None and facts.smi_rc != 9 and not (facts.module_loaded is False and facts.module_file()):
        return None
    proof = [hit.proof] if hit else case.seen("modinfo.txt", "dkms-status.txt", "lsmod.txt", "nvidia-smi.rc")
    where = "is on disk" if facts.module_file() else "may be on disk (modinfo and dkms were not captured)"
    # The kernel log of a load that ended by itself: no rule above knows why, and loading it again tells.
    empty = case.hit("no_gpu", ("dmesg.txt",))
    why = "when it was loaded it found no GPU that it drives" if empty else "nothing that was captured refuses it"
    return finding(
        "module_not_loaded",
        "The NVIDIA module is not loaded; it %s, and %s." % (where, why),
        proof + ([empty.proof] if empty else []),
    )


def _gpu(case):
    ids = case.gpu_ids()
    return "GPU 10de:%s" % ids[0] if ids else "this GPU"

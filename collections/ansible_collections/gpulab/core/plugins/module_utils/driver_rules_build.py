"""Rules for building the module: headers, compiler, the build itself. Pure."""

from ansible_collections.gpulab.core.plugins.module_utils.driver_case import LOGS
from ansible_collections.gpulab.core.plugins.module_utils.driver_finding import finding
from ansible_collections.gpulab.core.plugins.module_utils.driver_signs import SIGNS

_BUILDERS = ("build-log.txt", "dkms-status.txt", "modprobe.txt", "dmesg.txt", "framework.txt", "dpkg.txt")


def _matters(case):
    """A build log counts when the module it speaks of is wanted: none is loaded, or the loaded one is the wrong one.

    The log of an earlier installation must not accuse a module that is loaded and fits.
    """
    return not case.facts.loaded or case.mismatch() is not None


def _ended_well(case, sign):
    return case.after(sign, "build_done", ("build-log.txt",))


def headers_missing(case, _catalogue):
    """The headers of the kernel that the module is for are not there."""
    if not _matters(case):
        return None
    facts = case.facts
    hit = case.hit("headers_missing", _BUILDERS)
    if hit and not _ended_well(case, "headers_missing"):
        kernel = next((g for g in hit.match.groups() if g), facts.kernel)
        # DKMS goes through all kernels: only the one that runs decides, when it is known and its own build failed
        # otherwise.
        if not (
            _build_kernels(case) and facts.kernel and kernel != facts.kernel and facts.kernel in _build_kernels(case)
        ):
            return finding(
                "headers_missing",
                "The headers of %s are not installed, so no module was built."
                % ("kernel %s" % kernel if kernel else "the running kernel"),
                [hit.proof],
            )
    if facts.headers_absent() and facts.module_file() is not True and (facts.dkms or _dkms_package(case)):
        return finding(
            "headers_missing",
            "Kernel %s has neither its headers nor an NVIDIA module, and the driver's source waits to be built."
            % facts.kernel,
            facts.quote("kernels.txt", facts.kernel) + case.seen("dkms-status.txt"),
        )
    return None


def _dkms_package(case):
    return any("dkms" in p["name"] and "nvidia" in p["name"] and p["status"][1:2] != "c" for p in case.facts.packages)


def _build_kernels(case):
    """Kernels for which a build was tried and failed."""
    found = SIGNS["build_kernel"].findall(case.facts.flat("build-log.txt"))
    return {name for pair in found for name in pair if name}


def compiler_mismatch(case, _catalogue):
    """The compiler is not the kernel's, or there is none."""
    if not _matters(case):
        return None
    hit = case.hit("compiler_mismatch", _BUILDERS)
    if hit is None or _ended_well(case, "compiler_mismatch"):
        return None
    text = case.facts.texts[hit.proof.split(":")[0]]
    # Somebody told the installer to go on: then this is not what stopped it.
    if text.search(SIGNS["compiler_ignored"], hit.match.end()):
        return None
    return finding(
        "compiler_mismatch",
        "The module was not built: the compiler is not the one that the kernel was built with.",
        [hit.proof],
    )


def build_failed(case, _catalogue):
    """DKMS or the installer tried, and the module did not compile."""
    if not _matters(case):
        return None
    hit = case.hit("build_failed", LOGS)
    if hit and not _ended_well(case, "build_failed"):
        kernels = sorted(_build_kernels(case))
        where = " on kernel %s" % ", ".join(kernels) if kernels else ""
        return finding(
            "dkms_build_failed",
            "The module does not build%s: this driver release does not fit that kernel." % where,
            [hit.proof],
        )
    half = [p for p in case.facts.packages if p["status"][1:2] in ("F", "H") and "nvidia" in p["name"]]
    if half and case.facts.module_loaded is not True and case.facts.module_file() is not True:
        name = half[0]["name"]
        return finding(
            "dkms_build_failed",
            "Package %s is half configured and no module was built; its log was not seen." % name,
            case.facts.quote("dpkg.txt", name),
        )
    return None

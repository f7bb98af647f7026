"""The doctor: from a host's evidence to one verdict, the lines that decided it, and the smallest repair. Pure.

Causes are asked in the order in which they cause each other: hardware, then the GPU and the branch, then building the
module, loading it, starting the GPU, the libraries, and what stands on top of them. The first that the evidence shows
is the verdict, so a mismatch because DKMS failed is a DKMS failure. A GPU that answers is only doubted for what
speaks of now: versions that differ, a GPU that is gone, or trouble above the driver. What fits no rule is `unknown`,
and says what was seen: never a guess.
"""

from collections import namedtuple

from ansible_collections.gpulab.core.plugins.module_utils import (
    driver_catalogue,
    driver_rules_build,
    driver_rules_load,
    driver_rules_run,
    driver_rules_top,
)
from ansible_collections.gpulab.core.plugins.module_utils.driver_case import Case
from ansible_collections.gpulab.core.plugins.module_utils.driver_repairs import REPAIRS, risk_of

# verdict: a key of REPAIRS. proof: "file: line" that decided. repair: a sentence, or None where nothing on the host
# mends it. actions: what the role does, in order. needs_reboot: "no", "maybe" or "yes". risk: a sentence.
Diagnosis = namedtuple("Diagnosis", ("verdict", "sentence", "proof", "repair", "actions", "needs_reboot", "risk"))

# A GPU that answers nvidia-smi.
WORKING = (
    driver_rules_run.gpu_lost,
    driver_rules_run.unlisted_gpu_failed,
    driver_rules_run.version_mismatch,
    driver_rules_run.other_module_on_disk,
    driver_rules_top.fabric_manager,
    driver_rules_top.cuda_compat,
    driver_rules_top.cuda_too_old,
    driver_rules_top.access_blocked,
    driver_rules_top.uvm_missing,
    driver_rules_top.container,
    driver_rules_run.healthy,
)
# A GPU that does not, or nobody asked it.
BROKEN = (
    driver_rules_run.gpu_lost,
    driver_rules_load.no_gpu_in_lspci,
    driver_rules_load.open_module_unsupported,
    driver_rules_load.open_module_required,
    driver_rules_load.legacy_gpu,
    driver_rules_load.owned_by_another_driver,
    driver_rules_build.headers_missing,
    driver_rules_build.compiler_mismatch,
    driver_rules_build.build_failed,
    driver_rules_load.secure_boot,
    driver_rules_load.module_missing,
    driver_rules_load.refused_by_the_kernel,
    driver_rules_load.bound_to_another_driver,
    driver_rules_load.branch_of_another_gpu,
    driver_rules_load.no_gpu_for_the_module,
    driver_rules_run.version_mismatch,
    driver_rules_run.firmware_failure,
    driver_rules_run.adapter_failed,
    driver_rules_run.userspace_missing,
    driver_rules_top.fabric_manager,
    driver_rules_top.access_blocked,
    driver_rules_load.module_not_loaded,
    driver_rules_top.cuda_compat,
    driver_rules_top.cuda_too_old,
    driver_rules_top.uvm_missing,
    driver_rules_top.container,
    driver_rules_run.healthy,
)


def diagnose(evidence, catalogue=driver_catalogue, wanted="auto"):
    """Return the Diagnosis of {file name: text} (see driver_evidence.FILES); a source that is absent was not seen.

    catalogue: what knows which branches drive which GPU (driver_catalogue). wanted: the driver asked for; it is named
    in the repair of a verdict that takes another driver. Never raises: what cannot be read is as if it had not been
    captured.
    """
    case = Case(evidence)
    for rule in WORKING if case.works else BROKEN:
        found = rule(case, catalogue)
        if found is not None:
            return _diagnosis(found, wanted)
    return _diagnosis(driver_rules_run.unknown(case), wanted)


def _diagnosis(found, wanted):
    usual = REPAIRS[found.verdict]
    actions = list(usual.actions if found.actions is None else found.actions)
    repair = found.repair or usual.sentence if actions else None
    if repair and "install_driver" in actions and wanted != "auto":
        repair = "%s You asked for %s." % (repair, wanted)
    reboot, risk = (usual.needs_reboot, risk_of(actions, usual.risk)) if actions else ("no", REPAIRS["unknown"].risk)
    proof = [line for n, line in enumerate(found.proof) if line not in found.proof[:n]]
    return Diagnosis(found.verdict, found.sentence, proof, repair, actions, reboot, risk)

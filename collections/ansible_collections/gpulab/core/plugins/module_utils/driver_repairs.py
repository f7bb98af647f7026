"""For each verdict: what is done about it, whether that may take a reboot, and what it risks. Pure data.

`actions` are what roles/nvidia_driver knows to do, in order; none means that nothing on the host mends it, and the
sentence of the diagnosis says who can. A rule may choose other actions for its case.
"""

from collections import namedtuple

Repair = namedtuple("Repair", ("actions", "sentence", "needs_reboot", "risk"))

_NOTHING = Repair((), None, "no", "None: nothing is changed.")
_BUILD = "Compiles for some minutes; what is loaded stays loaded until the new module is there."
_PACKAGES = "Replaces driver packages; what was there is recorded and put back if it fails."

REPAIRS = {
    "healthy": _NOTHING,
    "no_gpu": _NOTHING,
    "stale_loaded_module": Repair(
        ("reload_modules",),
        "Unload the module that is loaded and load the one on disk; reboot only if something holds the GPU.",
        "maybe",
        "Programs that use the GPU must have ended: they are named, never killed.",
    ),
    "stale_module_on_disk": Repair(
        ("reinstall_driver", "update_initramfs", "reload_modules"),
        "Bring the module on disk to the version of the libraries, renew the initramfs, and reload.",
        "maybe",
        _PACKAGES,
    ),
    "module_missing": Repair(
        ("reinstall_driver", "load_modules"), "Put the driver's module there for the running kernel.", "no", _PACKAGES
    ),
    "module_not_loaded": Repair(("load_modules",), "Load the module that is on disk.", "no", "None known."),
    "headers_missing": Repair(
        ("install_headers", "rebuild_modules", "load_modules"),
        "Install the headers of the running kernel, build the module and load it.",
        "maybe",
        _BUILD,
    ),
    "dkms_build_failed": Repair(
        ("install_driver", "load_modules"),
        "Install a driver release that builds on this kernel.",
        "maybe",
        _PACKAGES,
    ),
    "compiler_mismatch": Repair(
        ("install_compiler", "rebuild_modules", "load_modules"),
        "Install the compiler that the kernel was built with and build the module with it.",
        "no",
        _BUILD,
    ),
    "vermagic_mismatch": Repair(
        ("install_headers", "rebuild_modules", "load_modules"),
        "Build the module again for exactly the running kernel.",
        "no",
        _BUILD,
    ),
    "missing_symbol": Repair(
        ("install_extra_modules", "load_modules"),
        "Install the kernel's extra modules, which the driver needs, and load it.",
        "no",
        "Adds a package of the running kernel.",
    ),
    "secure_boot": _NOTHING,
    "other_driver_bound": Repair(
        ("unbind_other_driver", "update_initramfs", "load_modules"),
        "Keep the other driver from the GPU, and load NVIDIA's.",
        "maybe",
        "A console on that GPU goes dark until the next boot.",
    ),
    "legacy_gpu": Repair(
        ("install_driver", "load_modules"), "Install a branch that drives this GPU.", "maybe", _PACKAGES
    ),
    "open_module_unsupported": Repair(
        ("install_driver", "load_modules"),
        "Install the proprietary module of a branch that drives this GPU.",
        "maybe",
        _PACKAGES,
    ),
    "open_module_required": Repair(
        ("install_driver", "load_modules"),
        "Install the open module of a branch that drives this GPU.",
        "maybe",
        _PACKAGES,
    ),
    "firmware_failure": _NOTHING,
    "adapter_init_failed": _NOTHING,
    "gpu_lost": _NOTHING,
    "userspace_missing": Repair(
        ("reinstall_driver", "load_modules"), "Install the libraries that belong to the kernel module.", "no", _PACKAGES
    ),
    "uvm_missing": Repair(("load_uvm",), "Load nvidia-uvm and make its device nodes.", "no", "None known."),
    "fabric_manager_mismatch": Repair(
        ("install_fabric_manager", "start_fabric_manager"),
        "Install the fabric manager of exactly the driver's version and start it.",
        "no",
        "Jobs on the NVSwitch fabric must have ended.",
    ),
    "fabric_manager_down": Repair(
        ("install_fabric_manager", "start_fabric_manager"),
        "Install the fabric manager of the driver's version if it is absent, and start it.",
        "no",
        "None known.",
    ),
    "cuda_driver_too_old": Repair(
        ("install_driver", "reload_modules"),
        "Install a driver branch that is new enough for the CUDA in use.",
        "maybe",
        _PACKAGES,
    ),
    "cuda_compat_misused": Repair(
        ("remove_compat",),
        "Take the CUDA compatibility libraries out of the library path.",
        "no",
        "Only the path changes; the files stay.",
    ),
    "container_only": _NOTHING,
    "access_blocked": _NOTHING,
    "unknown": _NOTHING,
}

VERDICTS = tuple(REPAIRS)


def risk_of(actions, usual):
    """Return the risk of these actions: their verdict's usual one, unless they build where that replaces packages."""
    replaces = {"reinstall_driver", "install_driver"} & set(actions)
    return _BUILD if usual == _PACKAGES and "rebuild_modules" in actions and not replaces else usual

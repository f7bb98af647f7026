"""NVIDIA's installer: flags by version, the build's command, and its logs in words."""

from __future__ import annotations

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import driver_runfile as runfile

INSTALLER_LOGS = {
    "unknown-flag": (
        "nvidia-installer: unrecognized option '--no-drm'\n\nERROR: Invalid commandline, please run "
        "`nvidia-installer --help` "
        "for usage information.",
        "its installer does not know the flag --no-drm",
    ),
    "unknown-flag-quoted": (
        './nvidia-installer: unrecognized option: "--no-drm"\n\nERROR: Invalid commandline, please run',
        "its installer does not know the flag --no-drm",
    ),
    "loaded": (
        "ERROR: An NVIDIA kernel module 'nvidia' appears to already be loaded in your kernel.  This may be "
        "because it is in "
        "use (for example, by an X server, a CUDA program, or the NVIDIA Persistence Daemon), but this may also "
        "happen if",
        "an NVIDIA kernel module is loaded and in use",
    ),
    "nouveau": (
        "ERROR: The Nouveau kernel driver is currently in use by your system.  This driver is incompatible with "
        "the NVIDIA",
        "the nouveau driver holds the GPU",
    ),
    "no-dkms": (
        "ERROR: Failed to find dkms on the system!\nERROR: Failed to install the kernel module through DKMS. No "
        "kernel module "
        "was installed; please try installing again without DKMS, or check the DKMS logs for more information.",
        "dkms is not installed",
    ),
    "no-headers": (
        "ERROR: Failed to run `/usr/sbin/dkms build -m nvidia -v 440.64 -k 3.10.0-957.el7.x86_64`: Error! Your "
        "kernel headers "
        "for kernel 3.10.0-957.el7.x86_64 cannot be found.\nERROR: Failed to install the kernel module through "
        "DKMS. No kernel",
        "the headers of kernel 3.10.0-957.el7.x86_64 are not installed",
    ),
    "does-not-build": (
        "ERROR: Failed to run `/usr/sbin/dkms build -m nvidia -v 390.157 -k 6.4.1-zen1-1-zen`: Error! Bad "
        "return status for "
        "module build on kernel: 6.4.1-zen1-1-zen (x86_64)\nERROR: Failed to install the kernel module through DKMS.",
        "the kernel module does not build for this kernel",
    ),
    "compiler": (
        "ERROR: The CC version check failed:\n\nThe kernel was built with gcc version 4.8.4, but the current compiler",
        "the compiler is not the one that built the kernel",
    ),
    "drm": (
        "ERROR: Unable to load the 'nvidia-drm' kernel module.\nnvidia: Unknown symbol "
        "drm_gem_prime_handle_to_fd (err 0)",
        "the kernel has no drm module (linux-image-extra or linux-modules-extra brings it)",
    ),
    "wrong-module": (
        "ERROR: Unable to load the kernel module 'nvidia.ko'.  This happens most frequently when this kernel "
        "module was built "
        "against the wrong or improperly configured kernel sources, with a version of gcc that differs from the "
        "one used",
        "the kernel does not take the module nvidia.ko",
    ),
    "other-installation": (
        "WARNING: The NVIDIA driver appears to have been installed previously using a different installer. To prevent "
        "potential conflicts, it is recommended either to update the existing installation using the same "
        "mechanism by which "
        "it was originally installed, or to uninstall the existing installation.\nThe package that is already "
        "installed is "
        "named nvidia-361. Please review the alternate method of installing the driver.",
        "another installation of the driver is in the way",
    ),
    "new-to-us": (
        "-> Done.\nERROR: Something that nobody has seen.\n",
        "its log says: ERROR: Something that nobody has seen.",
    ),
    "empty": ("", "its log says: nothing"),
}


@pytest.mark.parametrize("log", INSTALLER_LOGS)
def test_installer_log_becomes_a_sentence(log: str) -> None:
    text, words = INSTALLER_LOGS[log]
    assert runfile.log_sentence(text) == words


@pytest.mark.parametrize(
    ("version", "flags", "unknown"),
    [
        ("367.57", ["--silent", "--dkms", "--no-opengl-files", "--tmpdir=/var/tmp"], []),
        ("367.57", ["--no-drm"], ["--no-drm"]),
        ("375.39", ["--no-drm"], ["--no-drm"]),
        ("375.66", ["--no-drm"], []),
        ("470.57.02", ["--kernel-module-build-directory=kernel-open"], []),
        ("470.42", ["--kernel-module-build-directory=kernel-open"], ["--kernel-module-build-directory=kernel-open"]),
        ("550.40.06", ["--skip-module-load"], ["--skip-module-load"]),
        ("580.95.05", ["--skip-module-load", "--kernel-module-type=open", "--no-peermem"], []),
        ("580.95.05", ["--no-such-flag", "--dkms"], ["--no-such-flag"]),
    ],
)
def test_flags_are_those_of_the_version(version: str, flags: list[str], unknown: list[str]) -> None:
    assert runfile.unknown_flags(version, flags) == unknown


@pytest.mark.parametrize(
    ("version", "flavour", "flags"),
    [
        ("367.57", "proprietary", ["--silent", "--dkms"]),
        ("470.256.02", "proprietary", ["--silent", "--dkms"]),
        ("535.288.01", "open", ["--silent", "--dkms", "--kernel-module-build-directory=kernel-open"]),
        ("535.288.01", "proprietary", ["--silent", "--dkms"]),
        ("580.173.02", "proprietary", ["--silent", "--dkms", "--kernel-module-type=proprietary"]),
        ("595.84", "open", ["--silent", "--dkms", "--kernel-module-type=open"]),
    ],
)
def test_installation_names_the_module_where_there_is_a_choice(version: str, flavour: str, flags: list[str]) -> None:
    assert runfile.install_flags(version, flavour) == flags
    assert runfile.unknown_flags(version, flags) == []


def test_extra_flags_come_once_and_last() -> None:
    assert runfile.install_flags("367.57", "proprietary", ["--dkms", "--no-x-check"])[1:] == ["--dkms", "--no-x-check"]


def test_open_module_is_refused_before_there_was_one() -> None:
    assert runfile.flavour_problem("515.43.04", "open") is None
    assert runfile.flavour_problem("367.57", "proprietary") is None
    assert "no open kernel module" in str(runfile.flavour_problem("510.108.03", "open"))


def test_build_lets_the_makefile_find_the_sources_of_the_kernel() -> None:
    assert runfile.build_command("6.1.0-40-cloud-amd64", 2)[-2:] == ["KERNEL_UNAME=6.1.0-40-cloud-amd64", "modules"]
    assert runfile.module_folder("open") == "kernel-open"
    assert runfile.module_folder("proprietary") == "kernel"


@pytest.mark.parametrize(
    ("log", "line"),
    [
        (
            "  CC [M]  /tmp/x/nvidia/os-mlock.o\n/tmp/x/nvidia/os-mlock.c:49:5: error: too many arguments to function "
            "'get_user_pages'\nmake[2]: *** [scripts/Makefile.build:250: /tmp/x/nvidia/os-mlock.o] Error 1\n",
            "/tmp/x/nvidia/os-mlock.c:49:5: error: too many arguments to function 'get_user_pages'",
        ),
        (
            "CONFTEST: x\n*** Failed CC version check. Bailing out! ***\nmake: *** [module] Error 1\n",
            "*** Failed CC version check.",
        ),
        ("make[1]: *** [Makefile:81: modules] Error 2\n", "make[1]: *** [Makefile:81: modules] Error 2"),
        ("sh: 1: make: not found\n\n", "sh: 1: make: not found"),
    ],
)
def test_first_error_is_the_one_that_tells(log: str, line: str) -> None:
    assert runfile.first_error(log).startswith(line)

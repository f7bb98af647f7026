"""Which compiler built a kernel, what DKMS is asked to do, and which headers follow the kernel."""

from __future__ import annotations

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import driver_kernels as kernels


def entry(module: str, version: str, kernel: str | None, state: str) -> dict[str, str | None]:
    return {"module": module, "version": version, "kernel": kernel, "state": state}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (
            "Linux version 6.1.0-40-cloud-amd64 (debian-kernel@lists.debian.org) (gcc-12 (Debian "
            "12.2.0-14+deb12u1) 12.2.0, "
            "GNU ld (GNU Binutils for Debian) 2.40) #1 SMP",
            "gcc-12",
        ),
        (
            "Linux version 6.8.0-1015-aws (buildd@lcy02) (x86_64-linux-gnu-gcc-13 (Ubuntu 13.2.0-23ubuntu4) "
            "13.2.0, GNU ld) #16",
            "gcc-13",
        ),
        (
            "Linux version 4.4.0-59-generic (buildd@lgw01-11) (gcc version 5.4.0 20160609 (Ubuntu "
            "5.4.0-6ubuntu1~16.04.4) ) #80",
            "gcc-5",
        ),
        (
            "Linux version 3.13.0-100-generic (buildd@lcy01-30) (gcc version 4.8.4 (Ubuntu 4.8.4-2ubuntu1~14.04.3) )",
            "gcc-4.8",
        ),
        (
            "Linux version 5.14.0-503.el9.x86_64 (mock@x) (gcc (GCC) 11.5.0 20240719 (Red Hat 11.5.0-2), GNU ld) #1",
            "gcc-11",
        ),
        ("Linux version 6.9.0 (me@home) (Ubuntu clang version 18.1.3, Ubuntu LLD 18.1.3) #1", None),
        ("", None),
        (None, None),
    ],
)
def test_compiler_of_the_kernel(text: str | None, name: str | None) -> None:
    assert kernels.compiler_of(text) == name


def test_newest_tree_is_built_unless_a_version_is_asked_for() -> None:
    entries = [entry("nvidia", "367.57", None, "added"), entry("nvidia-current", "535.99.01", "6.1", "installed")]
    entries.append(entry("nvidia-current", "535.261.03", "6.1", "built"))
    assert kernels.dkms_source(entries) == ("nvidia-current", "535.261.03")
    assert kernels.dkms_source(entries, "367.57") == ("nvidia", "367.57")
    assert kernels.dkms_source(entries, "580.1") is None
    assert kernels.dkms_source([]) is None


SOURCE = ("nvidia-current", "535.261.03")
TREE = "nvidia-current/535.261.03"


def test_nothing_is_built_for_what_is_installed() -> None:
    assert kernels.dkms_commands([entry(*SOURCE, "6.1", "installed")], SOURCE, ["6.1"], False) == []


def test_what_is_only_added_or_built_is_installed() -> None:
    entries = [entry(*SOURCE, None, "added"), entry(*SOURCE, "6.5", "built")]
    install = [["dkms", "install", "--force", TREE, "-k", kernel] for kernel in ("6.1", "6.5")]
    assert kernels.dkms_commands(entries, SOURCE, ["6.1", "6.5"], False) == install
    assert kernels.dkms_commands(entries, SOURCE, ["6.1", "6.5"], True) == install


def test_forced_build_starts_from_a_removed_one_and_keeps_the_tree_of_other_kernels() -> None:
    entries = [entry(*SOURCE, "6.1", "installed"), entry(*SOURCE, "6.5", "installed")]
    assert kernels.dkms_commands(entries, SOURCE, ["6.1"], True) == [
        ["dkms", "remove", TREE, "-k", "6.1"],
        ["dkms", "install", "--force", TREE, "-k", "6.1"],
    ]


def test_tree_that_dkms_forgets_with_its_last_kernel_is_added_again() -> None:
    entries = [entry(*SOURCE, "6.1", "installed"), entry("nvidia", "367.57", "6.5", "installed")]
    commands = kernels.dkms_commands(entries, SOURCE, ["6.1"], True)
    assert [command[1] for command in commands] == ["remove", "add", "install"]


@pytest.mark.parametrize(
    ("running", "found", "expected"),
    [
        ("6.1.0-9-amd64", [("6.1.0-9-amd64", True), ("6.1.0-10-amd64", True)], ["6.1.0-9-amd64", "6.1.0-10-amd64"]),
        ("6.1.0-9-amd64", [("6.1.0-9-amd64", True), ("6.1.0-10-amd64", False)], ["6.1.0-9-amd64"]),
        ("6.1.0-10-amd64", [("6.1.0-9-amd64", True), ("6.1.0-10-amd64", True)], ["6.1.0-10-amd64"]),
        ("6.1.0-10-amd64", [], ["6.1.0-10-amd64"]),
    ],
)
def test_kernel_of_the_next_boot_is_the_newest_with_headers(
    running: str, found: list[tuple[str, bool]], expected: list[str]
) -> None:
    folders = [{"name": name, "build": build, "nvidia": None} for name, build in found]
    assert kernels.kernels_to_build(running, folders) == expected


@pytest.mark.parametrize(
    ("installed", "headers"),
    [
        (["linux-image-aws", "linux-image-6.8.0-1015-aws"], ["linux-headers-aws"]),
        (["linux-image-cloud-amd64", "linux-headers-cloud-amd64"], []),
        (["linux-image-generic-hwe-22.04"], ["linux-headers-generic-hwe-22.04"]),
        (["linux-image-6.1.0-40-amd64", "linux-image-extra-virtual"], []),
        ([], []),
    ],
)
def test_headers_follow_only_kernels_that_move(installed: list[str], headers: list[str]) -> None:
    assert kernels.following_headers(installed) == headers

"""Which program makes environments."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import environment_tool as tool

PIN = {
    "version": "2.9.0-0",
    "url": "https://example.org/{version}/micromamba-linux-{arch}",
    "arch": {"x86_64": "64", "aarch64": "aarch64"},
    "sha256": {"x86_64": "a" * 64, "aarch64": "b" * 64},
}
MAMBA = {"path": "/opt/conda/bin/mamba", "version": "mamba 1.5.8\nconda 24.1"}


def choose(
    kind: str = "micromamba", micromamba: str = "", machine: str = "x86_64", existing: tuple[Any, ...] = ()
) -> dict[str, str]:
    chosen: dict[str, str] = tool.choose(kind, micromamba, PIN, machine, "/r", list(existing))
    return chosen


@pytest.mark.parametrize(("machine", "arch", "digit"), [("x86_64", "64", "a"), ("aarch64", "aarch64", "b")])
def test_ours_is_pinned_for_each_machine(machine: str, arch: str, digit: str) -> None:
    chosen = choose(machine=machine)
    assert chosen["url"] == f"https://example.org/2.9.0-0/micromamba-linux-{arch}"
    assert (chosen["sha256"], chosen["path"], chosen["kind"]) == (digit * 64, "/r/bin/micromamba", "micromamba")
    assert chosen["identity"] == "micromamba 2"


def test_machine_without_a_pin_is_told() -> None:
    with pytest.raises(tool.ToolError, match="no micromamba for ppc64le, expected aarch64 or x86_64"):
        choose(machine="ppc64le")


def test_another_download_takes_the_same_place_and_identity() -> None:
    chosen = choose(micromamba="http://mirror:8181/micromamba-linux-64#sha256=" + "c" * 64)
    assert (chosen["url"], chosen["sha256"]) == ("http://mirror:8181/micromamba-linux-64", "c" * 64)
    # The environment is the same, so a mirror does not have it made anew.
    assert chosen["identity"] == choose()["identity"]


@pytest.mark.parametrize(
    "wrong", ["http://x/m", "http://x/m#sha256=abc", "http://x/m#md5=" + "a" * 32, "m#sha256=" + "a" * 64]
)
def test_download_without_a_sha256_is_refused(wrong: str) -> None:
    with pytest.raises(tool.ToolError, match="expected URL#sha256=HEX"):
        choose(micromamba=wrong)


@pytest.mark.parametrize(("kind", "micromamba"), [("/usr/bin/conda", ""), ("micromamba", "/opt/mm/micromamba")])
def test_path_on_the_host_is_not_downloaded(kind: str, micromamba: str) -> None:
    chosen = choose(kind, micromamba)
    assert chosen["url"] == chosen["sha256"] == ""
    assert chosen["path"] == (micromamba or kind)
    assert chosen["kind"] == chosen["path"].rsplit("/", 1)[-1]


def test_existing_takes_the_hosts_and_auto_only_if_there_is_one() -> None:
    for kind in ("existing", "auto"):
        chosen = choose(kind, existing=(MAMBA,))
        assert (chosen["path"], chosen["kind"], chosen["identity"]) == (MAMBA["path"], "mamba", "mamba 1")
    assert choose("auto")["kind"] == "micromamba"
    with pytest.raises(tool.ToolError, match="leave conda_env_tool out"):
        choose("existing")


def test_ours_is_taken_although_the_host_has_one() -> None:
    assert choose(existing=(MAMBA,))["path"] == "/r/bin/micromamba"

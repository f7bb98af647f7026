"""The known_hosts file of a deployment."""

from __future__ import annotations

from ansible_collections.gpulab.core.plugins.module_utils import host_pins

BEFORE = "# by hand\ni-1 ssh-ed25519 AAAA1\n"


def test_a_pinned_host_is_never_pinned_again() -> None:
    assert host_pins.pinned(BEFORE) == {"i-1"}
    after = host_pins.added(BEFORE, {"i-1": ["ssh-ed25519 EVIL"], "i-2": ["ssh-ed25519 AAAA2", "ssh-rsa AAAA3"]})
    assert after == BEFORE + "i-2 ssh-ed25519 AAAA2\ni-2 ssh-rsa AAAA3\n"
    assert host_pins.added(after, {"i-2": ["ssh-ed25519 OTHER"]}) == after


def test_a_last_line_without_an_end_is_kept_whole() -> None:
    assert host_pins.added("i-1 k v", {"i-2": ["k w"]}) == "i-1 k v\ni-2 k w\n"
    assert host_pins.added("", {}) == ""

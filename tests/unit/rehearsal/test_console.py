"""conmon's log as text, and what that text says."""

from __future__ import annotations

import pytest

from rehearsal import console

BANNER = "systemd 252.39-1~deb12u2 running in system mode (+PAM)\n"


def test_prefixes_colours_and_carriage_returns_go_and_parts_are_joined() -> None:
    raw = (
        "2026-11-22T02:34:49.05+00:00 stdout F [\x1b[0;32m  OK  \x1b[0m] Started\r\n"
        "2026-11-22T02:34:49.06+00:00 stdout P ip-172-31-0-5 \n"
        "2026-11-22T02:34:49.07+00:00 stderr F login:\n"
        "2026-11-22T02:34:49.08+00:00 stdout F \x1b]3008;start=1\x1b\\\x1b[?25hend\n"
        "torn line without a prefix\n"
    )
    assert console.plain(raw) == "[  OK  ] Started\nip-172-31-0-5 login:\nend\n"


def test_only_the_newest_part_is_kept() -> None:
    raw = "".join(f"t stdout F {number:09d}\n" for number in range(20_000))
    text = console.plain(raw)
    assert len(text) == console.LIMIT
    assert text.endswith("000019999\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (BANNER + "All done\nRebooting.\nExiting container.\n", "reboot"),
        (BANNER + "Powering off.\nExiting container.\n", "poweroff"),
        (BANNER + "Halting system.\nExiting container.\n", "halt"),
        (BANNER + "Rebooting.\n" + BANNER + "[  OK  ] Started\n", ""),
        (BANNER + "[  OK  ] Started Rebooting. it says\n", ""),
        ("Powering off.\n", "poweroff"),
        ("", ""),
    ],
)
def test_how_the_newest_boot_ended(text: str, expected: str) -> None:
    assert console.ending(text) == expected


def test_host_keys_are_those_of_the_newest_block_without_comments() -> None:
    block = "-----BEGIN SSH HOST KEY KEYS-----\n{}-----END SSH HOST KEY KEYS-----\n"
    text = (
        block.format("ssh-rsa OLD root@x\n")
        + "noise\n"
        + block.format("ssh-ed25519 AAAA root@x\necdsa-sha2 BBBB root@x\n")
    )
    assert console.host_keys(text) == ["ssh-ed25519 AAAA", "ecdsa-sha2 BBBB"]
    assert console.host_keys("nothing yet") == []

"""A host's console: from the log file that conmon keeps to plain text, and what that text says. Pure.

conmon's k8s-file format is one line per write: `TIME stdout F text` for a whole line, `P` for the first part of one.
"""

from __future__ import annotations

import re

LIMIT = 64 * 1024
"""Characters kept, the newest: GetConsoleOutput of EC2 gives the last 64 KB too."""

_RECORD = re.compile(r"^\S+ (?:stdout|stderr) ([FP]) ?(.*)$", re.DOTALL)
# Colours (CSI), then window titles and similar (OSC, which end in BEL or ESC backslash), then two-byte escapes.
_ESCAPE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-_]")
_BOOT = re.compile(r"^systemd \d+.* running in system mode", re.MULTILINE)
# What systemd-shutdown prints last (src/shutdown/shutdown.c), right before "Exiting container.".
_ENDINGS = {"Rebooting.": "reboot", "Powering off.": "poweroff", "Halting system.": "halt"}
_KEYS = re.compile(r"-----BEGIN SSH HOST KEY KEYS-----\n(.*?)-----END SSH HOST KEY KEYS-----", re.DOTALL)


def plain(raw: str) -> str:
    """The text as it stood on the screen, without conmon's prefixes, escape sequences and carriage returns."""
    parts: list[str] = []
    for line in raw.split("\n"):
        match = _RECORD.match(line)
        if match is None:
            continue
        parts.append(match[2] if match[1] == "P" else match[2] + "\n")
    text = _ESCAPE.sub("", "".join(parts)).replace("\r", "")
    return text[-LIMIT:]


def ending(text: str) -> str:
    """How the newest boot in `text` ended: reboot, poweroff, halt (also a stop from outside), or "" if it broke off."""
    boots = list(_BOOT.finditer(text))
    newest = text[boots[-1].start() :] if boots else text
    for line in reversed(newest.splitlines()):
        if line in _ENDINGS:
            return _ENDINGS[line]
    return ""


def host_keys(text: str) -> list[str]:
    """Public host keys (`type base64`) of the newest block that cloud-init wrote to the console; [] without one."""
    blocks = _KEYS.findall(text)
    if not blocks:
        return []
    return [" ".join(line.split()[:2]) for line in blocks[-1].splitlines() if line.strip()]

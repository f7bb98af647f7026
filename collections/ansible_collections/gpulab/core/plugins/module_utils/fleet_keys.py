"""The public key of a student: what is one, and what is wrong with what was given instead. Pure."""

from __future__ import annotations

import base64
import binascii
import re

TYPES = (
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
)
"""The key types that OpenSSH 9 accepts in authorized_keys (sshd(8)); ssh-dss is gone."""


def looks_like_key(text):
    """Whether a field holds a key itself, and not the name of a file with one; a private key counts too."""
    return text.startswith(("-----BEGIN", "PuTTY-User-Key-File")) or re.match(r"[\w@.-]+\s+AAAA", text) is not None


def problem(text):
    """Return what is wrong with a public key ("has ..., expected ..."), None when nothing is. Never the key itself."""
    if re.search(r"PRIVATE KEY|PuTTY-User-Key-File", text):
        return (
            "has a private key, expected the public one (the file that ends in .pub): "
            "remove it from there, and let its owner make a new pair, as a key that has been sent is no secret"
        )
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) != 1:
        return f"has {len(lines)} lines of keys, expected one public key"
    kind, _, rest = lines[0].strip().partition(" ")
    if kind not in TYPES:
        return (
            f"has a key of type '{kind[:40]}', expected ssh-ed25519 (or {', '.join(TYPES[1:3])}): ssh-keygen -t ed25519"
        )
    try:
        raw = base64.b64decode((rest.split() or [""])[0], validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    # The key repeats its type in its first field, after four bytes of length (RFC 4253, 6.6).
    if raw[4 : 4 + len(kind)] != kind.encode() or len(raw) < len(kind) + 36:
        return f"has an {kind} key that is cut off or changed, expected the whole line of the .pub file"
    return None


def normal(text):
    """Return a right key as "type body": the comment may be anything, and is nobody's business on another host."""
    return " ".join(text.split()[:2])

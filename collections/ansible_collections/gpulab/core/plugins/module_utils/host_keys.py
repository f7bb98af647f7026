"""SSH host keys as cloud-init prints them on the console of an instance. Pure."""

from __future__ import annotations

import re

_BLOCK = re.compile(r"-----BEGIN SSH HOST KEY KEYS-----(.*?)-----END SSH HOST KEY KEYS-----", re.DOTALL)
_KEY = re.compile(r"((?:ssh|ecdsa)-[a-z0-9-]+) (AAAA[A-Za-z0-9+/=]+)")


def host_keys(console):
    """Return the "type body" public keys of the last key block in the console text; [] when there is none.

    The console is what AWS's API hands out, so keys read there are known to be the host's before anything is sent to
    it. Lines may carry a kernel or journal prefix; carriage returns are console noise.
    """
    blocks = _BLOCK.findall(console.replace("\r", ""))
    if not blocks:
        return []
    return [" ".join(match) for match in _KEY.findall(blocks[-1])]

"""Where a rehearsal keeps its things, and the few constants its processes share. No side effects on import."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache"
"""Built images, wheels and data sets, keyed by the hash of their recipe; survives `bin/rehearse down`."""
STATE = Path(os.environ.get("GPULAB_REHEARSAL_STATE", ROOT / ".rehearsal"))
"""One running cloud: its pid, port, hosts and environment file; gone after `bin/rehearse down`."""
MIRROR = CACHE / "mirror"
"""What hosts download: wheels, a conda channel, data sets."""

ACCOUNT = "123456789012"
"""The account number of AWS's own documentation, which is also moto's; a rehearsal writes to no other."""
REGION = "us-east-1"


def state_id(state: Path) -> str:
    """Eight hex digits that name a state folder in labels and interface names."""
    return hashlib.sha256(str(state.resolve()).encode()).hexdigest()[:8]


# Two clones on one machine must not meet, so addresses come from the clone's path.
_SEED = int(hashlib.sha256(str(STATE.resolve()).encode()).hexdigest()[:8], 16)
ADDRESS_OCTET = 64 + _SEED % 128
"""Public addresses of hosts are 127.ADDRESS_OCTET.x.y: the whole of 127/8 is local on Linux."""
NETWORK = f"10.{210 + _SEED % 40}.{(_SEED >> 8) % 250}.0/24"
GATEWAY = NETWORK.replace(".0/24", ".1")
BRIDGE = f"gpulab{_SEED % 0xFFFF:04x}"
MIRROR_PORT = 8181
MIRROR_URL = f"http://{GATEWAY}:{MIRROR_PORT}"

"""Who listens on which address and port, from the kernel's own tables. Pure.

/proc/net/tcp and tcp6 as proc(5) describes them: one line a socket, addresses in hexadecimal words of the host's byte
order (little-endian here: x86_64 and arm64), state 0A is LISTEN.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import binascii
import ipaddress
from collections import namedtuple

Listener = namedtuple("Listener", ["address", "port", "uid", "inode"])

_LISTEN = "0A"


def listeners(*tables):
    """The listening sockets in the texts of /proc/net/tcp and /proc/net/tcp6."""
    found = []
    for table in tables:
        for line in table.splitlines()[1:]:
            words = line.split()
            if len(words) > 9 and words[3] == _LISTEN:
                address, port = words[1].split(":")
                found.append(Listener(_address(address), int(port, 16), int(words[7]), int(words[9])))
    return found


def _address(digits):
    raw = binascii.unhexlify(digits)
    words = [raw[n : n + 4][::-1] for n in range(0, len(raw), 4)]
    address = ipaddress.ip_address(b"".join(words))
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def is_loopback(address):
    """Whether only the host itself can reach this address."""
    return ipaddress.ip_address(address).is_loopback


def taken(port, holders):
    """The sentence about a port that somebody else listens on.

    holders: dicts with address, user, and pid and program (0 and "" where they cannot be seen).
    """
    first = holders[0]
    if first["pid"]:
        by = "process %d (%s) of user %s" % (first["pid"], first["program"], first["user"])
        end = "end it with `kill %d` if you do not need it" % first["pid"]
    else:
        by = "a process of user %s that cannot be seen from here" % first["user"]
        end = "end it"
    return (
        "Port %d is taken on %s by %s, expected it to be free for the notebook: %s, or set jupyter_server_port to "
        "another." % (port, first["address"], by, end)
    )

"""The notebook's token and what may be shown of it. Pure.

The token is 24 random bytes in hexadecimal, so nobody can try them all however fast the hash: a plain salted sha256
does, and every generation takes it, where newer ones would offer argon2 and older ones do not know it.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import hashlib
import re

BYTES = 24

_TOKEN = re.compile(r"[0-9a-f]{%d}" % (2 * BYTES))


def token_of(text):
    """The token in a file's text; "" when it has none that we made."""
    token = text.strip()
    return token if _TOKEN.match(token) and len(token) == 2 * BYTES else ""


def password_hash(token):
    """The token as the `password` setting wants it, algorithm:salt:digest of token + salt.

    The salt follows from the token, so that the same token gives the same configuration.
    """
    salt = hashlib.sha256(("salt of " + token).encode()).hexdigest()[:12]
    return "sha256:%s:%s" % (salt, hashlib.sha256((token + salt).encode()).hexdigest())

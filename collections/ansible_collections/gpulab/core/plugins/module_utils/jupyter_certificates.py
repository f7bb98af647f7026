"""What a certificate of a notebook says and has to say. Pure."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import ipaddress
import re

DAYS = 397
"""How long one is good for: browsers refuse longer ones (CA/Browser Forum, ballot SC31)."""
RENEW_DAYS = 30
"""One that ends sooner than this is made anew."""

_SETTINGS = """\
[req]
prompt = no
distinguished_name = name
x509_extensions = extensions

[name]
CN = gpulab notebook

[extensions]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = %s
"""


def _entry(name):
    """(kind, value) of a subject alternative name: an address in its usual form, or a DNS name."""
    try:
        return "IP", str(ipaddress.ip_address(name))
    except ValueError:
        return "DNS", name.lower()


def settings(names):
    """openssl's settings for a self-signed certificate of these names; a file, because old openssl has no -addext."""
    return _SETTINGS % ", ".join("%s:%s" % _entry(name) for name in names)


def missing(names, text):
    """Those of `names` that a certificate does not cover. text: what `openssl x509 -text` prints of it."""
    covered = set()
    for kind, value in re.findall(r"\b(DNS|IP Address):([^,\s]+)", text):
        covered.add(_entry(value) if kind != "DNS" else ("DNS", value.lower()))
    return [name for name in names if _entry(name) not in covered]

# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""The four MNIST files: names, sizes, hashes, and pure checks on their bytes. Python 3.6+, standard library only."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import hashlib
import zlib

SIZES = {
    "train-images-idx3-ubyte": 47040016,
    "train-labels-idx1-ubyte": 60008,
    "t10k-images-idx3-ubyte": 7840016,
    "t10k-labels-idx1-ubyte": 10008,
}
"""Bytes of each uncompressed file."""

SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
"""sha256 of each uncompressed file: the same in every well-kept copy of MNIST."""

NAMES = tuple(sorted(SIZES))


class IdxError(Exception):
    """Bytes that are not the file they should be; the text is one sentence."""


def is_right(name, raw):
    """Whether these uncompressed bytes are the file `name`."""
    return len(raw) == SIZES[name] and hashlib.sha256(raw).hexdigest() == SHA256[name]


def checked(name, body):
    """The uncompressed bytes of file `name` from a body that may be gzip; raises IdxError when they are not it.

    No more than the file's own size is ever unpacked, so a small hostile archive cannot fill the memory.
    """
    raw = body
    if body[:2] == b"\x1f\x8b":
        unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
        try:
            raw = unpacker.decompress(body, SIZES[name] + 1)
        except zlib.error as error:
            raise IdxError("%s: the gzip data is damaged (%s)" % (name, error)) from error
    if is_right(name, raw):
        return raw
    raise IdxError(
        "%s: sha256 %s (%d bytes), expected %s (%d bytes)"
        % (name, hashlib.sha256(raw[: SIZES[name] + 1]).hexdigest(), len(raw), SHA256[name], SIZES[name])
    )


def locations(source, name):
    """Where a source may hold a file: [(kind, location)], kind "url" or "path", compressed first."""
    if "://" in source and not source.startswith("file://"):
        kind, base = "url", source
    else:
        kind, base = "path", source[len("file://") :] if source.startswith("file://") else source
    base = base.rstrip("/") + "/"
    return [(kind, base + name + ".gz"), (kind, base + name)]


def all_failed(name, failures):
    """The sentence for a file that no source could give; failures is [(location, reason)]."""
    if not failures:
        return "%s is not there and no source is given: name a mirror or a folder in sources." % name
    reasons = "; ".join("%s (%s)" % failure for failure in failures)
    return "No source has a right %s: %s. Add a source that has it, or copy the file into the folder." % (name, reasons)

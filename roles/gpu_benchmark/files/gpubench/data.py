"""The four MNIST files: checked, read, split as the CarND LeNet lab splits them. No torch here."""

from __future__ import annotations

import functools
import hashlib
import struct
from pathlib import Path

SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
"""sha256 of each uncompressed file, as published with every well-kept mirror of MNIST."""

VALIDATION = 5000
"""TensorFlow 1's read_data_sets, which the lab uses, takes the first 5,000 training images for validation."""


class DataError(Exception):
    """A data file is missing, damaged or not what it claims to be; the text is one sentence for the user."""


def read_idx(raw: bytes) -> tuple[tuple[int, ...], bytes]:
    """Split an IDX file of unsigned bytes into its shape and its values (row-major).

    Raises DataError when the header is not that of unsigned bytes or the length does not fit it.
    """
    if len(raw) < 4 or raw[:3] != b"\0\0\x08":
        raise DataError(f"The data begins with {raw[:4].hex()}, expected an IDX header of unsigned bytes (000008..).")
    start = 4 + 4 * raw[3]
    if len(raw) < start:
        raise DataError(f"The IDX header needs {start} bytes, the file has {len(raw)}: download it again.")
    shape = struct.unpack(f">{raw[3]}I", raw[4:start])
    size = 1
    for length in shape:
        size *= length
    if len(raw) - start != size:
        raise DataError(f"The IDX header {shape} announces {size} bytes, {len(raw) - start} follow: download it again.")
    return shape, raw[start:]


@functools.cache
def read_checked(folder: Path, name: str, expected: str) -> tuple[tuple[int, ...], bytes]:
    """Read one IDX file, once in a process; raises DataError with both hashes when its sha256 is not `expected`."""
    path = folder / name
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): give the MNIST folder with --data.") from error
    found = hashlib.sha256(raw).hexdigest()
    if found != expected:
        raise DataError(f"{path} ({len(raw)} bytes) has sha256 {found}, expected {expected}: fetch it again.")
    return read_idx(raw)

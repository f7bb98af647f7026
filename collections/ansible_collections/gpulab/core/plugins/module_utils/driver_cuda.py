# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Lets every GPU of this host compute with nothing but libcuda: start, ask, copy a pattern there and back. Python 3.6+.

A broken driver can crash or hang whoever asks it, so `main` is for a process of its own. It prints a line of JSON
before each call, so that its end tells where it ended, and one with the answer.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import ctypes
import json
import os

LIBRARY = "libcuda.so.1"
SIZE = 1 << 20
"""Bytes that are copied."""


class CudaError(Exception):
    """A call of libcuda failed: `call` is its name, `code` the CUresult."""

    def __init__(self, call, code):
        Exception.__init__(self, "%s returned %d" % (call, code))
        self.call, self.code = call, code


def say(**words):
    """Print one line of JSON, at once."""
    print(json.dumps(words), flush=True)


class Cuda:
    """libcuda. Raises OSError when it cannot be loaded, AttributeError when it lacks a function, CudaError."""

    def __init__(self):
        self._library = ctypes.CDLL(LIBRARY)

    def call(self, name, *arguments):
        """Call a function that returns a CUresult."""
        say(call=name)
        code = getattr(self._library, name)(*arguments)
        if code:
            raise CudaError(name, code)

    def number(self, name, *arguments):
        """The int that a function writes to its first argument."""
        value = ctypes.c_int()
        self.call(name, ctypes.byref(value), *arguments)
        return value.value

    def name(self, device):
        """A GPU's name."""
        text = ctypes.create_string_buffer(256)
        self.call("cuDeviceGetName", text, len(text), device)
        return text.value.decode("utf-8", "replace")

    def copies(self, device):
        """Whether a pattern comes back from the GPU's memory as it was sent."""
        pattern = bytes(bytearray(range(256))) * (SIZE // 256)
        back = ctypes.create_string_buffer(SIZE)
        context, place = ctypes.c_void_p(), ctypes.c_uint64()
        self.call("cuCtxCreate_v2", ctypes.byref(context), 0, device)
        try:
            self.call("cuMemAlloc_v2", ctypes.byref(place), ctypes.c_size_t(SIZE))
            self.call("cuMemcpyHtoD_v2", place, pattern, ctypes.c_size_t(SIZE))
            self.call("cuMemcpyDtoH_v2", back, place, ctypes.c_size_t(SIZE))
            self.call("cuMemFree_v2", place)
        finally:
            self.call("cuCtxDestroy_v2", context)
        return back.raw == pattern


def probe():
    """{"version": as cuDriverGetVersion tells it (12020 is 12.2), "devices": [{name, copied}]} of all GPUs."""
    cuda = Cuda()
    cuda.call("cuInit", 0)
    version = cuda.number("cuDriverGetVersion")
    handles = [cuda.number("cuDeviceGet", number) for number in range(cuda.number("cuDeviceGetCount"))]
    return {
        "version": version,
        "devices": [{"name": cuda.name(handle), "copied": cuda.copies(handle)} for handle in handles],
    }


def main():
    """Probe, and say how it went."""
    os.environ.pop("CUDA_VISIBLE_DEVICES", None)  # hides GPUs
    try:
        say(answer=probe())
    except CudaError as error:
        say(failed=error.call, code=error.code)
    except (OSError, AttributeError) as error:
        say(failed=LIBRARY, reason=str(error))

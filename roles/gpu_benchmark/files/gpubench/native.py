"""Both nets' training in C, for a CPU of a machine with a C compiler: native_mlp.c and native_lenet.c.

PyTorch's matrix products know nothing of these nets. Products of 20 rows spend half their time bringing operands into
their order, and a convolution becomes a product only after its patches have been written to memory. A loop that knows
the shapes does neither: weights stay in the order in which they are read, 16 images go through all layers and back
within a core's own cache, and an update needs no gradient in memory. The arithmetic is the course's, in float32; sums
are taken in another order than PyTorch's, and dropout draws from a hash of the seed, the step and the unit.

Compiling takes 2 s. It begins before PyTorch is imported, which takes as long, and saves a second in each epoch.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SOURCES = ("native_lenet.c", "native_mlp.c")
FLAGS = ("-O3", "-march=native", "-std=gnu11", "-fno-math-errno", "-fno-trapping-math", "-shared", "-fPIC")
COMPILERS = ("cc", "gcc")


class Barrier(ctypes.Structure):
    """Where the threads of a training meet."""

    _fields_ = [(name, ctypes.c_int32) for name in ("threads", "arrived", "round")]


class Build:
    """The C library of this run, compiled in the background."""

    def __init__(self) -> None:
        """Start the compilers, one for each source; without one `why` says so."""
        # A run that ends early leaves its compilers at work.
        self.folder = tempfile.TemporaryDirectory(prefix="gpubench-", ignore_cleanup_errors=True)
        self.why, self.libraries = "", dict[str, ctypes.CDLL]()
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.compiler = os.environ.get("CC") or next(filter(None, map(shutil.which, COMPILERS)), "")
        if not self.compiler:
            self.why = "there is no C compiler (cc)"
            return
        here = Path(__file__).parent
        for source in SOURCES:
            command = [*self.compiler.split(), *FLAGS, "-o", str(self._path(source)), str(here / source), "-lm"]
            try:
                self.running[source] = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            except OSError as error:
                self.why = f"{self.compiler} does not start ({error.strerror})"

    def _path(self, source: str) -> Path:
        return Path(self.folder.name) / source.replace(".c", ".so")

    def wait(self) -> str:
        """Wait for the compilers; why there is no library, in words, or "" where there is."""
        for source, process in self.running.items():
            _, told = process.communicate()
            if process.returncode:
                first = next((line for line in told.decode(errors="replace").splitlines() if "error" in line), "")
                self.why = f"{self.compiler} does not compile {source} here ({first or process.returncode})"
        while self.running and not self.why:
            source, _ = self.running.popitem()
            try:
                self.libraries[source] = ctypes.CDLL(str(self._path(source)))
            except OSError as error:
                # Such as a temporary folder from which nothing may be run.
                self.why = f"what was compiled cannot be loaded ({error})"
        self.running.clear()
        # What is loaded stays, and nothing else is left behind.
        self.folder.cleanup()
        return self.why


@functools.cache
def build() -> Build:
    """The build of this process, begun by the first who asks."""
    return Build()


def key(seed: int) -> int:
    """32 bits for the masks' hash, far from those of the next seed."""
    return int.from_bytes(hashlib.sha256(str(seed).encode()).digest()[:4], "little")


@functools.cache
def _workers(count: int) -> ThreadPoolExecutor:
    # They wait for one another, so each needs a thread of its own.
    return ThreadPoolExecutor(count)


def together(function: ctypes._NamedFuncPointer, state: ctypes.Structure, threads: int, first: int, stop: int) -> None:
    """Call a net's loop in so many threads, this one among them; returns when all are done."""

    def part(thread: int) -> None:
        function(ctypes.byref(state), ctypes.c_int32(thread), ctypes.c_int64(first), ctypes.c_int64(stop))

    others = [_workers(threads - 1).submit(part, thread) for thread in range(1, threads)] if threads > 1 else []
    part(0)
    for other in others:
        other.result()

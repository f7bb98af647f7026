# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Why an import failed, read from what Python, the loader and the libraries say. Pure. Python 3.6+.

The texts are those of CPython, glibc, NumPy, OpenCV, protobuf, PyTorch and TensorFlow from 0.12 on.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import re
from typing import NamedTuple, Tuple

# Import name to the distribution on the package index, where they differ.
DISTRIBUTIONS = {
    "PIL": "pillow",
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "distutils": "setuptools",
    "google.protobuf": "protobuf",
    "pkg_resources": "setuptools",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "socketio": "python-socketio",
    "yaml": "pyyaml",
}

_CUDA = re.compile(
    r"lib(?:cudart|cublas(?:Lt)?|cufft|curand|cusolver|cusparse(?:Lt)?|cudnn\w*|nvrtc|nccl|cupti|nvJitLink|nvToolsExt"
    r"|cufile|nvinfer)\.so"
)
_DRIVER = re.compile(r"lib(?:cuda|nvidia-ml|nvcuvid)\.so")

# kind, expression; its groups are the names. The first that is found decides, so what hides another stands after it.
# A library counts where it is the error: TensorFlow 2 also warns of those that it can do without.
_RULES = (
    (
        "library",
        r"(?:Error: |Original error was: |shared libraries: )(?:\S*/)?(lib[^\s:/]+\.so[^\s:/]*): cannot open shared",
    ),
    ("glibc", r"version `(GLIBC_[\d.]+)' not found"),
    ("glibcxx", r"(\S+): version `((?:GLIBCXX|CXXABI)_[\d.]+)' not found"),
    ("cuda_mixed", r"(lib(?:cu|nv)\w+\.so[\d.]*): undefined symbol: (\w+)"),
    ("static_tls", r"(\S+): cannot allocate memory in static TLS block"),
    ("no_exec", r"(\S+): failed to map segment from shared object"),
    (
        "damaged",
        r"(\S+): (?:file too short|invalid ELF header|ELF load command \S+ past end|wrong ELF class)|bad marshal data"
        r"|bad magic number|source code string cannot contain null bytes|Error -\d while decompressing",
    ),
    ("shadowed", r"consider renaming '([^']+)'"),
    (
        "numpy_abi",
        r"compiled using NumPy 1\.x cannot be run|_ARRAY_API not found|numpy\.(?:core|_core)[.\w]* failed to import"
        r"|numpy\.\w+ size changed|compiled against (?:ABI|API) version \S+ but this version of numpy"
        r"|No module named '?numpy\.(?:core|_core)\._multiarray_umath",
    ),
    ("numpy_api", r"module 'numpy' has no attribute '(\w+)'|`(np\.\w+)` was removed in the NumPy"),
    (
        "protobuf",
        r"Descriptors cannot (?:not )?be created directly|Couldn't build proto file into descriptor pool"
        r"|cannot import name '?\w+'? from 'google\.protobuf[\w.]*'|unexpected keyword argument 'serialized_\w+'"
        r"|incompatible Protobuf Gencode/Runtime|bad argument type for built-in operation.*descriptor",
    ),
    ("undefined_symbol", r"(\S+): undefined symbol: (\w+)"),
    ("opencv_mixed", r"recursion is detected during loading of \"cv2\"|module 'cv2[\w.]*' has no attribute '(\w+)'"),
    ("shadowed", r"partially initialized module '([\w.]+)'"),
    ("display", r"no display name|couldn't connect to display|Cannot load backend '(\w+)'|Qt platform plugin"),
    (
        "instructions",
        r"compiled to use ([\w.]+) instructions|built with baseline optimizations|does not support (AVX\w*)"
        r"|Illegal instruction",
    ),
    (
        "python_incomplete",
        r"No module named '?(_ctypes|_bz2|_lzma|_ssl|_sqlite3|_tkinter|_curses|_hashlib|_uuid|tkinter)\b",
    ),
    ("python_too_new", r"No module named '?(imp|asyncore|asynchat|cgi)(?:'|$|\s)"),
    ("python_too_new", r"cannot import name '?(\w+)'? from '(?:collections|inspect|fractions|typing)'"),
    ("incomplete", r"cannot import name '?\w+'? from '?([\w.]+)'? \(unknown location\)"),
    ("missing", r"No module named '?([\w.]+)'?"),
    ("mismatch", r"cannot import name '?\w+'?(?: from '?([\w.]+)'?)?"),
    ("python_too_old", r"File \"([^\"]*/site-packages/[^\"]*)\", line \d+[^E]*\n\s*SyntaxError"),
    ("no_space", r"No space left on device"),
    ("permission", r"Permission denied: '([^']+)'"),
    ("memory", r"MemoryError|Cannot allocate memory"),
)
_COMPILED = tuple((kind, re.compile(text, re.MULTILINE)) for kind, text in _RULES)
# Kinds that rest on the error itself; what is only printed on the way does not count for them.
_LAST_ERROR_ONLY = ("missing", "mismatch", "permission", "memory", "no_space", "python_too_new")
_ERROR_LINE = re.compile(r"^\w[\w.]*(?:Error|Exception|Exit)\b", re.MULTILINE)
_SIGNALS = {4: "instructions", 9: "killed", 14: "slow"}


class Finding(NamedTuple):
    """What is wrong with one module."""

    module: str
    kind: str
    names: Tuple[str, ...]
    """Libraries, modules, symbols or files that the kind speaks of."""
    text: str
    """The last line of the error."""


def distribution(module):
    """The distribution that brings a module: that of its top package unless a longer name is known."""
    parts = module.split(".")
    for length in range(len(parts), 0, -1):
        known = DISTRIBUTIONS.get(".".join(parts[:length]))
        if known:
            return known
    return parts[0].replace("_", "-").lower()


def library_kind(library):
    """Who brings a shared library: "cuda_library" | "driver_library" | "system_library"."""
    if _DRIVER.match(library):
        return "driver_library"
    return "cuda_library" if _CUDA.match(library) else "system_library"


def diagnose(module, error, signal=0, libraries=()):
    """Finding for an import that failed with this text.

    signal: number that ended the process, 0 if none. libraries: what `ldd` misses for the module's files.
    """
    if signal in _SIGNALS:
        return Finding(module, _SIGNALS[signal], (), last_line(error))
    for kind, expression in _COMPILED:
        found = expression.search(_last_error(error) if kind in _LAST_ERROR_ONLY else error)
        if found:
            names = tuple(name for name in found.groups() if name)
            return _finding(module, kind, names, error, libraries)
    return Finding(module, "crash" if signal else "other", (str(signal),) if signal else (), last_line(error))


def _finding(module, kind, names, error, libraries):
    if kind == "library":
        kind = library_kind(names[0])
        names += tuple(sorted(name for name in set(libraries) - set(names) if library_kind(name) == kind))
    elif kind == "missing":
        top = names[0].partition(".")[0]
        # Its own part is missing: the package is there, and not whole.
        if names[0] != module and top == module.partition(".")[0] and not module.startswith(names[0] + "."):
            kind = "incomplete"
        elif names[0] != module and not module.startswith(names[0] + "."):
            kind = "dependency"
    return Finding(module, kind, names, last_line(error))


def last_line(error):
    """The last line of a text that says something, at most 300 characters."""
    lines = [line.strip() for line in error.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""


def _last_error(error):
    """The last exception in a text with tracebacks, with all lines of its message."""
    starts = [match.start() for match in _ERROR_LINE.finditer(error)]
    return error[starts[-1] :] if starts else error

# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""What conda's programs and pip print when they fail, as one sentence. Pure. Python 3.6+.

The forms are those of libmamba 1.x and 2.x, conda 4 to 26 and pip 9 to 26. The order of the rules matters: a full disk
also looks like a broken download, and a channel out of reach like packages that do not exist.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import re
from typing import Any, Dict, List, NamedTuple

_SPACE = re.compile(r"No space left on device|Download error \(23\)|\[Errno 28\]|NoSpaceLeftError|Disk quota exceeded")
_CONDA_HASH = re.compile(r"(?P<kind>SHA256|MD5|file size) doesn't match expectation \"(?P<path>[^\"]+)\"")
_CONDA_SUM = re.compile(r"ChecksumMismatchError|hash mismatch|incorrect (?:SHA256|MD5|size)")
_PIP_HASH = re.compile(r"^\s*(?P<name>[A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?==\S+ from ", re.MULTILINE)
_UNKNOWN = re.compile(
    r"(?P<name>[A-Za-z0-9][\w.-]*)(?P<version> [=<>!~]\S*)?(?: \S+)?,?(?: which)? does not exist \(perhaps"
    r"|nothing provides requested (?P<older>[A-Za-z0-9][\w.-]*)"
)
_CONDA_UNKNOWN = re.compile(r"^\s+- (?P<name>[A-Za-z0-9][\w.-]*)(?:[=<>!]\S*)?\s*$", re.MULTILINE)
_CHANNEL = re.compile(
    r"Download error \(\d+\) (?P<what>[^\[\n]+?)\s*\[(?P<url>[^\]]+)\]"
    r"|Unable to retrieve repodata \(response: (?P<status>\d+)\) for '(?P<url2>[^']+)'"
    r"|Transfer finalized, status: (?P<status2>[45]\d\d) \[(?P<url3>[^\]]+)\]"
    r"|(?:CondaHTTPError|UnavailableInvalidChannel|ProxyError|CondaSSLError): (?P<said>.*)"
)
_GLIBC = re.compile(r"__glibc\s*(?P<wanted>[>=<]*\s*[\d.]+)|version `GLIBC_(?P<version>[\d.]+)' not found")
_PIP_NONE = re.compile(r"No matching distribution found for (?P<name>\S+)")
_PIP_UNREACHABLE = re.compile(
    r"Could not fetch URL (?P<url>\S+?):? |Failed to establish a new connection|Connection refused|Max retries exceeded"
    r"|Temporary failure in name resolution|(?P<status>[45]\d\d) (?:Client|Server) Error.*url: (?P<url2>\S+)"
)
_PIP_CONFLICT = re.compile(r"Cannot install (?P<name>[^\s,]+)|ResolutionImpossible|conflicting dependencies")
_UNSOLVED = re.compile(r"[Cc]ould not solve|UnsatisfiableError")
_BRANCH = re.compile(r"^[\s\u2500-\u257f|`-]+")
_REASON = re.compile(r"requires|conflicts with|is requested|not installable")
_STEP = re.compile(r"^gpulab: (?P<step>\w+) ended with exit code -?\d+$", re.MULTILINE)

_CORRECT = "correct the name in conda_env_file, or name a channel that has it in conda_env_channels"
_LOOSEN = "loosen a version in the environment file (conda_env_file)"
_AGAIN = "nothing of it was installed; try again, and ask whoever keeps that source if it stays so"
_LARGER = "free some, or set gpulab_environment to a path on a larger disk"
_OLDER = "use a newer system, or an older profile with -e gpu_profile=carnd-2017"
_REACH = "see that the host reaches it, or set %s to a place that it reaches"


class Output(NamedTuple):
    """What a step printed, and what it was about (see explain)."""

    text: str
    lines: List[str]
    step: str
    about: Dict[str, Any]

    @property
    def channels(self):
        """The channels in words."""
        return " and ".join(self.about["channels"])

    @property
    def source(self):
        """Where pip's files come from, in words."""
        return self.about["wheels"] or "pip's package index"


def explain(lines, about):
    """One sentence for the output of a step that failed.

    lines: the last lines of the output. about: channels (list of URLs or names), wheels (URL, "" for pip's index),
    root, free (megabytes before), needed (megabytes), in_use (whether an old environment is), extras (specs of a
    user's that were carried over), and log (path of the whole output on the host).
    """
    text = "\n".join(lines)
    output = Output(text, lines, (_STEP.findall(text) or [""])[-1], about)
    said, todo = next(found for found in (rule(output) for rule in RULES) if found)
    if output.step == "extras":
        named = [spec for spec in about["extras"] if spec.split("=")[0].lower() in said.lower()] or about["extras"]
        one = "Your own %s" if len(named) == 1 else "One of your own %s"
        said = "%s cannot be installed in the new environment (%s)" % (one % ", ".join(named), said)
        todo = "remove it from the old one, or go on without your additions with -e conda_env_keep_extras=false"
    end = "the environment in use is untouched" if about["in_use"] else "nothing was left behind"
    return "%s: %s; %s." % (said, todo, end)


# Each rule returns (what was found and expected, what to do) or None.


def _space(output):
    if _SPACE.search(output.text):
        about = output.about
        return "The disk ran full below %(root)s, which needs %(needed)d MB and had %(free)d MB free" % about, _LARGER
    return None


def _checksum(output):
    found = _CONDA_HASH.search(output.text)
    if not found and not _CONDA_SUM.search(output.text):
        return None
    name = found.group("path").rsplit("/", 1)[-1] if found else "a package"
    kind = found.group("kind").lower().replace("file ", "") if found else "sha256"
    pair = re.search(r"Expected: (\S+)\s+Actual: (\S+)", output.text)
    numbers = " (%s, expected %s)" % (pair.group(2), pair.group(1)) if pair else ""
    return "The file %s from %s has another %s than its channel says%s" % (name, output.channels, kind, numbers), _AGAIN


def _pip_checksum(output):
    if "DO NOT MATCH THE HASHES" not in output.text:
        return None
    names = _PIP_HASH.findall(output.text)
    got = re.search(r"Got\s+([0-9a-f]{64})", output.text)
    what = (names[-1] if names else "a package", output.source, " (%s)" % got.group(1) if got else "")
    return "The file of %s from %s has another sha256 than the lock pins%s" % what, _AGAIN


def _unknown(output):
    names = [
        (found.group("name") or found.group("older")) + (found.group("version") or "").replace(" =*", "")
        for found in _UNKNOWN.finditer(output.text)
    ]
    if not names and "PackagesNotFoundError" in output.text:
        names = _CONDA_UNKNOWN.findall(output.text)
    if not names or _CHANNEL.search(output.text):
        return None
    return "The channel %s has no package %s" % (output.channels, ", ".join(sorted(set(names)))), _CORRECT


def _glibc(output):
    found = _GLIBC.search(output.text)
    if not found:
        return None
    version = (found.group("wanted") or found.group("version")).strip()
    return "The packages need glibc %s, which this host has not" % version, _OLDER


def _unreachable(output):
    found = ([None, *_CHANNEL.finditer(output.text)])[-1]
    if found:
        url = found.group("url") or found.group("url2") or found.group("url3") or output.channels
        status = found.group("status") or found.group("status2")
        what = "HTTP status %s" % status if status else (found.group("what") or found.group("said") or "no answer")
        return "The address %s cannot be had (%s)" % (url, what.strip()), _REACH % "conda_env_channels"
    found = _PIP_UNREACHABLE.search(output.text)
    if found and output.step != "create":
        url = found.group("url") or found.group("url2") or output.source
        return "Pip cannot reach %s" % url, _REACH % "conda_env_mirror"
    return None


def _unsolvable(output):
    if not _UNSOLVED.search(output.text):
        return None
    reasons = [_BRANCH.sub("", line).rstrip(" ;,.") for line in output.lines if _REASON.search(line)]
    why = "; ".join(reasons[:3]) or "the solver gave no reason"
    return "The packages do not go together on %s (%s)" % (output.channels, why), _LOOSEN


def _pip_missing(output):
    found = _PIP_NONE.search(output.text)
    if found:
        what = (output.source, found.group("name"))
        todo = "pin another version in conda_env_requirements, or add it to that source"
        return "The source %s has no file of %s for this Python and system" % what, todo
    found = _PIP_CONFLICT.search(output.text)
    if found:
        name = found.group("name") or "a package"
        return (
            "The package %s does not go together with the versions of the lock" % name,
            "pin others in conda_env_requirements",
        )
    return None


def _other(output):
    said = [line.strip() for line in output.lines if line.strip() and not line.startswith("gpulab: ")]
    what = (output.step or "that makes the environment", said[-1].rstrip(".") if said else "it said nothing")
    return "The step %s failed (%s)" % what, "read %s on the host" % output.about["log"]


RULES = (_space, _checksum, _pip_checksum, _unknown, _glibc, _unreachable, _unsolvable, _pip_missing, _other)

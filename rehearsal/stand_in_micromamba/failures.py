"""What goes wrong, in the forms in which libmamba 2.x reports it (on stderr, `LEVEL libmamba TEXT`)."""

from __future__ import annotations

import errno
import http.client
import socket
import urllib.error
from urllib.parse import urlsplit

NO_SPACE = "No space left on device"
_CACHE_ADVICE = (
    "If you run into this error repeatedly, your package cache may be corrupted.",
    "Please try running `mamba clean -a` to remove this cache before retrying the operation.",
)


class Failure(Exception):
    """The end of a run: lines for stderr, as (level, text); further lines of a text are indented when printed."""

    def __init__(self, *lines: tuple[str, str]) -> None:
        super().__init__(lines[-1][1])
        self.lines = lines

    def __str__(self) -> str:
        return "\n".join(f"{level:<8} libmamba {text}".replace("\n", "\n    ") for level, text in self.lines)


def critical(text: str) -> Failure:
    """A failure of one message."""
    return Failure(("critical", text))


def transport(url: str, error: Exception) -> Failure:
    """A download that brought no answer, with libcurl's number and words for it."""
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    where = urlsplit(url)
    port = where.port or (443 if where.scheme == "https" else 80)
    if isinstance(reason, OSError) and reason.errno == errno.ENOSPC:
        return no_space_for_download(url, "")
    if where.scheme == "file":
        code, words, more = 37, "Could not read a file:// file", f"Couldn't open file {where.path}"
    elif isinstance(reason, socket.gaierror):
        code, words, more = 6, "Could not resolve hostname", f"Could not resolve host: {where.hostname}"
    elif isinstance(reason, TimeoutError):
        code, words, more = 28, "Timeout was reached", f"Connection to {where.hostname}:{port} timed out"
    elif isinstance(reason, http.client.IncompleteRead):
        code, words, more = 18, "Transferred a partial file", f"end of response with {reason.expected} bytes missing"
    elif isinstance(reason, ConnectionError) and not isinstance(reason, ConnectionRefusedError):
        code, words, more = 56, "Failure when receiving data from the peer", f"Recv failure: {reason.strerror}"
    else:
        code, words = 7, "Could not connect to server"
        more = f"Failed to connect to {where.hostname} port {port} after 0 ms: Could not connect to server"
    message = f"Download error ({code}) {words} [{url}]\n{more}"
    return Failure(("warning", message), ("critical", message))


def repodata_status(channel: str, subdir: str, url: str, status: int) -> Failure:
    """A channel whose server answered with something else than its index."""
    lines = (f"Transfer finalized, status: {status} [{url}] 0 bytes", f"Subdir {channel}/{subdir} not loaded!")
    return Failure(
        ("warning", f"Unable to retrieve repodata (response: {status}) for '{url}'"),
        ("critical", "\n".join(("Multiple errors occurred:", *lines, *_CACHE_ADVICE))),
    )


def package_status(url: str, status: int) -> Failure:
    """A package that the server does not give away."""
    return Failure(
        ("error", f"Failed to download package from {url} (status {status})"),
        ("critical", f"Transfer finalized, status: {status} [{url}] 0 bytes"),
    )


def not_valid(what: str, path: str, expected: str, actual: str) -> Failure:
    """A package of another size or checksum (`what`: file size, SHA256, MD5) than was expected."""
    return Failure(
        (
            "error",
            f'File not valid: {what} doesn\'t match expectation "{path}"\nExpected: {expected}\nActual: {actual}',
        ),
        ("critical", "Found incorrect downloads. Aborting"),
    )


def missing(specs: list[str]) -> Failure:
    """Packages, as `name =version build`, that no channel has."""
    if len(specs) == 1:
        tree = ["The following package could not be installed"]
    else:
        tree = ["The following packages are incompatible"]
        tree += [f"├─ {spec} does not exist (perhaps a typo or a missing channel);" for spec in specs[:-1]]
    tree.append(f"└─ {specs[-1]} does not exist (perhaps a typo or a missing channel).")
    return unsolvable("\n".join(tree))


def unsolvable(tree: str) -> Failure:
    """A tree of what conflicts, led by its heading."""
    words = "Could not solve for environment specs"
    return Failure(("error", f"{words}\n{tree}"), ("critical", words))


def no_space_for_download(url: str, path: str) -> Failure:
    """The disk is full while a file comes in."""
    return Failure(
        ("error", f'Could not write to file "{path}": {NO_SPACE}'),
        (
            "critical",
            f"Download error (23) Failed writing received data to disk/application [{url}]\n"
            "Failure writing output to destination",
        ),
    )


def linking(text: str, prefix: str) -> Failure:
    """What py-rattler said when it extracted and linked; a full disk in libmamba's words."""
    if NO_SPACE in text:
        return critical(f"filesystem error: cannot copy: {NO_SPACE} [{prefix}]")
    return critical(" ".join(text.split()))

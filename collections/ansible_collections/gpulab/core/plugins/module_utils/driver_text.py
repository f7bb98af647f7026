"""Captured outputs as people really post them, made searchable. Pure.

Colours, CRLF, syslog's `#012`, time stamps in three styles, lines wrapped by mail programs and by the kernel log's own
continuation lines: a sentence of the driver is found whatever its line breaks, and the line that it began on is kept
as proof.
"""

import bisect
import re

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][0-9A-B]|[\x00-\x08\x0b\x0c\x0e-\x1f]")
# What stands before the text of a kernel log line: syslog's or the journal's date and host, the tag, seconds since
# boot or `dmesg -T`'s date, and the driver's own tag. "module build on kernel: 6.5" has no date before it, and stays
# whole.
_PREFIX = re.compile(
    r"^\s*(?:(?:[A-Z][a-z]{2} +\d+ +\d\d:\d\d:\d\d|\d{4}-\d\d-\d\d[T ]\S+) +(?:\S+ +)?)?(?:<\d+>)?"
    r"(?:\[\s*\d+\.\d+\]\s*|\[\w{3} \w{3} +\d+ [\d:]+ \d{4}\]\s*)?(?:kernel:\s*)?(?:\[\s*\d+\.\d+\]\s*)?(?:NVRM:\s*)?"
)


def lines_of(text):
    """Return a text's lines without colours, carriage returns and control characters; `#012` is syslog's line end."""
    text = text.replace("#012", "\n").replace("\r\n", "\n").replace("\r", "\n")
    return _ESCAPES.sub("", text).split("\n")


_SECONDS = re.compile(r"\[\s*(\d+\.\d+)\]")


class Text:
    """One captured output: `lines` as posted, and `flat`, all of it in one line without prefixes, to search sentences
    in.
    """

    def __init__(self, name, text):
        self.name = name
        self.lines = [line.rstrip() for line in lines_of(text)]
        self._starts = []
        parts, length = [], 0
        for line in self.lines:
            clean = " ".join(_PREFIX.sub("", line).split())
            self._starts.append(length)
            parts.append(clean)
            length += len(clean) + 1
        self.flat = " ".join(parts)

    def __bool__(self):
        return bool(self.flat.strip())

    def search(self, pattern, start=0):
        """Return the first match of a compiled pattern in `flat` from an offset on, or None."""
        return pattern.search(self.flat, start)

    def last(self, pattern):
        """Return the last match of a compiled pattern in `flat`, or None."""
        return max(pattern.finditer(self.flat), key=lambda match: match.start(), default=None)

    def moments_before(self, match):
        """Return the offset of the first line of what happened with a match: within a minute by its stamps, or six
        lines.
        """
        line = first = bisect.bisect_right(self._starts, match.start()) - 1
        stamp = self._stamp(line)
        while first > 0 and line - first < (40 if stamp is not None else 6):
            before = self._stamp(first - 1)
            if stamp is not None and before is not None and not 0 <= stamp - before <= 60:
                break
            first -= 1
        return self._starts[first]

    def _stamp(self, line):
        found = _SECONDS.search(self.lines[line])
        return float(found.group(1)) if found else None

    def proof(self, match):
        """Return "file: line" for the line on which a match of this text begins."""
        line = self.lines[bisect.bisect_right(self._starts, match.start()) - 1]
        return "%s: %s" % (self.name, line.strip()[:300])

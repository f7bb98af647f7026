"""Rows of short texts as aligned columns for a terminal. Pure."""

from __future__ import annotations

import textwrap


def lines(rows, widest=()):
    """Return the rows (equally long tuples of str, the heading first) as lines of aligned columns.

    widest: characters that each column may have, in order; longer cells go on in the next line. None or nothing is no
    limit.
    """
    wrapped = [[_wrap(cell, n, widest) for n, cell in enumerate(row)] for row in rows]
    widths = [max(len(line) for row in wrapped for line in row[n]) for n in range(len(rows[0]))]
    made = []
    for row in wrapped:
        for height in range(max(len(cell) for cell in row)):
            cells = [cell[height] if height < len(cell) else "" for cell in row]
            made.append("  ".join(cell.ljust(widths[n]) for n, cell in enumerate(cells)).rstrip())
    return made


def _wrap(cell, column, widest):
    limit = widest[column] if column < len(widest) else None
    # Commands and addresses stay whole, so that they can be copied.
    return textwrap.wrap(cell, limit, break_long_words=False, break_on_hyphens=False) or [""] if limit else [cell]

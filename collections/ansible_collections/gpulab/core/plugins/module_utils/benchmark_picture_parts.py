# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Pieces of an SVG picture as text: words, lines, dots, and scales for axes. Lengths are pixels. Pure. Python 3.6+."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import math
from xml.sax.saxutils import escape, quoteattr

INK, FAINT, GRID, PAPER = "#1f2328", "#59636e", "#d8dee4", "#ffffff"
COLOURS = {"cpu": "#0969da", "cuda": "#bc4c00", "naive": "#6e7781", "course": "#8250df"}
"""Each at least 4.5:1 against the paper, so that words may have the colour of what they name."""

WIDE = 0.62
"""Width of a letter over the font's size: more than sans-serif fonts take on average."""


def element(name, inside=None, **attributes):
    """Return one SVG element; `_` in an attribute's name stands for `-`; numbers are written to a tenth of a pixel."""
    said = "".join(
        " %s=%s" % (key.rstrip("_").replace("_", "-"), quoteattr(_written(value)))
        for key, value in attributes.items()
        if value is not None
    )
    return "<%s%s/>" % (name, said) if inside is None else "<%s%s>%s</%s>" % (name, said, inside, name)


def _written(value):
    return ("%.1f" % value).replace(".0", "") if isinstance(value, float) else str(value)


def words(x, y, text, size=13, colour=INK, anchor="start", bold=False):
    """Return a line of text whose base line begins, is centred or ends (`anchor`) at x, y."""
    weight = "600" if bold else None
    return element(
        "text",
        escape(text),
        x=float(x),
        y=float(y),
        font_size=size,
        fill=colour,
        text_anchor=None if anchor == "start" else anchor,
        font_weight=weight,
    )


def width(text, size):
    """Return at most how wide a text is."""
    return len(text) * size * WIDE


def fit(text, size, room):
    """Return the text, cut with an ellipsis where it may not fit into `room`."""
    letters = int(room / (size * WIDE))
    return text if len(text) <= letters else text[: max(letters - 1, 0)].rstrip() + "…"


def short(name):
    """Return a GPU's name without its maker's."""
    return name[len("NVIDIA ") :] if name.startswith("NVIDIA ") else name


def blank(x, y, wide, high):
    """Return a piece of plain paper that hides what was drawn there."""
    return element("rect", x=float(x), y=float(y), width=float(wide), height=high, fill=PAPER)


def line(x1, y1, x2, y2, colour=GRID, thick=1, dash=None):
    """Return a straight line."""
    return element(
        "line",
        x1=float(x1),
        y1=float(y1),
        x2=float(x2),
        y2=float(y2),
        stroke=colour,
        stroke_width=thick,
        stroke_dasharray=dash,
        stroke_linecap="round" if thick > 3 else None,
    )


def curve(points, colour, dash=None):
    """Return a line through [(x, y)]; "" for fewer than two points."""
    if len(points) < 2:
        return ""
    path = " ".join("%.1f,%.1f" % point for point in points)
    return element("polyline", points=path, fill="none", stroke=colour, stroke_width=2.5, stroke_dasharray=dash)


def dot(x, y, colour, radius=4.0, hollow=False, title=None):
    """Return a dot; a hollow one is a figure that is not to be relied on. `title` shows under the pointer."""
    inside = None if title is None else element("title", escape(title))
    fill = PAPER if hollow else colour
    return element("circle", inside, cx=float(x), cy=float(y), r=radius, fill=fill, stroke=colour, stroke_width=2)


def cross(x, y, colour, arm=4.5):
    """Return a small x."""
    return line(x - arm, y - arm, x + arm, y + arm, colour, 2) + line(x - arm, y + arm, x + arm, y - arm, colour, 2)


def ticks(top, most=5):
    """Return round numbers from 0 on, the last one at or above `top` (> 0), at most `most` steps."""
    power = 10.0 ** math.floor(math.log10(top / most))
    step = next(power * times for times in (1, 2, 2.5, 5, 10) if power * times * most >= top * 0.999999)
    return [step * n for n in range(math.ceil(top / step - 1e-6) + 1)]


def decades(least, most):
    """Return the powers of ten that enclose both numbers (> 0), at least two of them."""
    low = math.floor(math.log10(least))
    high = max(math.ceil(math.log10(most)), low + 1)
    return [10**power for power in range(low, high + 1)]


def on_decades(value, powers, left, right):
    """Return the x of a value on a logarithmic axis between `left` and `right`."""
    low, high = math.log10(powers[0]), math.log10(powers[-1])
    return left + (math.log10(value) - low) / (high - low) * (right - left)

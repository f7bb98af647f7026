# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""The picture's right half: images per second, a row each for CPU, GPU, the naive style and the course's page. Pure.

The axis is logarithmic, because a GPU and the course's CPU may lie a thousandfold apart. So its marks are dots: a bar's
length would say nothing there.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import collections
import math

from ansible_collections.gpulab.core.plugins.module_utils import benchmark_picture_parts as draw
from ansible_collections.gpulab.core.plugins.module_utils import benchmark_rules as rules
from ansible_collections.gpulab.core.plugins.module_utils.benchmark_sentence import thousands

COURSE_MINUTES = {"lenet": (("its GPU", 1.0), ("its CPU", 7.5))}
"""For ten epochs: the CarND page's 7.5 minutes on its author's CPU and 1 minute on an AWS GPU instance."""

Row = collections.namedtuple("Row", "name colour rate seconds floor reliable")
"""name: its words. rate: images/s. seconds: per epoch. floor: images/s that matrix products alone allow, or None."""


def rows(document, net):
    """Return a net's rows: measured ones first, then the naive style where it was measured, then the course's page."""
    found = [_row(document, net, device, run) for ran, device, run in rules.runs(document) if ran == net]
    naive = (document.get(net) or {}).get("naive") or {}
    for device in ("cpu", "cuda"):
        if naive.get(device):
            found.append(_row(document, net, device, naive[device]))
    for name, minutes in COURSE_MINUTES.get(net, ()):
        seconds = minutes * 60 / 10
        rate = rules.IMAGES[net] / seconds
        found.append(Row("Course page, " + name, draw.COLOURS["course"], rate, seconds, None, True))
    return found


def _row(document, net, device, run):
    threads, name = run.get("threads"), draw.short(rules.device_name(document, device))
    count = "%d thread%s" % (threads, "" if threads == 1 else "s") if device == "cpu" and threads else ""
    lowest = run.get("floor_seconds_per_epoch")
    floor = rules.IMAGES[net] / lowest if rules.is_finite(lowest) and lowest > 0 else None
    reliable = not rules.doubts(run)
    colour = device
    if run.get("style") == "naive":
        name, count, colour, floor = "DataLoader", count or name, "naive", None
    name = ", ".join(part for part in (name, count) if part)
    return Row(name, draw.COLOURS[colour], run["images_per_second"], run["seconds_per_epoch"], floor, reliable)


def panel(document, net, left, top, width):
    """Return ([SVG elements], the y below which nothing is drawn)."""
    shown, right, powers = rows(document, net), left + width, _axis(document)
    drawn = [
        draw.words(left, top + 10, "Training images a second (each line is ten times the one before)", 13, draw.FAINT)
    ]
    y, first = top + 40, top + 44
    body = []
    for row in shown:
        body += _drawn(row, left, right, y, powers)
        y += 58 if row.floor else 42
    labels = [_named(power) for power in powers]
    # As many numbers on the axis as there is room for.
    step = math.ceil(max(draw.width(label, 11) + 12 for label in labels) * (len(powers) - 1) / width)
    for n, power in enumerate(powers):
        x = draw.on_decades(power, powers, left, right)
        anchor = "start" if n == 0 else "end" if n == len(powers) - 1 else "middle"
        drawn.append(draw.line(x, first, x, y - 14))
        if n % step == 0:
            drawn.append(draw.words(x, y, labels[n], 11, draw.FAINT, anchor))
    return drawn + body, y + 6


def _axis(document):
    """Return the powers of ten of the axis: the same for all nets, so that they can be compared."""
    shown = [row for net in rules.trained(document) for row in rows(document, net)]
    rates = [row.rate for row in shown] + [row.floor for row in shown if row.floor]
    return draw.decades(min(rates), max(rates))


def _drawn(row, left, right, y, powers):
    """Return a row's words at y, on a strip of paper that keeps grid lines out of them, and its dot below."""
    told = "%s/s, %s an epoch" % (thousands(row.rate), _seconds(row.seconds))
    if not row.reliable:
        told = "unreliable: " + told
    room = right - left - draw.width(told, 13) - 12
    x, track = draw.on_decades(row.rate, powers, left, right), y + 12
    drawn = [
        draw.blank(left, y - 12, right - left, 16),
        draw.words(left, y, draw.fit(row.name, 13, room), 13, row.colour, bold=True),
        draw.words(right, y, told, 13, draw.INK, "end"),
        draw.line(left, track, right, track, "#eaeef2", 5),
    ]
    if row.floor:
        drawn += _floor(row, left, right, track, powers)
    return [*drawn, draw.dot(x, track, row.colour, 5.5, not row.reliable, "%s: %s" % (row.name, told))]


def _floor(row, left, right, track, powers):
    """Return the mark of a row's floor, a line to it from the dot, and its words below, kept between left and right."""
    x, at = draw.on_decades(row.rate, powers, left, right), draw.on_decades(row.floor, powers, left, right)
    text = "floor: %s/s" % thousands(row.floor)
    half = draw.width(text, 11) / 2
    middle = min(max(at, left + half), right - half)
    return [
        draw.line(x, track, at, track, row.colour, 2),
        draw.line(at, track - 7, at, track + 7, row.colour, 3),
        draw.blank(middle - half, track + 9, 2 * half, 13),
        draw.words(middle, track + 19, text, 11, draw.FAINT, "middle"),
    ]


def _seconds(seconds):
    return "%.2g s" % seconds if seconds < 1 else "%.2f s" % seconds if seconds < 20 else "%.0f s" % seconds


def _named(power):
    return "{:,}".format(power) if power < 10**6 else "{:,} million".format(power // 10**6)

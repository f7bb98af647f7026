# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""The benchmark as a picture: loss by epoch and images per second, CPU beside GPU, net under net, as SVG text. Pure.

It has its own paper, so it reads the same on a light and on a dark page. Nothing but the document decides how it looks:
the same document gives the same bytes.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from xml.sax.saxutils import escape

from ansible_collections.gpulab.core.plugins.module_utils import benchmark_picture_loss as loss
from ansible_collections.gpulab.core.plugins.module_utils import benchmark_picture_parts as draw
from ansible_collections.gpulab.core.plugins.module_utils import benchmark_picture_speed as speed
from ansible_collections.gpulab.core.plugins.module_utils import benchmark_rules as rules
from ansible_collections.gpulab.core.plugins.module_utils.benchmark_sentence import factor

WIDTH, MARGIN = 960, 32
LEFT_HALF, RIGHT_HALF = 370, 486
TRAINING = {
    "lenet": "LeNet-5 of the CarND lab: 55,000 images an epoch, batch 128, Adam",
    "mlp": "The course's MLP: 60,000 images an epoch, batch 20, SGD",
}
FLOOR = "Floor: PyTorch's matrix products for the net and nothing else, on the same device and in the same process."
COURSE = "Course page: ten epochs of LeNet-5 in 7.5 minutes on its author's CPU, in 1 minute on an AWS GPU instance."
NAIVE = "DataLoader: the same net fed image by image through Python, as most tutorials do."
BUSY = "Unreliable: the machine was busy with something else, or its pieces of equal work took unequal times."


def picture(document):
    """Return the SVG of a document with at least one run (see benchmark_rules.trained), as text."""
    drawn, y = _header(document), 76
    for net in rules.trained(document):
        section, y = _section(document, net, y)
        drawn += section
    for note in _notes(document):
        drawn.append(draw.words(MARGIN, y + 8, note, 12, draw.FAINT))
        y += 18
    height = int(y + 14)
    paper = draw.element(
        "rect", x=0.5, y=0.5, width=WIDTH - 1, height=height - 1, rx=8, fill=draw.PAPER, stroke=draw.GRID
    )
    title = draw.element("title", escape(_title(document)), id="benchmark-title")
    described = draw.element("desc", escape(_described(document)), id="benchmark-described")
    return (
        draw.element(
            "svg",
            "\n" + "\n".join([title, described, paper, *(d for d in drawn if d)]) + "\n",
            xmlns="http://www.w3.org/2000/svg",
            viewBox="0 0 %d %d" % (WIDTH, height),
            role="img",
            aria_labelledby="benchmark-title benchmark-described",
            font_family="system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif",
        )
        + "\n"
    )


def _title(document):
    gpu = any(device == "cuda" for _net, device, _run in rules.runs(document))
    return "MNIST training: %s" % (
        "%s beside the CPU" % rules.device_name(document, "cuda") if gpu else "the CPU alone"
    )


def _header(document):
    day = (document.get("finished") or "")[:10]
    torch = "PyTorch %s" % document["torch"] if document.get("torch") else ""
    under = ", ".join(part for part in (document.get("cpu_model"), torch, day) if part)
    room = WIDTH - 2 * MARGIN
    return [
        draw.words(MARGIN, 38, draw.fit(_title(document), 21, room), 21, bold=True),
        draw.words(MARGIN, 60, draw.fit(under, 13, room), 13, draw.FAINT),
    ]


def _section(document, net, top):
    """Return ([SVG elements], the y below) of one net."""
    right = WIDTH - MARGIN
    drawn = [draw.line(MARGIN, top, right, top), draw.words(MARGIN, top + 26, TRAINING[net], 15, bold=True)]
    ratio = rules.speedup(document, net)
    if ratio is not None:
        drawn.append(
            draw.words(right, top + 26, "%s times the CPU" % factor(ratio), 15, draw.COLOURS["cuda"], "end", True)
        )
    losses, under_left = loss.panel(document, net, MARGIN, top + 42, LEFT_HALF)
    speeds, under_right = speed.panel(document, net, right - RIGHT_HALF, top + 42, RIGHT_HALF)
    return drawn + losses + speeds, max(under_left, under_right) + 22


def _notes(document):
    shown = [row for net in rules.trained(document) for row in speed.rows(document, net)]
    said = [
        (FLOOR, any(row.floor for row in shown)),
        (NAIVE, any(row.name.startswith("DataLoader") for row in shown)),
        (COURSE, any(net in speed.COURSE_MINUTES for net in rules.trained(document))),
        (BUSY, not all(row.reliable for row in shown)),
    ]
    return [note for note, holds in said if holds]


def _described(document):
    """Return the picture's figures in words, for those who do not see it."""
    told = []
    for net in rules.trained(document):
        for row in speed.rows(document, net):
            told.append("%s, %s: %.0f images a second." % (TRAINING[net].split(":")[0], row.name, row.rate))
    return " ".join(told)

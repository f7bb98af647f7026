# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""The picture's left half: training loss by epoch, a line a device, beside what the course's notebook stored. Pure."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from ansible_collections.gpulab.core.plugins.module_utils import benchmark_picture_parts as draw
from ansible_collections.gpulab.core.plugins.module_utils import benchmark_rules as rules

NOTEBOOK_LOSSES = {
    "mlp": {1: 0.833544, 2: 0.321996, 3: 0.247905, 4: 0.201408, 5: 0.169627, 10: 0.094504},
}
"""Loss by epoch in the stored outputs of mnist_mlp_solution.ipynb (udacity/deep-learning-v2-pytorch, c9404fc).
The LeNet-5 lab's notebooks store none."""

HEIGHT = 170
LABELS = 44
"""Room left of the axis for its numbers."""


def panel(document, net, left, top, width):
    """Return ([SVG elements], the y below which nothing is drawn)."""
    lines = [(device, run) for found, device, run in rules.runs(document) if found == net]
    epochs = max([1] + [len(run["losses"]) for _device, run in lines])
    stored = {epoch: loss for epoch, loss in NOTEBOOK_LOSSES.get(net, {}).items() if epoch <= epochs}
    known = [loss for _device, run in lines for loss in run["losses"] if rules.is_finite(loss)] + list(stored.values())
    marks = draw.ticks(max(known) if known and max(known) > 0 else 1.0)
    axis, bottom = left + LABELS, top + 26 + HEIGHT

    def at(epoch, loss):
        across = 0.5 if epochs == 1 else (epoch - 1) / float(epochs - 1)
        return axis + 12 + across * (left + width - axis - 24), bottom - loss / marks[-1] * HEIGHT

    drawn = [draw.words(left, top + 10, "Training loss by epoch", 13, draw.FAINT)]
    for mark in marks:
        y = at(1, mark)[1]
        drawn.append(draw.line(axis, y, left + width, y))
        drawn.append(draw.words(axis - 6, y + 4, "%g" % round(mark, 6), 11, draw.FAINT, "end"))
    step = -(-epochs // 12)
    for epoch in range(1, epochs + 1, step):
        drawn.append(draw.words(at(epoch, 0)[0], bottom + 16, str(epoch), 11, draw.FAINT, "middle"))
    for device, run in lines:
        drawn += _line(device, run["losses"], at)
    places = [at(epoch, loss) for epoch, loss in sorted(stored.items())]
    drawn += [draw.cross(x, y, draw.COLOURS["course"]) for x, y in places]
    y = bottom + 38
    for device, run in lines:
        drawn += _key(left, y, device, _told(document, device, run, width - 28))
        y += 19
    if stored:
        drawn += [
            draw.cross(left + 10, y - 4, draw.COLOURS["course"]),
            draw.words(left + 28, y, "the notebook's own, as it is stored"),
        ]
        y += 19
    return drawn, y - 10


def _line(device, losses, at):
    """Return one device's line. Same sums, same losses: the GPU's is dashed, so that the CPU's below it is seen."""
    points = [(epoch, loss) for epoch, loss in enumerate(losses, 1) if rules.is_finite(loss)]
    colour, dash = draw.COLOURS[device], "7 5" if device == "cuda" else None
    radius = 2.5 if device == "cuda" else 4.0
    dots = []
    for epoch, loss in points:
        x, y = at(epoch, loss)
        dots.append(draw.dot(x, y, colour, radius, title="epoch %d: %.4f" % (epoch, loss)))
    return [draw.curve([at(*point) for point in points], colour, dash), *dots]


def _key(left, y, device, text):
    colour, dash = draw.COLOURS[device], "7 5" if device == "cuda" else None
    sample = draw.line(left, y - 4, left + 20, y - 4, colour, 2.5, dash)
    return [sample, draw.words(left + 28, y, text)]


def _told(document, device, run, room):
    loss = run.get("loss")
    last = "%.4f" % loss if rules.is_finite(loss) else "not a number"
    tested = ", test %.2f %%" % (100 * run["accuracy"]) if rules.is_finite(run.get("accuracy")) else ""
    figures = ": loss %s%s" % (last, tested)
    return draw.fit(draw.short(rules.device_name(document, device)), 13, room - draw.width(figures, 13)) + figures

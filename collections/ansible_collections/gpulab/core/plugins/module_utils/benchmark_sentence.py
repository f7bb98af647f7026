# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""One sentence for the user on a benchmark: what trains how fast, and whether it is worth it. Pure. Python 3.6+."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from ansible_collections.gpulab.core.plugins.module_utils import benchmark_rules as rules


def sentence(document, judged, usd_per_hour=None):
    """Return the sentence.

    document: gpubench's JSON as a dict, or None. judged: what benchmark_verdict.verdict said of it.
    usd_per_hour: what the host costs, None where nobody knows.
    """
    if judged["verdict"] == "failed":
        return judged["reasons"][0]
    price = ", for $%.3f an hour" % usd_per_hour if usd_per_hour else ""
    if not any(device == "cuda" for _net, device, _run in rules.runs(document)):
        return _of_the_cpu(document)
    ratios = [(net, rules.speedup(document, net)) for net in rules.trained(document)]
    known = ["%s %s times" % (rules.NETS[net], factor(ratio)) for net, ratio in ratios if ratio is not None]
    name = rules.gpu_name(document) or "The GPU"
    if known:
        end = "worth it" if judged["verdict"] == "verified" else "rehearsed, not proved"
        told = "%s trains %s as fast as the host's CPU%s%s: %s."
        return told % (name, " and ".join(known), _threads(document), price, end)
    unknown = "how much faster than the host's CPU that is, is not known"
    return "%s trains %s%s; %s." % (name, " and ".join(_rates(document, "cuda")), price, unknown)


def factor(ratio):
    """Return a ratio in as many digits as one can rely on: 9.1, 42."""
    return ("%.1f" if ratio < 9.95 else "%.0f") % ratio


def _of_the_cpu(document):
    busy = any(rules.doubts(run) for _net, _device, run in rules.runs(document))
    end = "; the machine was busy, so take no figure from it" if busy else ""
    return "No GPU was used: the CPU%s trains %s%s." % (_threads(document), " and ".join(_rates(document, "cpu")), end)


def _rates(document, device):
    """Return "LeNet-5 at 23,800 images/s (1.8 times its floor)" for each net that ran there."""
    told = []
    for net, ran_on, run in rules.runs(document):
        if ran_on == device:
            floor = run.get("times_floor")
            over = " (%.1f times its floor)" % floor if rules.is_finite(floor) else ""
            told.append("%s at %s images/s%s" % (rules.NETS[net], thousands(run["images_per_second"]), over))
    return told


def thousands(number):
    """Return a rate in three digits that count, with commas: 23,812.4 is 23,800."""
    digits = 3 - len("%d" % number)
    return "{:,.0f}".format(round(number, min(digits, 0)))


def _threads(document):
    """Return " (2 threads)", or "" where the nets ran on different numbers of them."""
    counts = {run.get("threads") for _net, device, run in rules.runs(document) if device == "cpu"}
    if len(counts) != 1 or None in counts:
        return ""
    count = counts.pop()
    return " (%d thread%s)" % (count, "" if count == 1 else "s")

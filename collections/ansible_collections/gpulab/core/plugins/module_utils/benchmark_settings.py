# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""What a benchmark was asked to do: lists or comma text made into one form, and what in them cannot be meant. Pure."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

NETS = ("lenet", "mlp")
DEVICES = ("cpu", "cuda")
STYLES = ("auto", "native", "direct", "eager", "graph", "naive")
GPUS = ("1", "all")
PORTS = (1024, 65535)
"""Ports that a login without root may listen on."""
YES, NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def settings(given):
    """One form for all that was given, and a sentence for each thing in it that cannot be meant.

    given: nets, devices, style, seeds (lists or comma text); epochs, port (numbers or their text); gpus; again.
    Returns {"nets": [name], "devices": text, "style": text, "seeds": [int], "epochs": int, "port": int, "gpus": text,
    "again": bool, "problems": [sentence]}; what has a problem is left as it was given.
    """
    problems = []  # type: list[str]
    return {
        "nets": _names(problems, given, "nets", NETS, "both are measured with lenet,mlp"),
        "devices": ",".join(_devices(problems, given)),
        "style": ",".join(_style(problems, given)),
        "seeds": _seeds(problems, given),
        "epochs": _number(problems, given, "epochs", 1, 100000, "set it to 10 for the courses' training"),
        "port": _number(problems, given, "rendezvous_port", PORTS[0], PORTS[1], "leave it out for 29500"),
        "gpus": _gpus(problems, given),
        "again": _truth(problems, given, "again"),
        "problems": problems,
    }


def items(value):
    """A list's items, or those of a comma text, as texts without blanks around them; none is empty or comes twice."""
    parts = value if isinstance(value, (list, tuple)) else str(value).split(",")
    found = []
    for part in (str(part).strip() for part in parts):
        if part and part not in found:
            found.append(part)
    return found


def _told(name, value, expected, advice):
    shown = ",".join(map(str, value)) if isinstance(value, (list, tuple)) else value
    return "gpu_benchmark_%s is '%s', expected %s: %s." % (name, shown, expected, advice)


def _names(problems, given, name, known, advice):
    """The items, each of which has to be known; at least one, [""] where there is none."""
    found = items(given[name])
    if not found or not set(found) <= set(known):
        problems.append(_told(name, given[name], " or ".join(known), advice))
    return found or [""]


def _devices(problems, given):
    """auto alone, or the devices in the order in which they are timed."""
    if items(given["devices"]) == ["auto"]:
        return ["auto"]
    found = _names(problems, given, "devices", DEVICES, "leave it out for the CPU, and CUDA where there is any")
    return sorted(found)


def _style(problems, given):
    """One style, and naive beside it where that is wanted for comparison."""
    found = items(given["style"])
    if not found or not set(found) <= set(STYLES) or len(found) > 2 or found[1:] not in ([], ["naive"]):
        expected = "%s, and ,naive after it to show the difference" % " or ".join(STYLES)
        problems.append(_told("style", given["style"], expected, "leave it out for auto"))
    return found


def _gpus(problems, given):
    text = str(given["gpus"]).strip()
    if text not in GPUS:
        problems.append(_told("gpus", text, "1 or all", "set it to all to train on every GPU of every host"))
    return text


def _seeds(problems, given):
    found = items(given["seeds"])
    if not found or not all(seed.isdecimal() for seed in found):
        problems.append(_told("seeds", given["seeds"], "whole numbers", "leave it out for 0, or give several as 0,1,2"))
        return found
    return [int(seed) for seed in found]


def _number(problems, given, name, least, most, advice):
    text = str(given[name]).strip()
    if not text.isdecimal() or not least <= int(text) <= most:
        problems.append(_told(name, given[name], "a whole number from %d to %d" % (least, most), advice))
        return given[name]
    return int(text)


def _truth(problems, given, name):
    text = str(given[name]).strip().lower()
    if text not in YES + NO:
        problems.append(_told(name, given[name], "true or false", "leave it out to keep a result that is there"))
    return text in YES

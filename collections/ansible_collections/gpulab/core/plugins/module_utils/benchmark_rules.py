# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""What a GPU has to reach to be worth its price, as data, and how to read a benchmark document. Pure. Python 3.6+.

The figures are a policy, no measurements: change them here, or for one run with `min_speedup`.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import math
import re

NETS = {"lenet": "LeNet-5", "mlp": "the MLP"}
"""Net in the document: its name in a sentence; in the order in which reports tell them."""

IMAGES = {"lenet": 55000, "mlp": 60000}
"""Training images of one epoch: the labs' own splits of MNIST."""

DECIDING = ("lenet",)
"""Nets without whose speed-up nothing is verified, and whose miss fails. A step of the MLP at batch 20 is 64 MFLOP,
microseconds on any GPU: its speed-up tells how fast the host launches kernels, so a miss there is said and no more."""

LEAST_SPEEDUP = {"lenet": 1.5, "mlp": 1.0}
"""CPU seconds per epoch over GPU seconds per epoch, where no rule below names the GPU. 1.5: less is not worth a GPU
host's price. 1.0: a GPU that loses to its host's CPU deserves a word."""

LEAST_SPEEDUP_BY_GPU = (
    # A seventh of a GPU, sold as such, is compared with all of the host's cores.
    (r"\bMIG 1g\.", {"lenet": 1.0}),
)
"""(regular expression in the GPU's name, least speed-up by net); the first that matches counts before LEAST_SPEEDUP."""


def least_speedup(gpu, asked=None):
    """Return {net: least speed-up} for a GPU's name; `asked` ({net: number}, the caller's) comes before the tables.

    Raises ValueError (a sentence) where `asked` names no net of ours or gives no positive number.
    """
    least = dict(LEAST_SPEEDUP)
    for pattern, by_net in LEAST_SPEEDUP_BY_GPU:
        if re.search(pattern, gpu or ""):
            least.update(by_net)
            break
    for net, figure in (asked or {}).items():
        least[net] = _positive(net, figure)
    return least


def _positive(net, figure):
    wrong = "The least speed-up of %r is %r, expected a number above 0 for one of %s, as in {lenet: 1.5}."
    try:
        number = float(figure)
    except (TypeError, ValueError):
        number = 0.0
    if net not in NETS or not number > 0:
        raise ValueError(wrong % (net, figure, " and ".join(NETS)))
    return number


def runs(document):
    """Return [(net, device, run)] of a document: our nets, CPU before GPU; "naive" runs are not among them."""
    found = []
    for net in NETS:
        devices = document.get(net) or {}
        found += [(net, device, devices[device]) for device in ("cpu", "cuda") if devices.get(device)]
    return found


def trained(document):
    """Return the nets that a document has a run of, in order."""
    return [net for net in NETS if any(found == net for found, _device, _run in runs(document))]


def is_finite(number):
    """Whether this is a number that one can calculate with: neither missing nor NaN nor infinite."""
    return isinstance(number, (int, float)) and not isinstance(number, bool) and math.isfinite(number)


def speedup(document, net):
    """Return CPU seconds per epoch over the GPU's, or None where a run is missing or unreliable."""
    cpu, cuda = ((document.get(net) or {}).get(device) for device in ("cpu", "cuda"))
    if not cpu or not cuda or doubts(cpu) or doubts(cuda):
        return None
    return cpu["seconds_per_epoch"] / cuda["seconds_per_epoch"]


def doubts(run):
    """Return why a run's figures are unreliable, a sentence each; [] when they are sound."""
    if run.get("reliable") is True:
        return []
    return list(run.get("unreliable_reasons") or ["it does not say that it is reliable."])


def gpu_name(document):
    """Return the GPU's name as PyTorch has it, or NVML's where PyTorch sees none; None without a GPU."""
    names = [(document.get("device_found") or {}).get("name")] + [g.get("name") for g in document.get("gpus") or []]
    return next((name for name in names if name), None)


def device_name(document, device):
    """Return what a table or picture calls a device: the GPU's name, or the CPU."""
    return (gpu_name(document) or "GPU") if device == "cuda" else "CPU"


def finite(value):
    """Return a document in which None stands for every NaN and infinity, which JSON cannot write."""
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(inner) for inner in value]
    return value if not isinstance(value, float) or math.isfinite(value) else None

# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""What a benchmark proves about a host: verified, rehearsed or failed, with reasons. Pure. Python 3.6+.

failed: something is wrong with the host. verified: a GPU trained the nets, they learned what they should, it is
healthy, and it is as much faster than the CPU as asked. rehearsed: nothing is wrong, and nothing of that was proved.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from ansible_collections.gpulab.core.plugins.module_utils import benchmark_rules as rules

AGAIN = "run ansible-playbook benchmark.yml -e gpu_benchmark_again=true"
QUIET = "Once the host is quiet, %s." % AGAIN


def verdict(document, gpu_expected, real, min_speedup=None):
    """Judge one benchmark document.

    document: gpubench's JSON as a dict, or None when there is none.
    gpu_expected: the host was asked for with a GPU. real: it is in AWS or the user's own, not one of an emulated AWS.
    min_speedup: {net: least ratio of CPU to GPU seconds per epoch} that comes before benchmark_rules' table.
    Returns {"verdict": "verified" | "rehearsed" | "failed", "reasons": [sentences]}; failed beats all else.
    """
    nets = rules.trained(document or {})
    if not nets and (document or {}).get("interrupted"):
        return _judged("failed", _not_learned(document))
    if not nets:
        return _judged("failed", ["There is no benchmark result: run ansible-playbook benchmark.yml."])
    wrong = _not_learned(document) + _findings(document, "failed") + _fallback(document, gpu_expected, real)
    proved, unproved, slow = _speeds(document, nets, min_speedup)
    notes = _findings(document, "warning") + _changes(document)
    if wrong or slow:
        return _judged("failed", wrong + slow + notes)
    if not any(device == "cuda" for _net, device, _run in rules.runs(document)):
        why = "the host was not asked for with one" if real else "the endpoint is not AWS and its hosts have none"
        only = "No GPU was used, because %s: only the CPU was timed." % why
        return _judged("rehearsed", [only, *_cpu_doubts(document), *notes])
    told = [sentence for _net, sentence in proved] + unproved + notes
    if not real:
        return _judged("rehearsed", [*told, "The endpoint is not AWS, so this proves nothing about EC2."])
    deciding = [net for net in rules.DECIDING if net in nets]
    if not deciding:
        missing = " and ".join(rules.NETS[net] for net in rules.DECIDING)
        return _judged("rehearsed", [*told, "%s decides, and was not trained: %s." % (missing, AGAIN)])
    enough = set(deciding) <= {net for net, _sentence in proved}
    return _judged("verified" if enough else "rehearsed", told if enough else unproved + told)


def _judged(word, reasons):
    return {"verdict": word, "reasons": list(dict.fromkeys(reasons))}


def _not_learned(document):
    """Return what the nets should have learned and have not: the gates that were missed, or a NaN that met none."""
    gates = document.get("gates") or {}
    if gates.get("passed") is not True:
        return list(gates.get("reasons") or ["The result does not say that its gates were met: %s." % AGAIN])
    return [
        "%s on %s: the loss is not a number, expected one that falls: see docs/gpu-health.md, then %s."
        % (_start(rules.NETS[net]), _the(device), AGAIN)
        for net, device, run in rules.runs(document)
        if not all(rules.is_finite(loss) for loss in [run.get("loss")] + (run.get("losses") or []))
    ]


def _findings(document, severity):
    found = (document.get("health") or {}).get("findings") or []
    return [finding["sentence"] for finding in found if finding["severity"] == severity]


def _changes(document):
    changes = (document.get("history") or {}).get("changes") or []
    return [change["sentence"] for change in changes if change.get("beyond_noise")]


def _fallback(document, gpu_expected, real):
    """Return the sentence on a GPU that was there, or had to be, and was not trained on."""
    if not gpu_expected or any(device == "cuda" for _net, device, _run in rules.runs(document)):
        return []
    name = rules.gpu_name(document)
    if not name and not real:
        return []
    if name and (document.get("device_found") or {}).get("cuda"):
        seen = "saw %s but did not train on it" % name
    else:
        seen = "found no CUDA device%s and fell back to the CPU" % (
            ", though the driver shows %s," % name if name else ""
        )
    advice = "see what nvidia-smi says on the host, then %s" % AGAIN
    return ["A GPU was expected, but torch %s %s: %s." % (document.get("torch"), seen, advice)]


def _speeds(document, nets, min_speedup):
    """Return ([(net, sentence)] that met their speed-up, [sentences] on what is not known, [sentences] that fail)."""
    name, proved, unproved, slow = rules.gpu_name(document) or "the GPU", [], [], []
    least = rules.least_speedup(name, min_speedup)
    for net in nets:
        if "cuda" not in document[net]:
            continue
        ratio, title = rules.speedup(document, net), rules.NETS[net]
        if ratio is None:
            unproved.append(
                "%s trains %s, but how much faster than the CPU is not known: %s" % (name, title, _why(document[net]))
            )
        elif ratio >= least[net]:
            proved.append((net, "%s trains %s %.1f times as fast as the CPU." % (name, title, ratio)))
        elif net in rules.DECIDING:
            slow.append(
                "%s trains %s %.2f times as fast as the CPU, expected at least %.2f: look at its clocks, "
                "temperature and other users with nvidia-smi." % (name, title, ratio, least[net])
            )
        else:
            unproved.append(
                "%s trains %s %.2f times as fast as the CPU, less than %.2f: in steps as small as these that is the "
                "pace at which the host launches work, and no fault of the GPU." % (name, title, ratio, least[net])
            )
    return proved, unproved, slow


def _why(devices):
    if "cpu" not in devices:
        return "only the GPU was timed, so set gpu_benchmark_devices to cpu,cuda."
    return " ".join([*_doubts_of(devices), QUIET])


def _doubts_of(devices):
    """Return the first doubt on each device's figure: the others say the same with other numbers."""
    return [
        "the %s figure is unreliable: %s" % (device.upper(), reason[0].lower() + reason[1:])
        for device in ("cpu", "cuda")
        if devices.get(device)
        for reason in rules.doubts(devices[device])[:1]
    ]


def _cpu_doubts(document):
    told = [
        "%s: %s" % (_start(rules.NETS[net]), sentence)
        for net in rules.trained(document)
        for sentence in _doubts_of(document[net])
    ]
    return [*told, QUIET] if told else []


def _the(device):
    return "the GPU" if device == "cuda" else "the CPU"


def _start(words):
    return words[0].upper() + words[1:]

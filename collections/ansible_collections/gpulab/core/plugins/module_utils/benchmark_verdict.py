# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""What a benchmark proves about a host: verified, rehearsed or failed, with reasons. Pure. Python 3.6+."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type


def verdict(result, gpu_expected, real_aws, min_speedup=1.5):
    """Judge one benchmark document.

    result: the JSON of gpubench as a dict, or None when there is none.
    gpu_expected: the host was asked for with a GPU. real_aws: it runs in AWS, not on an emulation of it.
    min_speedup: least ratio of CPU to GPU seconds per epoch.
    Returns {"verdict": "verified" | "rehearsed" | "failed", "reasons": [sentences]}; failed beats all else.
    """
    if not result or not isinstance(result.get("lenet"), dict):
        return _failed(["There is no benchmark result: run ansible-playbook provision.yml."])
    gates = result.get("gates") or {}
    if gates.get("passed") is not True:
        return _failed(gates.get("reasons") or ["The result does not say that its gates were met: run it again."])
    lenet = result["lenet"]
    if "cuda" not in lenet:
        return _without_gpu(result, gpu_expected, real_aws)
    if "cpu" not in lenet:
        return _failed(["Only the GPU was timed, so no speed-up is known: run the benchmark on the CPU too."])
    doubts = [_doubt(device, reason) for device in ("cpu", "cuda") for reason in _doubts(lenet[device])]
    if doubts:
        return _failed(doubts)
    speedup = lenet["cpu"]["seconds_per_epoch"] / lenet["cuda"]["seconds_per_epoch"]
    name = result.get("device_found", {}).get("name") or "the GPU"
    if speedup < min_speedup:
        return _failed(
            [
                "%s trains LeNet-5 %.2f times as fast as the CPU, expected at least %.2f: look at its clocks, "
                "temperature and other users with nvidia-smi." % (name, speedup, min_speedup)
            ]
        )
    faster = "%s trains LeNet-5 %.1f times as fast as the CPU." % (name, speedup)
    if not real_aws:
        return {
            "verdict": "rehearsed",
            "reasons": [faster, "The endpoint is not AWS, so this proves nothing about EC2."],
        }
    return {"verdict": "verified", "reasons": [faster]}


def _without_gpu(result, gpu_expected, real_aws):
    if real_aws and gpu_expected:
        found = result.get("device_found", {}).get("name")
        seen = "saw %s but did not train on it" % found if found else "found no CUDA device and fell back to the CPU"
        return _failed(
            ["A GPU was expected, but torch %s %s: see what nvidia-smi says on the host." % (result.get("torch"), seen)]
        )
    why = "the host was not asked for with one" if real_aws else "the endpoint is not AWS and its hosts have none"
    return {"verdict": "rehearsed", "reasons": ["No GPU was used, because %s: only the CPU was timed." % why]}


def _doubt(device, reason):
    return "The %s figure is unreliable: %s" % (device.upper(), reason)


def _doubts(device):
    if device.get("reliable") is True:
        return []
    return device.get("unreliable_reasons") or ["it does not say that it is reliable."]


def _failed(reasons):
    return {"verdict": "failed", "reasons": list(reasons)}

"""The proof report of one host: which of the facts gathered go in, and what in them is a stand-in. Pure."""

from __future__ import annotations

from ansible_collections.gpulab.core.plugins.module_utils.benchmark_verdict import verdict

VERSION = 1
ENVIRONMENT = ("name", "prefix", "profile", "build", "python", "tool", "imports", "packages", "extras", "warnings")
"""What the report keeps of conda_env's result: all but what the last run happened to do."""
NOTEBOOK = ("access", "url", "port", "service", "generation", "version")
LAB = ("name", "repository", "commit", "notebook", "passed", "seconds", "cells", "values", "output", "page")


def mask(account):
    """Return an account number with all but its last four digits starred."""
    return account[-4:].rjust(len(account), "*")


def build(plan, host, system, result, min_speedup, driver=None, workplace=None):
    """Return the report as design.md's contract has it.

    plan: ec2_plan_info's plan. host: one of ec2_deployment_info's hosts. system: {"distribution", "version", "kernel"}
    as the host itself says. result: the benchmark's JSON or None. driver: nvidia_driver's report or None.
    min_speedup: GPU over CPU below which a GPU is not worth it. workplace: what conda_env, jupyter_server and
    course_labs left, {"environment", "notebook", "labs"}, each empty where its role was not run.
    """
    workplace = workplace or {}
    judged = verdict(result, gpu_expected=True, real_aws=plan["is_aws"], min_speedup=min_speedup)
    benchmark = {
        k: v
        for k, v in (result or {}).items()
        if (isinstance(v, dict) and "cpu" in v) or k in ("torch", "python", "cpu_model")
    }
    return {
        "version": VERSION,
        "deployment": host["tags"]["gpulab:deployment"],
        "host": host["name"],
        "verdict": judged["verdict"],
        "reasons": judged["reasons"],
        "stand_ins": _stand_ins(plan, result),
        "account": mask(plan["account"]),
        "endpoint": plan["endpoint"],
        "region": plan["region"],
        "zone": host["zone"],
        "instance_id": host["id"],
        "instance_type": host["type"],
        "launch_time": host["launch_time"],
        "address": host["address"],
        "status_checks": host["status_checks"],
        "price": plan["price"],
        "image": {k: plan["image"][k] for k in ("id", "name", "source")},
        "security": {
            "ssh_from": plan["cidrs"],
            "imdsv2_required": host["metadata_tokens"] == "required",
            "volume_encrypted": host["encrypted"],
        },
        "system": system,
        "driver": driver,
        "environment": _only(ENVIRONMENT, workplace.get("environment")),
        "notebook": _only(NOTEBOOK, workplace.get("notebook")),
        "labs": [_only(LAB, lab) for lab in workplace.get("labs") or []],
        "benchmark": benchmark,
    }


def driver_history(now, before):
    """Return what the report says of the driver: a run that had nothing to do keeps what an earlier one repaired.

    now: nvidia_driver's report of this run or None. before: the report as written last time, {} if there is none.
    """
    then = before.get("driver")
    if now and then and not now["done"] and then["after"] == now["after"]:
        return then
    return now


def _only(names, found):
    return {name: found[name] for name in names if name in found} if found else None


def _stand_ins(plan, result):
    found = []
    if not plan["is_aws"]:
        found.append(
            f"AWS: {plan['endpoint']} answered in its place, and the host is a local one; no instance was paid for."
        )
    if not ((result or {}).get("device_found") or {}).get("cuda"):
        found.append("The GPU: none took part, every figure here is a CPU's.")
    return found

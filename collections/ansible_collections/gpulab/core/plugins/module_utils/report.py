"""The proof report of one host: which of the facts gathered go in, and what in them is a stand-in. Pure."""

from __future__ import annotations

from ansible_collections.gpulab.core.plugins.module_utils.benchmark_rules import NETS, finite
from ansible_collections.gpulab.core.plugins.module_utils.benchmark_sentence import sentence
from ansible_collections.gpulab.core.plugins.module_utils.benchmark_verdict import verdict
from ansible_collections.gpulab.core.plugins.module_utils.launch_offer import price_of

VERSION = 2
BENCHMARK = (
    *NETS,
    *("torch", "python", "cpu_model", "seeds", "finished", "device_found"),
    *("probes", "gpus", "health", "history", "distributed", "gates"),
)
"""What the report keeps of gpubench's result."""
ENVIRONMENT = ("name", "prefix", "profile", "build", "python", "tool", "imports", "packages", "extras", "warnings")
"""What the report keeps of conda_env's result: all but what the last run happened to do."""
GUARDS = ("schedule", "stops_at", "role", "alarm", "alarm_usd", "mail")
MONEY = ("budget_usd", "usd_per_hour", "price_source", "spent_usd", "counted_until")
"""What was spent is as of counted_until."""
NOTEBOOK = ("access", "url", "port", "service", "generation", "version")
LAB = ("name", "repository", "commit", "notebook", "passed", "seconds", "cells", "values", "output", "page")


def mask(account):
    """Return an account number with all but its last four digits starred."""
    return account[-4:].rjust(len(account), "*")


def build(plan, host, system, result, min_speedup, driver=None, workplace=None, guard=None):
    """Return the report as design.md's contract has it.

    plan: ec2_plan_info's plan, with what AWS refused as attempts. host: one of ec2_deployment_info's hosts.
    system: {"distribution", "version", "kernel"} as the host itself says. result: the benchmark's JSON or None.
    driver: nvidia_driver's report or None.
    min_speedup: {net: GPU over CPU below which a GPU is not worth it}, {} for benchmark_rules' table. workplace: what
    conda_env, jupyter_server and course_labs left, {"environment", "notebook", "labs"}, each empty where its role was
    not run. guard: what cost_guard read back of the host, None where it was not run.
    Raises ValueError (a sentence) where min_speedup is wrong.
    """
    workplace, result = workplace or {}, result or {}
    judged = verdict(result, gpu_expected=True, real=plan["is_aws"], min_speedup=min_speedup)
    # Of many hosts, some may be of another type, or bought in another way, than what was planned.
    price = price_of(plan["prices"], host["type"], host["market"]) or host["price"]
    tags = host["tags"]
    return {
        "version": VERSION,
        "deployment": tags["gpulab:deployment"],
        "host": host["name"],
        "verdict": judged["verdict"],
        "reasons": judged["reasons"],
        "sentence": sentence(result, judged, (price or {}).get("usd_per_hour")),
        "stand_ins": _stand_ins(plan, result),
        "account": mask(plan["account"]),
        "endpoint": plan["endpoint"],
        "region": plan["region"],
        "zone": host["zone"],
        "instance_id": host["id"],
        "instance_type": host["type"],
        "launch_time": host["launch_time"],
        "launch_refused": plan.get("attempts") or [],
        "address": host["address"],
        "status_checks": host["status_checks"],
        "market": host["market"],
        "price": price,
        "image": {
            "id": host["image_id"],
            "name": tags.get("gpulab:image", host["image_id"]),
            "source": tags.get("gpulab:image-source", "the instance"),
        },
        "security": {
            "ssh_from": plan["cidrs"],
            "imdsv2_required": host["metadata_tokens"] == "required",
            "volume_encrypted": host["encrypted"],
        },
        "guards": _only(GUARDS, (guard or {}).get("guards")),
        "money": _only(MONEY, guard),
        "system": system,
        "driver": driver,
        "environment": _only(ENVIRONMENT, workplace.get("environment")),
        "notebook": _only(NOTEBOOK, workplace.get("notebook")),
        "labs": [_only(LAB, lab) for lab in workplace.get("labs") or []],
        "benchmark": finite({name: result[name] for name in BENCHMARK if name in result}),
    }


def driver_history(now, before):
    """Return what the report says of the driver: a run that had nothing to do keeps what an earlier one repaired.

    now: nvidia_driver's report of this run or None. before: the report as written last time, {} if there is none.
    """
    then = before.get("driver")
    if now and then and not now["done"] and then["after"] == now["after"]:
        return then
    return now


def money_history(now, before):
    """Return what the report says of the money: the same run on the same budget keeps what the report has said of it.

    now, before: reports, {} if there was none before. What is spent changes by the second, and would be a change of the
    report at every run; `status.yml` tells it as it is.
    """
    then = before.get("money")
    same = all(now[key] == before.get(key) for key in ("instance_id", "launch_time", "guards"))
    if then and now["money"] and same and then["budget_usd"] == now["money"]["budget_usd"]:
        return then
    return now["money"]


def launch_history(plan, instance_id, before):
    """Return the launches that AWS refused before this instance: those of the run that launched it.

    plan: its "launched" are the instances that this run launched (ec2_gpu_launch's), its "attempts" what was refused
    before. before: the last report, {} if none.
    """
    if instance_id in [one["id"] for one in plan.get("launched", [])]:
        return plan["attempts"]
    return before.get("launch_refused", []) if before.get("instance_id") == instance_id else []


def _only(names, found):
    return {name: found[name] for name in names if name in found} if found else None


def _stand_ins(plan, result):
    found = []
    if not plan["is_aws"]:
        found.append(
            f"AWS: {plan['endpoint']} answered in its place, and the host is a local one; no instance was paid for."
        )
    if not (result.get("device_found") or {}).get("cuda"):
        found.append("The GPU: none took part, every figure here is a CPU's.")
    return found

"""What has become of the hosts of a run that are not as they should be, a sentence for each. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

AGAIN = "run the same command again to"


class Known(NamedTuple):
    """What a run knows of its hosts in the end.

    found: {name: the host as ec2_deployment_info has it}. launched: names of those that were there or were launched.
    refused: {name: why its guard lets it run no longer}. listed: the names in the inventory. guards: {name: what
    host_baseline read back from the host}, without those that were not asked.
    """

    found: dict[str, dict[str, Any]]
    launched: list[str]
    refused: dict[str, str]
    listed: list[str]
    guards: dict[str, dict[str, Any]]


def sentence(name, known):
    """Return what to tell of the host of this name, "" where it is as it should be."""
    host = known.found.get(name)
    if not host:
        if name in known.launched:
            return f"Host {name} was launched, and AWS does not list it any more: {AGAIN} get another."
        return f"Host {name} was not launched."
    if name in known.refused:
        return known.refused[name]
    if host["state"] != "running":
        next_step = "start it" if host["state"] in ("stopping", "stopped") else "get another"
        return (
            f"Host {name} ({host['id']}) is {host['state']} and should be running "
            f"({host['reason'] or 'AWS gives no reason'}): {AGAIN} {next_step}."
        )
    costs = f"Host {name} ({host['id']}) runs and costs money, but"
    if host["status_checks"] != "2/2":
        return (
            f"{costs} passed only {host['status_checks']} of its status checks: run the same command again, or remove "
            "it with ansible-playbook teardown.yml."
        )
    return _unusable(name, known)


def _unusable(name, known):
    """Return what to tell of a host that AWS finds well."""
    costs = f"Host {name} runs and costs money, but"
    if name not in known.listed:
        return (
            f"{costs} the inventory does not list it (its warnings above say why, if it gave any): give region and "
            "deployment with -e or export AWS_REGION and GPULAB_DEPLOYMENT, and gpu_next_regions with -e or in "
            "group_vars/all, where the inventory reads them too, and run this again."
        )
    if not known.guards.get(name, {"timer_active": True})["timer_active"]:
        return (
            f"{costs} its own timer does not run: see systemctl status gpulab-deadline.timer on the host, and run the "
            "same command again."
        )
    return ""


def missing(names, found, ids, plan, refused, listed, guards):
    """Return the sentences of all hosts of a run, [] where each is as it should be.

    names: of the hosts that were to be provided. found: ec2_deployment_info's hosts. ids: the instances of this run.
    plan: ec2_plan_info's, with what was launched. The others as Known has them.
    """
    there = {host["name"]: host for host in found if host["id"] in set(ids)}
    launched = [host["name"] for host in [*plan["launched"], *plan["hosts"]]]
    known = Known(there, launched, refused, listed, guards)
    told = [sentence(name, known) for name in names]
    return [text for text in [*told, *plan["refusals"]] if text]

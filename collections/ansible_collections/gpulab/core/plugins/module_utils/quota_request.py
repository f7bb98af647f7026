"""Requests for a greater vCPU quota: how much to ask for, whether one is open already, what has become of it. Pure."""

from __future__ import annotations

from ansible_collections.gpulab.core.plugins.module_utils.quota_plan import OPEN, REFUSED, notebooks

_STATUS = {
    "PENDING": "AWS has not looked at it yet",
    "CASE_OPENED": "a support case is open for it",
    "APPROVED": "granted; it may take half an hour until launches see it",
    "DENIED": "refused",
    "NOT_APPROVED": "refused",
    "CASE_CLOSED": "its support case was closed",
    "INVALID_REQUEST": "AWS could not use it",
}


def plain_request(item):
    """Return a RequestedServiceQuotaChange of AWS as plain data: id, case, desired, status, created, updated."""
    return {
        "id": item["Id"],
        "case": item.get("CaseId", ""),
        "code": item["QuotaCode"],
        "desired": item["DesiredValue"],
        "status": item["Status"],
        "created": _moment(item.get("Created")),
        "updated": _moment(item.get("LastUpdated")),
    }


def _moment(value):
    """AWS's times as 2026-11-22T09:00:00Z, comparable as text; "" where there is none."""
    return value.strftime("%Y-%m-%dT%H:%M:%SZ") if value else ""


def open_request(history):
    """Return the open request of a quota's history, or None; AWS allows one at a time."""
    return next((one for one in history if one["status"] in OPEN), None)


def request_sentence(request):
    """Return what has become of a request, in one sentence."""
    case = f", case {request['case']}" if request["case"] else ""
    words = _STATUS.get(request["status"], "which this program does not know")
    return (
        f"Request {request['id']} for {request['desired']:g} vCPUs, made {request['created']}, "
        f"is {request['status']} ({words}){case}."
    )


def plan_request(judgement, history, desired=None, again=False):
    """Return what to do about a quota: {action, desired (vCPUs), request (the open or last one, or None), sentence}.

    action: none (enough), ask, wait (one is open), refused (the last one was, and `again` does not say to repeat it),
    unknown (the quota could not be read: nothing is asked for blindly).
    history: plain_request dicts in any order; desired: vCPUs that the quota should have, None for what is needed.
    """
    wanted = judgement["in_use"] + judgement["needed"] if desired is None else desired
    newest = max(history, key=lambda one: one["created"]) if history else None
    waiting = open_request(history)
    plan = {"desired": wanted, "request": waiting or newest}
    told = f"{request_sentence(plan['request'])} " if plan["request"] else ""
    if judgement["applied"] is None:
        return dict(plan, action="unknown", sentence=f"{told}Nothing is asked for while the present value is unknown.")
    if wanted <= judgement["applied"] or (desired is None and judgement["enough"]):
        return dict(plan, action="none", sentence=f"{told}Nothing needs to be asked for.")
    if waiting:
        less = (
            f"It is for less than the {wanted:g} wanted now, and AWS takes one at a time: say so in its support case. "
            if waiting["desired"] < wanted
            else ""
        )
        return dict(plan, action="wait", sentence=f"{told}{less}Run the same command later to see what became of it.")
    if newest and newest["status"] in REFUSED and newest["desired"] <= wanted and not again:
        text = f"{told}Ask once more with -e quota_again=true, or for less with -e quota_vcpus=N."
        return dict(plan, action="refused", sentence=text)
    return dict(plan, action="ask", sentence=f"{told}AWS is to be asked for {wanted:g} vCPUs.")


def use_case(judgement, region):
    """Return a text for AWS's support case: the API takes none, and people there ask for one."""
    hosts = notebooks(max(1, judgement["count"]), judgement["instance_type"])
    return (
        "We train small neural networks in Jupyter notebooks on GPUs, for a machine-learning course. For that "
        f"{hosts} ({judgement['vcpus_each']} vCPUs each) have to run in {region} at the same time, beside "
        f"{judgement['in_use']} vCPUs that run now; please raise the quota {judgement['name']} accordingly."
    )

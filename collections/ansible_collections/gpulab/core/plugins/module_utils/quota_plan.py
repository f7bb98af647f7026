"""EC2's vCPU quotas: which one an instance type counts against, whether it is enough, and what to ask AWS for. Pure.

What could not be read is unknown (None) and never zero. Codes and names: AWS's page "Amazon EC2 instance type quotas".
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ansible_collections.gpulab.core.plugins.module_utils.gpu_catalogue import GPU_TYPES

MARKETS = ("on-demand", "spot")
LIVE = ("pending", "running")
OPEN = ("PENDING", "CASE_OPENED")
REFUSED = ("DENIED", "NOT_APPROVED", "CASE_CLOSED", "INVALID_REQUEST")
SERVICE = "ec2"

# What says nothing about the quota: no permission, too many questions, trouble on AWS's side.
UNKNOWN_CODES = (
    "AccessDenied",
    "AccessDeniedException",
    "UnauthorizedOperation",
    "DependencyAccessDeniedException",
    "TooManyRequestsException",
    "Throttling",
    "ThrottlingException",
    "RequestLimitExceeded",
    "ServiceException",
    "InternalFailure",
    "ServiceUnavailable",
)
MISSING = "NoSuchResourceException"
TELL_COMMAND = "ansible-playbook request-quota.yml"


class Quota(NamedTuple):
    """One quota. code is None where AWS publishes none: it is then found by one of its names."""

    code: str | None
    name: str
    market: str


_G = r"(?:g|gr|vt)\d"
_STANDARD = r"(?:a|c|d|h|i|im|is|m|r|t|z)\d"
_STANDARD_NAME = "Standard (A, C, D, H, I, M, R, T, Z)"
# (families, market, code, name), the first match counts; P6 and later are not on AWS's page of spot quotas.
_TABLE = (
    (_G, "on-demand", "L-DB2E81BA", "Running On-Demand G and VT instances"),
    (_G, "spot", "L-3819A6DF", "All G and VT Spot Instance Requests"),
    (r"p\d", "on-demand", "L-417A185B", "Running On-Demand P instances"),
    (r"p[234]", "spot", "L-7212CCBC", "All P4, P3 and P2 Spot Instance Requests"),
    (r"p5", "spot", "L-C4BD4855", "All P5 Spot Instance Requests"),
    (r"p\d", "spot", None, "All P{generation} Spot Instance Requests"),
    (_STANDARD, "on-demand", "L-1216C47A", f"Running On-Demand {_STANDARD_NAME} instances"),
    (_STANDARD, "spot", "L-34B43A08", f"All {_STANDARD_NAME} Spot Instance Requests"),
)


def quota_for(instance_type, market="on-demand"):
    """Return the Quota that `instance_type` counts against in `market`, None for a family that the table lacks."""
    for families, where, code, name in _TABLE:
        found = re.match(families, instance_type)
        if found and where == market:
            # What a row matches ends in the generation's digit.
            return Quota(code, name.format(generation=found.group()[-1]), market)
    return None


def find_by_name(quota, listed):
    """Return the item of ListServiceQuotas that is `quota`, or None; a name for all P may stand for those of P6."""
    names = (quota.name, "All P Spot Instance Requests")
    return next((one for name in names for one in listed if one["QuotaName"] == name), None)


def vcpus_in_use(quota, instances, vcpus):
    """Return the vCPUs that count against `quota`: those of pending and running instances of its class and market.

    instances: [{"type", "state", "market"}]; vcpus: type -> vCPUs.
    """
    return sum(
        vcpus[one["type"]]
        for one in instances
        if one["state"] in LIVE and quota_for(one["type"], one["market"]) == quota
    )


def known_vcpus(types):
    """Return {type: vCPUs} as far as the catalogue has them."""
    return {one: GPU_TYPES[one][3] for one in types if one in GPU_TYPES}


def notebooks(count, instance_type):
    """Return "2 notebooks of g4dn.xlarge"."""
    return f"{count} notebook{'' if count == 1 else 's'} of {instance_type}"


def judge(quota, reading, in_use, need, region):
    """Return the judgement of one quota.

    reading: {"value": vCPUs or None, "source": applied|default|unknown, "why": AWS's error code where unknown}
    in_use: vCPUs of the class that run; need: {"type", "vcpus" (of one), "count" (how many more of them)}

    {code, name, applied (None where unknown), source, in_use, needed (vCPUs), enough (None where unknown),
    instance_type, vcpus_each, count, found (what is so), sentence (the same and what to type next)}
    """
    applied, needed = reading["value"], need["vcpus"] * need["count"]
    made = {
        "code": quota.code,
        "name": quota.name,
        "applied": applied,
        "source": reading["source"],
        "in_use": in_use,
        "needed": needed,
        "enough": None if applied is None else needed == 0 or in_use + needed <= applied,
        "instance_type": need["type"],
        "vcpus_each": need["vcpus"],
        "count": need["count"],
    }
    found = _found(made, reading, region)
    return dict(made, found=found, sentence=f"{found}{_advice(made)}.")


def _found(made, reading, region):
    code = f" ({made['code']})" if made["code"] else ""
    what = f'Quota "{made["name"]}"{code} in {region}'
    wanted = f"wanted: {notebooks(made['count'], made['instance_type'])}, {made['needed']} vCPUs"
    if made["applied"] is None:
        return f"{what} could not be read (AWS answered {reading['why']}), so it is unknown; {wanted}"
    room = notebooks(max(0, int(made["applied"] - made["in_use"])) // made["vcpus_each"], made["instance_type"])
    default = " (AWS's default, as the account has no value of its own)" if made["source"] == "default" else ""
    found = f"{what}: {made['applied']:g} vCPUs{default}, {made['in_use']} in use, room for {room}"
    if not made["count"]:
        return f"{found}; what is wanted runs already"
    return f"{found}; {wanted}, which {'fits' if made['enough'] else 'does not fit'}"


def _advice(made):
    if made["enough"]:
        return ""
    if made["applied"] is None:
        return ": allow these credentials servicequotas:GetServiceQuota, or look in the Service Quotas console"
    least = made["in_use"] + made["needed"]
    return f": ask AWS for {least} vCPUs with {TELL_COMMAND}, or stop what is running"

"""Gather what quota_plan judges: read-only calls to EC2 and Service Quotas, the latter allowed to end in unknown."""

from __future__ import annotations

from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry
from ansible_collections.gpulab.core.plugins.module_utils import ec2_calls, quota_plan
from ansible_collections.gpulab.core.plugins.module_utils.ec2_calls import RETRY, Stop, call, pages
from ansible_collections.gpulab.core.plugins.module_utils.launch_plan import TAG
from ansible_collections.gpulab.core.plugins.module_utils.quota_plan import LIVE, MISSING, SERVICE, UNKNOWN_CODES
from ansible_collections.gpulab.core.plugins.module_utils.quota_request import plain_request

# Nobody waits half a minute for what may remain unknown.
_SHORT_RETRY = AWSRetry.jittered_backoff(retries=3, delay=1, max_delay=4)


def quotas_client(module):
    """Return a client of Service Quotas."""
    return module.client("service-quotas", retry_decorator=_SHORT_RETRY)


def wanted_quota(instance_type, market):
    """Return the Quota of a type, or raise Stop."""
    quota = quota_plan.quota_for(instance_type, market)
    if quota is None:
        raise Stop(
            f"Which vCPU quota {instance_type} ({market}) counts against is not known: "
            "choose a type of a G or P family, such as g4dn.xlarge."
        )
    return quota


def read_quota(client, quota):
    """Return (quota, reading): the Quota with its code if that had to be found, and the reading that judge takes."""
    doing = f"reading the quota '{quota.name}'"
    try:
        if quota.code is None:
            listed = pages(doing, client.list_service_quotas, "Quotas", ServiceCode=SERVICE)
            found = quota_plan.find_by_name(quota, listed)
            if found is None:
                return quota, {"value": None, "source": "unknown", "why": "with no quota of that name"}
            named = quota._replace(code=found["QuotaCode"], name=found["QuotaName"])
            return named, {"value": found["Value"], "source": "applied"}
        names = {"ServiceCode": SERVICE, "QuotaCode": quota.code}
        try:
            answer = call(doing, client.get_service_quota, aws_retry=True, **names)
        except Stop as stop:
            if stop.code != MISSING:
                raise
            answer = call(doing, client.get_aws_default_service_quota, aws_retry=True, **names)
            return quota, {"value": answer["Quota"]["Value"], "source": "default"}
        return quota, {"value": answer["Quota"]["Value"], "source": "applied"}
    except Stop as stop:
        if stop.code not in (*UNKNOWN_CODES, MISSING):
            raise
        return quota, {"value": None, "source": "unknown", "why": stop.code}


def read_history(client, quota):
    """Return the quota's requests as plain_request dicts, newest first; [] too where AWS does not let them be read."""
    if quota.code is None:
        return []
    method, names = client.list_requested_service_quota_change_history_by_quota, {"QuotaCode": quota.code}
    try:
        found = pages("reading the quota's requests", method, "RequestedQuotas", ServiceCode=SERVICE, **names)
    except Stop as stop:
        if stop.code not in (*UNKNOWN_CODES, MISSING):
            raise
        return []
    return sorted((plain_request(one) for one in found), key=lambda one: one["created"], reverse=True)


def running_instances(ec2):
    """Return the region's pending and running instances: [{"type", "state", "market", "deployment"}]."""
    live = [{"Name": "instance-state-name", "Values": list(LIVE)}]
    found = pages("listing the instances", ec2.describe_instances, "Reservations", Filters=live)
    return [
        {
            "type": one["InstanceType"],
            "state": one["State"]["Name"],
            "market": one.get("InstanceLifecycle", "on-demand"),
            "deployment": ec2_calls.tags(one).get(TAG, ""),
        }
        for reservation in found
        for one in reservation["Instances"]
    ]


def vcpus(ec2, types):
    """Return {type: vCPUs}: the catalogue's, and for what it lacks AWS's."""
    known = quota_plan.known_vcpus(types)
    others = sorted(set(types) - set(known))
    if others:
        found = pages(
            f"asking for the vCPUs of {', '.join(others)}",
            ec2.describe_instance_types,
            "InstanceTypes",
            InstanceTypes=others,
        )
        known.update({one["InstanceType"]: one["VCpuInfo"]["DefaultVCpus"] for one in found})
    return known


def survey(module, types, market, count, deployment=None):
    """Return [(judgement, history)], one for each quota that `types` count against, judged by its first type.

    count: hosts that are to run at once; those of `deployment` that run already are not needed once more.
    """
    ec2, client = module.client("ec2", retry_decorator=RETRY), quotas_client(module)
    first: dict[quota_plan.Quota, str] = {}
    for one in types:
        first.setdefault(wanted_quota(one, market), one)
    running = [one for one in running_instances(ec2) if quota_plan.quota_for(one["type"], one["market"]) in first]
    sizes = vcpus(ec2, [*first.values(), *(one["type"] for one in running)])
    made = []
    for quota, kind in first.items():
        mine = [one for one in running if quota_plan.quota_for(one["type"], one["market"]) == quota]
        already = sum(1 for one in mine if deployment and one["deployment"] == deployment)
        need = {"type": kind, "vcpus": sizes[kind], "count": max(0, count - already)}
        named, reading = read_quota(client, quota)
        in_use = quota_plan.vcpus_in_use(quota, mine, sizes)
        made.append((quota_plan.judge(named, reading, in_use, need, module.region), read_history(client, named)))
    return made

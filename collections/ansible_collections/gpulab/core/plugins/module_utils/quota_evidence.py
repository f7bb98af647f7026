"""Gather what quota_plan judges: read-only calls to EC2 and Service Quotas, the latter allowed to end in unknown.

The plan of a launch uses judge_types with the instances that it has listed already; request-quota.yml uses survey.
"""

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


def plain_instances(instances):
    """Return AWS's instances as [{"type", "state", "market", "deployment"}]."""
    return [
        {
            "type": one["InstanceType"],
            "state": one["State"]["Name"],
            "market": one.get("InstanceLifecycle", "on-demand"),
            "deployment": ec2_calls.tags(one).get(TAG, ""),
        }
        for one in instances
    ]


def vcpus(ec2, types):
    """Return {type: vCPUs}: the catalogue's, and for what it lacks AWS's; what AWS lacks too is left out."""
    known = quota_plan.known_vcpus(types)
    others = sorted(set(types) - set(known))
    if others:
        found = pages(
            f"asking for the vCPUs of {', '.join(others)}",
            ec2.describe_instance_types,
            "InstanceTypes",
            Filters=[{"Name": "instance-type", "Values": others}],
        )
        known.update({one["InstanceType"]: one["VCpuInfo"]["DefaultVCpus"] for one in found})
    return known


def judge_types(ec2, client, region, wanted, instances):
    """Return {(type, market): judgement}, without types that AWS does not know; each quota is read once.

    wanted: {(type, market): how many more of it}. instances: plain_instances of the region. A family without a quota
    that is known here raises Stop.
    """
    quotas = {one: wanted_quota(*one) for one in wanted}
    counted = [one for one in instances if quota_plan.quota_for(one["type"], one["market"]) in quotas.values()]
    sizes = vcpus(ec2, [*(kind for kind, _ in wanted), *(one["type"] for one in counted)])
    quotas = {one: quota for one, quota in quotas.items() if one[0] in sizes}
    readings = {quota: read_quota(client, quota) for quota in dict.fromkeys(quotas.values())}
    made = {}
    for one, quota in quotas.items():
        named, reading = readings[quota]
        need = {"type": one[0], "vcpus": sizes[one[0]], "count": wanted[one]}
        in_use = quota_plan.vcpus_in_use(quota, counted, sizes)
        made[one] = dict(quota_plan.judge(named, reading, in_use, need, region), quota=named)
    return made


def survey(module, types, market, count, deployment=None):
    """Return [(judgement, history)], one for each quota that `types` count against, judged by its first type.

    count: hosts that are to run at once; those of `deployment` that run already are not needed once more.
    """
    ec2, client = module.client("ec2", retry_decorator=RETRY), quotas_client(module)
    first: dict[quota_plan.Quota, str] = {}
    for one in types:
        first.setdefault(wanted_quota(one, market), one)
    running = plain_instances(ec2_calls.instances(ec2, states=LIVE))
    wanted = {}
    for quota, kind in first.items():
        mine = [one for one in running if deployment and one["deployment"] == deployment]
        already = sum(1 for one in mine if quota_plan.quota_for(one["type"], one["market"]) == quota)
        wanted[kind, market] = max(0, count - already)
    judged = judge_types(ec2, client, module.region, wanted, running)
    for kind, _ in wanted:
        if (kind, market) not in judged:
            raise Stop(f"AWS knows no type {kind} (any more): choose another, such as g4dn.xlarge.")
    return [(one, read_history(client, one.pop("quota"))) for one in judged.values()]

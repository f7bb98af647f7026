"""Gather the evidence that launch_plan and preflight_plan judge: read-only calls, side by side in two rounds.

The first round asks what is there; the second, what a launch needs beside it, and nothing of that where every host
exists already. An unchanged run costs five calls and the prices.
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Any

from ansible.module_utils.urls import open_url
from ansible_collections.gpulab.core.plugins.module_utils import (
    ec2_calls,
    ec2_images,
    launch_ladder,
    launch_plan,
    price_evidence,
    quota_evidence,
    quota_plan,
    quota_request,
    side_by_side,
)
from ansible_collections.gpulab.core.plugins.module_utils.ec2_calls import RETRY, Stop, call, pages

PATIENCE = {"retries": {"total_max_attempts": 2, "mode": "standard"}}
"""RETRY's six tries of two attempts end after some 20 s; botocore's own five attempts would make that a minute."""

_EMPTY: dict[str, Any] = {
    "caller": None,
    "instances": [],
    "network": {"vpc_id": None, "subnet": None},
    "groups": [],
    "remote_key": None,
}
_EMPTY_LAUNCH: dict[str, Any] = {"zones": {}, "image": (None, []), "quotas": [], "prices": [], "elsewhere": {}}


def client(module, service, **more):
    """Return a client of AWS that is patient, but not for ever."""
    return module.client(service, retry_decorator=RETRY, config=PATIENCE, **more)


def gather(module, request):
    """Return (evidence, {what could not be learnt: Stop}); raise Stop for a region that there is not.

    request: launch_plan's. evidence: what launch_plan.evidence_problems, launch_offer and preflight_plan describe; what
    could not be learnt is empty in it. When AWS does not take the credentials, that is the only refusal.
    """
    if not re.fullmatch(r"[a-z]+(-[a-z]+)+-\d", module.region or ""):
        ec2_calls.check_region(module.region)
    for region in request["other_regions"]:
        ec2_calls.check_region(region, "gpu_next_regions")
    ec2, sts = client(module, "ec2"), client(module, "sts")
    # Clients are made here, by the main thread, and used by the others.
    price_list = price_evidence.PriceList(module)
    found, refusals = side_by_side.ask(
        {
            "caller": lambda: call("asking whose credentials these are", sts.get_caller_identity, aws_retry=True),
            "instances": lambda: ec2_calls.instances(ec2),
            "network": lambda: _network(ec2, request["subnet_id"]),
            "groups": lambda: _groups(ec2, request["security_group"]),
            "remote_key": lambda: _remote_key(ec2, request["key_name"]),
            "cidrs": lambda: [caller_cidr(request["checkip_url"]) if c == "auto" else c for c in request["cidrs"]],
        }
    )
    found = {**_EMPTY, "cidrs": [], **found}
    if "caller" in refusals:
        # Only now, because reading botocore's table of regions takes longer than all the questions.
        ec2_calls.check_region(module.region)
        refusals = {"caller": refusals["caller"]}
    network, hosts = found["network"], _hosts(found["instances"], request)
    group = next((g for g in found["groups"] if g["VpcId"] == network["vpc_id"]), None)
    evidence = {
        "region": module.region,
        "endpoint": ec2.meta.endpoint_url,
        "caller": found["caller"],
        "hosts": hosts,
        "key": dict(_local_key(module, request), name=request["key_name"], remote=found["remote_key"]),
        **network,
        "group_id": group["GroupId"] if group else None,
        "permissions": group["IpPermissions"] if group else [],
        "cidrs": found["cidrs"],
    }
    if "caller" in refusals:
        return dict(evidence, **_launch(_EMPTY_LAUNCH, evidence, [])), refusals
    missing = launch_plan.missing(request["hosts"], hosts)
    found, more = side_by_side.ask(
        _launch_questions(module, ec2, request, price_list, found["instances"], hosts, missing)
    )
    return dict(evidence, **_launch({**_EMPTY_LAUNCH, **found}, evidence, missing)), {**refusals, **more}


def _launch_questions(module, ec2, request, price_list, instances, hosts, missing):
    """Return the questions of the second round; those on type, AMI and quota only where they decide something."""
    markets = launch_ladder.markets(request["market"], request["spot_fallback"])
    kinds = [(kind, one) for one in markets for kind in request["instance_types"]] if missing else []
    shown = list(dict.fromkeys([*kinds, *((h["instance_type"], h["market"]) for h in hosts)]))
    # Budgets are reckoned by the price on demand, which a spot host does not exceed.
    priced = list(dict.fromkeys([*shown, *((kind, "on-demand") for kind, _ in shown)]))
    spot = price_evidence.spot_client(module) if any(one == "spot" for _, one in priced) else None
    questions = {"prices": lambda: price_evidence.survey(price_list, spot, priced, request["volume_gb"])}
    wanted = _vcpus_wanted(kinds, hosts, len(missing))
    if wanted:
        client_of_quotas, plain = quota_evidence.quotas_client(module), quota_evidence.plain_instances(instances)
        questions["quotas"] = lambda: _quotas(ec2, client_of_quotas, module.region, wanted, plain)
    if missing:
        ssm = client(module, "ssm") if request["image_parameters"] and not request["image_id"] else None
        questions["zones"] = lambda: _zones(ec2, request["instance_types"])
        questions["image"] = lambda: ec2_images.find(ec2, ssm, request)
    if missing and request["other_regions"]:
        others = {region: client(module, "ec2", region=region) for region in request["other_regions"]}
        questions["elsewhere"] = lambda: ec2_calls.elsewhere(others, request["deployment"])
    return questions


def _launch(found, evidence, missing):
    """Return the second round's part of the evidence."""
    zone = evidence["subnet"]["zone"] if evidence["subnet"] else None
    # A subnet is in one zone, and so would be its hosts.
    zones = {kind: [zone] if zone else where for kind, where in found["zones"].items() if zone is None or zone in where}
    image, tried = found["image"]
    if not missing and evidence["hosts"]:
        image = evidence["hosts"][0]["image"]
    return {
        "offered": list(zones),
        "zones": zones,
        "image": image,
        "images_tried": tried,
        "quotas": found["quotas"],
        "prices": found["prices"],
        "elsewhere": found["elsewhere"],
    }


def _hosts(instances, request):
    mine = [i for i in instances if ec2_calls.tags(i).get(launch_plan.TAG) == request["deployment"]]
    return [host for host in map(_host, mine) if host["name"] in request["hosts"]]


def _host(instance):
    tags = ec2_calls.tags(instance)
    return {
        "name": ec2_calls.host_name(instance),
        "id": instance["InstanceId"],
        "state": instance["State"]["Name"],
        "launch_time": str(instance["LaunchTime"]),
        "instance_type": instance["InstanceType"],
        "market": instance.get("InstanceLifecycle", "on-demand"),
        "image": {
            "id": instance["ImageId"],
            "name": tags.get("gpulab:image", instance["ImageId"]),
            "source": tags.get("gpulab:image-source", "the instance"),
        },
        "tags": tags,
    }


def caller_cidr(url):
    """Return the caller's own address as a /32 (or /128), asked of `url`."""
    try:
        address = open_url(url, timeout=10).read().decode().strip()
    except Exception as error:
        raise Stop(
            f"Your own address could not be learnt from {url} ({error}): give it with -e allowed_cidr=ADDRESS/32."
        ) from error
    try:
        return str(ipaddress.ip_network(address))
    except ValueError:
        raise Stop(
            f"{url} answered '{address[:40]}', which is no address: give yours with -e allowed_cidr=ADDRESS/32."
        ) from None


def _network(ec2, subnet_id):
    """Return {vpc_id, subnet}: the default VPC, or the subnet that was named with its VPC; None where there is none."""
    if not subnet_id:
        wanted = [{"Name": "is-default", "Values": ["true"]}]
        found = pages("looking for the default VPC", ec2.describe_vpcs, "Vpcs", Filters=wanted)
        return {"vpc_id": found[0]["VpcId"] if found else None, "subnet": None}
    wanted = [{"Name": "subnet-id", "Values": [subnet_id]}]
    found = pages("looking for the subnet", ec2.describe_subnets, "Subnets", Filters=wanted)
    if not found:
        return {"vpc_id": None, "subnet": None}
    return {"vpc_id": found[0]["VpcId"], "subnet": plain_subnet(found[0])}


def plain_subnet(subnet):
    """Return AWS's subnet as {id, zone, free (addresses), public (whether hosts get a public address)}."""
    return {
        "id": subnet["SubnetId"],
        "zone": subnet["AvailabilityZone"],
        "free": subnet["AvailableIpAddressCount"],
        "public": subnet["MapPublicIpOnLaunch"],
    }


def _groups(ec2, name):
    wanted = [{"Name": "group-name", "Values": [name]}]
    return pages("looking for the security group", ec2.describe_security_groups, "SecurityGroups", Filters=wanted)


def _zones(ec2, types):
    """Return {type: the region's zones that offer it}, in the user's order."""
    if not types:
        return {}
    found = pages(
        "asking which types the region offers",
        ec2.describe_instance_type_offerings,
        "InstanceTypeOfferings",
        LocationType="availability-zone",
        Filters=[{"Name": "instance-type", "Values": types}],
    )
    zones = {kind: sorted(o["Location"] for o in found if o["InstanceType"] == kind) for kind in types}
    return {kind: where for kind, where in zones.items() if where}


def _vcpus_wanted(kinds, hosts, missing):
    """Return {(type, market): how many more are to run}: those to launch, and stopped ones that will be started."""
    stopped = [(h["instance_type"], h["market"]) for h in hosts if h["state"] in ("stopped", "stopping")]
    wanted = {kind: missing + len(stopped) for kind in kinds} or {kind: stopped.count(kind) for kind in stopped}
    return {kind: count for kind, count in wanted.items() if quota_plan.quota_for(*kind)}


def _quotas(ec2, client_of_quotas, region, wanted, instances):
    """Return the judgements, with market, and what has become of requests for a quota that is too small."""
    made, told = [], {}
    for (_, market), judgement in quota_evidence.judge_types(ec2, client_of_quotas, region, wanted, instances).items():
        quota = judgement.pop("quota")
        if judgement["enough"] is False and quota not in told:
            plan = quota_request.plan_request(judgement, quota_evidence.read_history(client_of_quotas, quota))
            told[quota] = quota_request.request_sentence(plan["request"]) if plan["request"] else ""
        made.append(dict(judgement, market=market, request=told.get(quota, "")))
    return made


def _local_key(module, request):
    """Return the local half of the key pair; local_error tells of a private key that ssh could not use."""
    path = Path(request["key_file"])
    local = error = None
    if path.exists():
        code, out, err = module.run_command(["ssh-keygen", "-y", "-P", "", "-f", str(path)])
        if code == 0:
            local = out.strip()
        else:
            error = (err.strip().splitlines() or ["ssh-keygen gave no reason"])[-1]
    return {"file": str(path), "local": local, "local_error": error}


def _remote_key(ec2, name):
    wanted = [{"Name": "key-name", "Values": [name]}]
    answer = call(
        "looking for the key pair", ec2.describe_key_pairs, Filters=wanted, IncludePublicKey=True, aws_retry=True
    )
    return (answer["KeyPairs"][0].get("PublicKey") or "unreadable").strip() if answer["KeyPairs"] else None

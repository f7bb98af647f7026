"""What would stop a launch, and which launch it is: pure functions over a request and the evidence AWS gave.

Nothing here does I/O. Every problem is one sentence: what was found, what was expected, what to type next.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
from typing import NamedTuple

from ansible_collections.gpulab.core.plugins.module_utils import jupyter_access
from ansible_collections.gpulab.core.plugins.module_utils.gpu_catalogue import price, retired
from ansible_collections.gpulab.core.plugins.module_utils.quota_plan import MARKETS

TAG = "gpulab:deployment"
LIVE_STATES = ("pending", "running", "stopping", "stopped")

_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
# The role gpulab-DEPLOYMENT-stop may have 64 characters.
_LONGEST = {"deployment": 52, "host": 63}


class Problem(NamedTuple):
    """What stands in the way of a launch: the row of the preflight that it belongs to, and one sentence."""

    check: str
    sentence: str


def request_problems(request):
    """Return the Problems that can be seen without asking AWS; empty when all is well.

    request: deployment, hosts (names), gpu_profile, gpu_profiles (the known names), instance_types, cidrs ("auto" or
    CIDR strings), allow_world (bool), volume_gb, notebook_access (tunnel or public), notebook_cidr, market, budget_usd
    (of each host), max_hourly_usd (None without a cap), other_regions, subnet_id, image_id.
    """
    found = []
    if request["gpu_profile"] not in request["gpu_profiles"]:
        found.append(
            f"gpu_profile is '{request['gpu_profile']}', and only {', '.join(sorted(request['gpu_profiles']))} are "
            "known: choose one with -e gpu_profile=modern."
        )
    names = [("deployment", request["deployment"], "deployment")]
    names += [("host", host, "gpu_host_name") for host in request["hosts"]]
    for what, name, variable in names:
        if not _NAME.fullmatch(name) or len(name) > _LONGEST[what]:
            found.append(
                f"The {what} name '{name}' has to be lower-case letters, digits and hyphens, {_LONGEST[what]} at most: "
                f"choose another with -e {variable}=gpulab."
            )
    if request["market"] not in MARKETS:
        found.append(
            f"gpu_market is '{request['market']}', and hosts are bought {' or '.join(MARKETS)}: "
            "give one of them with -e gpu_market=spot, or leave it out."
        )
    if request["other_regions"]:
        found += [
            f"{variable} is {request[name]}, which is in one region, and gpu_next_regions allows others: leave "
            f"{variable} out, or stay in the region with -e gpu_next_regions=''."
            for variable, name in (("gpu_subnet_id", "subnet_id"), ("gpu_image_id", "image_id"))
            if request[name]
        ]
    access = [sentence for cidr in request["cidrs"] for sentence in _cidr_problems(cidr, request["allow_world"])]
    access += jupyter_access.problems(request["notebook_access"], request["notebook_cidr"], request["allow_world"])
    money = [
        f"{name} is ${amount:g}, expected more than nothing: give US dollars, such as -e {name}={example}."
        for name, amount, example in (
            ("budget_usd", request["budget_usd"], 5),
            ("max_hourly_usd", request["max_hourly_usd"], 0.6),
        )
        if amount is not None and not amount > 0
    ]
    return [
        Problem(check, sentence)
        for check, sentences in (("settings", found), ("access", access), ("price", money))
        for sentence in sentences
    ]


def _cidr_problems(cidr, allow_world):
    if cidr == "auto":
        return []
    try:
        network = ipaddress.ip_network(cidr)
    except ValueError as error:
        return [
            f"allowed_cidr is '{cidr}', which is no network ({error}): give one like -e allowed_cidr=203.0.113.7/32."
        ]
    if network.prefixlen == 0 and not allow_world:
        return [
            f"allowed_cidr is {cidr}, which opens SSH to the whole world: leave it out to admit only your own address, "
            "or say that you mean it with -e allow_world=true."
        ]
    return []


def evidence_problems(request, evidence):
    """Return the Problems in what AWS and the control machine said; empty when a launch may go on.

    evidence: region, offered (types of the request that the region has), hosts (live instances of these host names,
    each with name, id, state, launch_time), key ({"local": openssh line or None, "local_error": str or None, "remote":
    line or None, "file": path, "name": str}), image (dict or None), images_tried (what was looked for), vpc_id (or
    None), subnet (ec2_evidence.plain_subnet of the one that was named, or None), elsewhere (region -> names of the
    deployment's hosts in other regions). Quota and price are launch_offer's.
    """
    found = [Problem("hosts", sentence) for sentence in _doubles(request, evidence["hosts"])]
    found += [Problem("key pair", sentence) for sentence in _key_problems(evidence["key"])]
    wanted = missing(request["hosts"], evidence["hosts"])
    if wanted:
        found += [Problem("hosts", sentence) for sentence in far_hosts(request["deployment"], evidence["elsewhere"])]
        found += [Problem("type", sentence) for sentence in _type_problems(request["instance_types"], evidence)]
        found += [Problem("AMI", sentence) for sentence in _image_problems(request, evidence)]
        found += [Problem("network", sentence) for sentence in _network_problems(request, evidence, len(wanted))]
    return found


def _doubles(request, live):
    found = []
    for name in request["hosts"]:
        hosts = [h for h in live if h["name"] == name]
        if len(hosts) > 1:
            listed = ", ".join(f"{h['id']} ({h['state']}, launched {h['launch_time']})" for h in hosts)
            found.append(
                f"{len(hosts)} live instances are called '{name}' in deployment '{request['deployment']}': {listed}; "
                "there may be only one, so terminate those you do not need in the EC2 console and run this again."
            )
    return found


def far_hosts(deployment, elsewhere):
    """Return a sentence for each region that keeps a launch from this one: a deployment's hosts are in one region."""
    return [
        f"Deployment '{deployment}' has hosts in {region} ({', '.join(names)}), and a deployment is in one region: go "
        f"on there with -e aws_region={region}, or choose another deployment with -e deployment=NAME."
        for region, names in elsewhere.items()
    ]


def _image_problems(request, evidence):
    if evidence["image"]:
        return []
    if request["image_id"]:
        return [
            f"AMI {request['image_id']} does not exist in {evidence['region']}, or is not for this account: leave "
            "gpu_image_id out to take the profile's newest, or list AMIs with `aws ec2 describe-images --region "
            f"{evidence['region']} --owners amazon`."
        ]
    owners = ", ".join(request["image_owners"]) or "anybody"
    return [
        f"No AMI of profile '{request['gpu_profile']}' was found in {evidence['region']} (tried "
        f"{'; '.join(evidence['images_tried'])}; owner {owners}): choose another region with -e aws_region=us-east-1, "
        "or name an AMI with -e gpu_image_id=ami-..."
    ]


def _network_problems(request, evidence, hosts):
    region, subnet = evidence["region"], evidence["subnet"]
    if evidence["vpc_id"] is None and request["subnet_id"]:
        return [
            f"Subnet {request['subnet_id']} does not exist in {region}: list them with `aws ec2 describe-subnets "
            f"--region {region}`, or leave gpu_subnet_id out."
        ]
    if evidence["vpc_id"] is None:
        return [
            f"Region {region} has no default VPC to launch in: make one with `aws ec2 create-default-vpc --region "
            f"{region}`, name a subnet with -e gpu_subnet_id=subnet-..., or choose another region."
        ]
    if subnet and not subnet["public"]:
        return [
            f"Subnet {subnet['id']} gives its hosts no public address, so nobody could reach them: choose another with "
            "-e gpu_subnet_id=subnet-..., or leave gpu_subnet_id out."
        ]
    if subnet and subnet["free"] < hosts:
        return [
            f"Subnet {subnet['id']} has {subnet['free']} free addresses, and {hosts} are needed: choose another with "
            "-e gpu_subnet_id=subnet-..., or leave gpu_subnet_id out."
        ]
    return []


def missing(names, hosts):
    """Return those of `names` that none of the live `hosts` carries, in order."""
    there = {host["name"] for host in hosts}
    return [name for name in names if name not in there]


def _key_problems(key):
    if key["local_error"]:
        return [
            f"The key file {key['file']} exists but is not a private key that ssh can use without a passphrase "
            f"({key['local_error']}): move it away, or name another with -e gpu_key_file=PATH."
        ]
    if key["remote"] and not _same_key(key["local"], key["remote"]):
        mine = "belongs to another key" if key["local"] else "has no local half in " + key["file"]
        return [
            f"The EC2 key pair '{key['name']}' exists and {mine}: put the right private key at {key['file']}, "
            "or choose another deployment with -e deployment=NAME."
        ]
    return []


def _same_key(one, other):
    """Compare two openssh public key lines by type and body; comments differ freely."""
    return bool(one and other) and one.split()[:2] == other.split()[:2]


def _type_problems(types, evidence):
    if evidence["offered"]:
        return []
    region = evidence["region"]
    gone = [(t, retired(t)) for t in types if retired(t) and t not in evidence["offered"]]
    if gone:
        name, (gpu, date, successor) = gone[0]
        cost = price(successor, region)["host_usd_per_hour"]
        return [
            f"{name} ({gpu}) was retired by AWS (gone from its lists by {date}); {successor} does the same job for "
            f'${cost:.2f} an hour: use -e gpu_profile=modern, or -e \'{{"gpu_instance_types": ["{successor}"]}}\'.'
        ]
    return [
        f"Region {region} offers none of the instance types {', '.join(types) or '(none given)'}: choose others with "
        '-e \'{"gpu_instance_types": ["g4dn.xlarge"]}\', or another region with -e aws_region=us-east-1.'
    ]


def client_token(account, region, specification, generation=0):
    """Return the RunInstances ClientToken: the same launch asked again gives the same token, so AWS makes it once.

    generation: how many earlier hosts of the very same launch AWS remembers as terminated. It refuses their tokens
    (IdempotentInstanceTerminated) for longer than it lists the dead instances.
    """
    text = json.dumps([account, region, specification, generation], sort_keys=True, default=str)
    return "gpulab-" + hashlib.sha256(text.encode()).hexdigest()[:48]

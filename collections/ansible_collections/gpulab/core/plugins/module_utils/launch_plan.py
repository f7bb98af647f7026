"""What would stop a launch, and which launch it is: pure functions over a request and the evidence AWS gave.

Nothing here does I/O. Every problem is one sentence: what was found, what was expected, what to type next.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re

from ansible_collections.gpulab.core.plugins.module_utils import jupyter_access
from ansible_collections.gpulab.core.plugins.module_utils.gpu_catalogue import price, retired

TAG = "gpulab:deployment"
HOST_TAG = "gpulab:host"
LIVE_STATES = ("pending", "running", "stopping", "stopped")
RULE_PREFIX = "gpulab: ssh from"
NOTEBOOK_PREFIX = "gpulab: notebook from"

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_WORLD = ("0.0.0.0/0", "::/0")
_PREFIXES = (RULE_PREFIX, NOTEBOOK_PREFIX)


def request_problems(request):
    """Return the sentences about what can be judged without asking AWS; empty when all is well.

    request: deployment, host, gpu_profile, gpu_profiles (the known names), instance_types, cidrs ("auto" or CIDR
    strings), allow_world (bool), volume_gb, notebook_access (tunnel or public), notebook_cidr.
    """
    found = []
    if request["gpu_profile"] not in request["gpu_profiles"]:
        found.append(
            f"gpu_profile is '{request['gpu_profile']}', and only {', '.join(sorted(request['gpu_profiles']))} are "
            "known: choose one with -e gpu_profile=modern."
        )
    for what in ("deployment", "host"):
        if not _NAME.fullmatch(request[what]):
            found.append(
                f"The {what} name '{request[what]}' has to be lower-case letters, digits and hyphens, 63 at most: "
                f"choose another with -e {'deployment' if what == 'deployment' else 'gpu_host_name'}=gpulab."
            )
    for cidr in request["cidrs"]:
        found += _cidr_problems(cidr, request["allow_world"])
    return found + jupyter_access.problems(request["notebook_access"], request["notebook_cidr"], request["allow_world"])


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
    """Return the sentences about what AWS and the control machine said; empty when a launch may go on.

    evidence: region, offered (types of the request that the region has), hosts (live instances of this host name, each
    with id, state, launch_time), key ({"local": openssh line or None, "local_error": str or None, "remote": line or
    None, "file": path, "name": str}), image (dict or None), vpc_id (or None).
    """
    found = []
    hosts = evidence["hosts"]
    if len(hosts) > 1:
        listed = ", ".join(f"{h['id']} ({h['state']}, launched {h['launch_time']})" for h in hosts)
        found.append(
            f"{len(hosts)} live instances are called '{request['host']}' in deployment '{request['deployment']}': "
            f"{listed}; there may be only one, so terminate those you do not need in the EC2 console and run this "
            "again."
        )
    found += _key_problems(evidence["key"])
    if not hosts:
        found += _type_problems(request["instance_types"], evidence)
        if evidence["image"] is None:
            found.append(
                f"No AMI of profile '{request['gpu_profile']}' was found in {evidence['region']} (tried "
                f"{'; '.join(request['images_tried'])}): choose another region with -e aws_region=us-east-1, or name "
                "an AMI with -e gpu_image_id=ami-..."
            )
        if evidence["vpc_id"] is None:
            found.append(
                f"Region {evidence['region']} has no default VPC to launch in: make one with "
                f"`aws ec2 create-default-vpc --region {evidence['region']}`, or choose another region."
            )
    return found


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
    if choose_type(types, evidence["offered"]):
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


def choose_type(types, offered):
    """Return the first of `types` (in the user's order) that is in `offered`, or None."""
    return next((t for t in types if t in offered), None)


def security_group_rules(permissions, cidrs, notebook_cidrs=(), notebook_port=8888):
    """Return (rules, changed): the ingress rules our group should have, in amazon.aws.ec2_security_group's form.

    permissions: IpPermissions of DescribeSecurityGroups, [] for a group to be made. Ours are told by their description
    and replaced when the caller's address moved; rules that somebody else added to the group are kept.
    notebook_cidrs: networks that may reach a public notebook; without them its rule goes.
    """
    opened = {(22, RULE_PREFIX, c) for c in cidrs} | {(notebook_port, NOTEBOOK_PREFIX, c) for c in notebook_cidrs}
    wanted = [
        {"proto": "tcp", "ports": [port], _cidr_key(c): c, "rule_desc": f"{prefix} {c}"}
        for port, prefix, c in sorted(opened)
    ]
    foreign, ours = [], set()
    for permission in permissions:
        for source in permission.get("IpRanges", []) + permission.get("Ipv6Ranges", []):
            cidr = source.get("CidrIp") or source.get("CidrIpv6")
            prefix = next((p for p in _PREFIXES if source.get("Description", "").startswith(p)), None)
            if prefix:
                ours.add((permission.get("FromPort"), prefix, cidr))
            else:
                foreign.append(_foreign_rule(permission, cidr, source.get("Description")))
        for pair in permission.get("UserIdGroupPairs", []):
            foreign.append(dict(_ports(permission), group_id=pair["GroupId"]))
    return wanted + foreign, ours != opened


def _cidr_key(cidr):
    return "cidr_ipv6" if ":" in cidr else "cidr_ip"


def _ports(permission):
    if permission["IpProtocol"] == "-1":
        return {"proto": "all"}
    return {"proto": permission["IpProtocol"], "from_port": permission["FromPort"], "to_port": permission["ToPort"]}


def _foreign_rule(permission, cidr, description):
    rule = dict(_ports(permission))
    rule[_cidr_key(cidr)] = cidr
    if description:
        rule["rule_desc"] = description
    return rule


def client_token(account, region, specification, generation=0):
    """Return the RunInstances ClientToken: the same launch asked again gives the same token, so AWS makes it once.

    generation: how many earlier hosts of the very same launch AWS remembers as terminated. It refuses their tokens
    (IdempotentInstanceTerminated) for longer than it lists the dead instances.
    """
    text = json.dumps([account, region, specification, generation], sort_keys=True, default=str)
    return "gpulab-" + hashlib.sha256(text.encode()).hexdigest()[:48]

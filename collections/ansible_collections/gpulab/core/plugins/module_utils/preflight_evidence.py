"""Gather what only the preflight asks, beside the plan's evidence: all of it read-only, writes only as AWS's DryRun."""

from __future__ import annotations

import functools
from datetime import datetime, timezone

from ansible_collections.gpulab.core.plugins.module_utils import (
    ec2_evidence,
    guard_permissions,
    launch_plan,
    price_plan,
    side_by_side,
)
from ansible_collections.gpulab.core.plugins.module_utils.aws_errors import DENIED, skew_seconds
from ansible_collections.gpulab.core.plugins.module_utils.ec2_calls import Stop, call, pages
from ansible_collections.gpulab.core.plugins.module_utils.preflight_plan import Refusal

ALLOWED = "DryRunOperation"
"""What AWS answers to a DryRun of something that these credentials may do."""
HOME = "us-east-1"
"""A region that every account of the usual partition has enabled: it knows of the others whether they are."""
# Well-formed, and of nobody: a DryRun does not import it.
_SOME_KEY = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + b"A" * 43 + b" nobody"


def gather(module, request):
    """Return (evidence, {part: Refusal}): the plan's, and what only a preflight asks.

    That is skew (s or None); region_status; subnets; dry_runs: EC2 action -> "allowed", "denied", or the code with
    which AWS answered neither; guards: the actions that they need and that are denied, or a text: why nobody can say.
    """
    ec2 = ec2_evidence.client(module, "ec2")
    home = ec2_evidence.client(module, "ec2", region=HOME) if price_plan.pricing_region(module.region) else ec2
    iam = ec2_evidence.client(module, "iam")
    evidence, refusals = ec2_evidence.gather(module, request)
    questions = {"region_status": functools.partial(_region_status, home, module.region)}
    if "caller" not in refusals:
        questions["guards"] = functools.partial(_guards, iam, evidence["caller"], module.region, request)
        questions["subnets"] = functools.partial(_subnets, ec2, evidence)
        for action, (method, arguments) in _writes(ec2, request, evidence).items():
            questions[f"permission {action}"] = functools.partial(_may, method, arguments)
    found, more = side_by_side.ask(questions)
    dry_runs = {name.split()[1]: found[name] for name in found if name.startswith("permission ")}
    extra = {
        "skew": _skew(evidence, refusals),
        "region_status": found.get("region_status"),
        "subnets": found.get("subnets", []),
        "dry_runs": dry_runs,
        "guards": found.get("guards", "not asked"),
    }
    return dict(evidence, **extra), {part: _plain(stop) for part, stop in {**refusals, **more}.items()}


def _plain(stop):
    return Refusal(stop.code, str(stop), getattr(stop.__cause__, "operation_name", ""))


def _skew(evidence, refusals):
    """Return how many seconds this machine's clock is ahead of the Date header of AWS's first answer, None without."""
    answer = evidence["caller"]
    if answer is None and "caller" in refusals:
        answer = getattr(refusals["caller"].__cause__, "response", None)
    headers = (answer or {}).get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return skew_seconds(headers.get("date"), datetime.now(timezone.utc))


def _region_status(home, region):
    """Return opt-in-not-required, opted-in or not-opted-in; None where AWS does not list the region."""
    wanted = [{"Name": "region-name", "Values": [region]}]
    found = call("asking whether the region is enabled", home.describe_regions, AllRegions=True, Filters=wanted)
    return found["Regions"][0]["OptInStatus"] if found["Regions"] else None


def _subnets(ec2, evidence):
    """Return the subnets that a launch may take, as ec2_evidence.plain_subnet."""
    if evidence["subnet"] or not evidence["vpc_id"]:
        return [evidence["subnet"]] if evidence["subnet"] else []
    wanted = [{"Name": "vpc-id", "Values": [evidence["vpc_id"]]}, {"Name": "default-for-az", "Values": ["true"]}]
    found = pages("looking for the subnets", ec2.describe_subnets, "Subnets", Filters=wanted)
    return [ec2_evidence.plain_subnet(one) for one in found]


def _guards(iam, caller, region, request):
    """Return the actions that the guards need and these credentials are denied, or a text: why nobody can say."""
    kind, name = guard_permissions.who(caller["Arn"])
    if kind == "root":
        return []
    if not kind:
        return f"IAM cannot say it of {caller['Arn'].split(':')[-1]}"
    account = caller["Account"]
    try:
        source = f"arn:aws:iam::{account}:user/{name}"
        if kind == "role":
            # Its path, which single sign-on gives it, is not in the caller's ARN.
            source = call("reading the caller's role", iam.get_role, aws_retry=True, RoleName=name)["Role"]["Arn"]
        asked = guard_permissions.questions(account, region, request["deployment"], request["guard_mail"])
        ask = functools.partial(
            call, "asking for the guards' permissions", iam.simulate_principal_policy, aws_retry=True
        )
        return guard_permissions.denied([ask(**guard_permissions.arguments(one, source)) for one in asked])
    except Stop as stop:
        if stop.code is None:
            raise
        return f"{getattr(stop.__cause__, 'operation_name', 'IAM')} was answered with {stop.code}"


def _writes(ec2, request, evidence):
    """Return {action: (method, arguments)} of the writes that a launch would begin with, as far as they can be asked.

    What exists already is not made, so the permission for it is not needed.
    """
    tags = [{"Key": launch_plan.TAG, "Value": request["deployment"]}]

    def tagged(*kinds):
        return {"TagSpecifications": [{"ResourceType": kind, "Tags": tags} for kind in kinds]}

    name, group, hosts = request["security_group"], evidence["group_id"], [h["id"] for h in evidence["hosts"]]
    writes = {}
    if launch_plan.missing(request["hosts"], evidence["hosts"]) and evidence["image"] and evidence["offered"]:
        kind = next(one for one in request["instance_types"] if one in evidence["offered"])
        launch = {"ImageId": evidence["image"]["id"], "InstanceType": kind, "MinCount": 1, "MaxCount": 1}
        writes["RunInstances"] = (ec2.run_instances, dict(launch, **tagged("instance", "volume", "network-interface")))
    if evidence["key"]["remote"] is None:
        key = {"KeyName": request["key_name"], "PublicKeyMaterial": _SOME_KEY}
        writes["ImportKeyPair"] = (ec2.import_key_pair, dict(key, **tagged("key-pair")))
    if group is None and evidence["vpc_id"]:
        made = {"GroupName": name, "Description": "gpulab: a dry run", "VpcId": evidence["vpc_id"]}
        writes["CreateSecurityGroup"] = (ec2.create_security_group, dict(made, **tagged("security-group")))
    if group:
        rule = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "192.0.2.1/32"}]}
        writes["AuthorizeSecurityGroupIngress"] = (
            ec2.authorize_security_group_ingress,
            {"GroupId": group, "IpPermissions": [rule]},
        )
    if hosts:
        writes["StartInstances"] = (ec2.start_instances, {"InstanceIds": hosts[:1]})
        writes["StopInstances"] = (ec2.stop_instances, {"InstanceIds": hosts[:1]})
        writes["TerminateInstances"] = (ec2.terminate_instances, {"InstanceIds": hosts[:1]})
    return writes


def _may(method, arguments):
    """Return "allowed" or "denied", or AWS's code where its answer says neither."""
    try:
        call("asking for a permission", method, DryRun=True, aws_retry=True, **arguments)
    except Stop as stop:
        if stop.code == ALLOWED:
            return "allowed"
        if stop.code in DENIED:
            return "denied"
        if stop.code is None:
            raise
        return stop.code
    return "allowed"

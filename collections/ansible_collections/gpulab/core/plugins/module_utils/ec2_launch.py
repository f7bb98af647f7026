"""RunInstances, once for each rung of launch_ladder and for many hosts at once: what is asked, which instance is whose,
and how a call that may have been heard is repeated."""

from __future__ import annotations

import random
import time
from typing import Any, NamedTuple

from ansible_collections.gpulab.core.plugins.module_utils import host_names, launch_ladder
from ansible_collections.gpulab.core.plugins.module_utils.ec2_calls import Stop, call, host_name, pages
from ansible_collections.gpulab.core.plugins.module_utils.launch_plan import TAG, client_token

# AWS forgets a token within days; nobody makes and removes the same host this often in that time.
MOST_GENERATIONS = 100
ASK = 5
"""How often one call is made at most while its answers are lost or AWS is too busy for it."""
# botocore would repeat what AWS answers with HTTP 500, a missing capacity among it, before anybody sees it.
NO_RETRIES = {"retries": {"total_max_attempts": 1}}
SPOT = {"SpotInstanceType": "persistent", "InstanceInterruptionBehavior": "stop"}
"""A spot host has to survive being stopped, by AWS or by our own guards: only a persistent request allows that
(https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/how-spot-instances-work.html). It carries the deployment's tag,
because it outlives its host and would launch another: teardown cancels it first."""
_BUSY = ("RequestLimitExceeded", "Throttling", "ThrottlingException", "InternalError", "InternalFailure", "Unavailable")
GONE = ("shutting-down", "terminated")


class Full(Stop):
    """Nothing was launched, and nothing is left to ask. attempts: the refused calls."""

    def __init__(self, text, attempts):
        super().__init__(text)
        self.attempts = attempts


class Climbed(NamedTuple):
    """launched: name -> the instance as AWS answers. attempts: the refused calls. refusal: why hosts are left over."""

    launched: dict[str, Any]
    attempts: list[dict[str, Any]]
    refusal: str


def specification(params):
    """Return RunInstances' arguments without what depends on the hosts' names and on the rung."""
    disk = {"VolumeSize": params["volume_gb"], "VolumeType": "gp3", "Encrypted": True, "DeleteOnTermination": True}
    found = {
        "ImageId": params["image_id"],
        "KeyName": params["key_name"],
        "SecurityGroupIds": params["security_group_ids"],
        "MinCount": 1,
        "UserData": params["user_data"],
        "BlockDeviceMappings": [{"DeviceName": params["root_device"], "Ebs": disk}],
        "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 1, "HttpEndpoint": "enabled"},
        "InstanceInitiatedShutdownBehavior": "stop",
    }
    if params["subnet_id"]:
        found["SubnetId"] = params["subnet_id"]
    return found


def request(wanted, tags, names, rung):
    """Return RunInstances' arguments, but for the token, for these hosts on this rung; `tags` are all hosts' own.

    As many as there is room for are launched, the first of the list: the others are asked for on the next rung.
    """
    asked = dict(wanted, MaxCount=len(names), InstanceType=rung.instance_type)
    if rung.zone:
        asked["Placement"] = {"AvailabilityZone": rung.zone}
    kinds = ["instance", "volume", "network-interface"]
    if rung.market == "spot":
        asked["InstanceMarketOptions"] = {"MarketType": "spot", "SpotOptions": SPOT}
        kinds.append("spot-instances-request")
    given = dict(tags, **host_names.name_tags(names))
    given["Name"] = names[0] if len(names) == 1 else tags[TAG]
    listed = [{"Key": k, "Value": str(v)} for k, v in sorted(given.items())]
    asked["TagSpecifications"] = [{"ResourceType": kind, "Tags": listed} for kind in kinds]
    return asked


def climb(run_instances, ec2, account, region, params):
    """Launch the hosts params["hosts"] on the first rungs that have room; return Climbed.

    run_instances: that method of a client without retries. params: ec2_gpu_launch's. Raises Stop where not one host
    was launched: Full when nothing is left to ask, and any refusal that another zone, type or market cannot mend.
    """
    wanted, types = specification(params), params["instance_types"]
    tags = dict(params["tags"], **{TAG: params["deployment"]})
    markets = launch_ladder.markets(params["market"], params["spot_fallback"])
    launched: dict[str, Any] = {}
    attempts: list[dict[str, Any]] = []
    offered: dict[str, list[str]] = {}
    while len(launched) < len(params["hosts"]):
        left = [name for name in params["hosts"] if name not in launched]
        rung = launch_ladder.next_rung(types, offered, attempts, markets)
        try:
            if rung is None:
                raise Full(launch_ladder.refusal(attempts, left if launched else ()), attempts)
            names = host_names.groups(left)[0]
            found = _launch(run_instances, account, region, request(wanted, tags, names, rung), names)
        except Stop as stop:
            if launch_ladder.climbs(stop.code):
                attempts.append(dict(rung._asdict(), region=region, code=stop.code, message=stop.message))
            elif launched:
                # What runs costs money and is to be guarded and used; the rest is told at the end.
                return Climbed(launched, attempts, str(stop))
            else:
                raise
        else:
            launched.update(found)
            if len(found) < len(names):
                attempts.append(dict(_fewer(rung, found, names), region=region))
        # A subnet lies in one zone: there, only another type or market may have room.
        if attempts and not params["subnet_id"]:
            offered = offered or _zones(ec2, types)
    return Climbed(launched, attempts, "")


def _fewer(rung, found, names):
    """Return a launch that made fewer hosts than it was to make, as an attempt: its zone is full now."""
    zone = next(iter(found.values()))["Placement"]["AvailabilityZone"]
    told = f"{len(found)} of {len(names)} were launched"
    return dict(rung._asdict(), zone=zone, code=launch_ladder.CAPACITY[0], message=told, launched=told)


def _launch(run_instances, account, region, asked, names):
    """Run the instances once, return name -> instance; a token whose hosts were terminated leads to the next one."""
    for generation in range(MOST_GENERATIONS):
        try:
            found = _ask(run_instances, dict(asked, ClientToken=client_token(account, region, asked, generation)))
        except Stop as stop:
            if stop.code != "IdempotentInstanceTerminated":
                raise
            continue
        # The answer to a token of old tells of hosts that may be on their way out by now.
        alive = [i for i in found if i["State"]["Name"] not in GONE]
        if alive:
            return {host_name(dict(i, Tags=asked["TagSpecifications"][0]["Tags"])): i for i in alive}
    raise Stop(
        f"AWS remembers {MOST_GENERATIONS} terminated hosts of this very launch ({', '.join(names)}) and refuses "
        "another: choose another name with -e gpu_host_name=NAME."
    )


def _ask(run_instances, asked):
    """Call until AWS answers; the token makes a repeated call the same launch."""
    for again in range(ASK):
        try:
            return call("launching the host", run_instances, **asked)["Instances"]
        except Stop as stop:
            if again == ASK - 1 or not (stop.code in _BUSY or stop.unanswered):
                raise
        time.sleep(random.uniform(0.5, 1) * 2**again)
    raise AssertionError("the last call returned or raised")


def _zones(ec2, types):
    """Return type -> zones of the region that offer it, sorted."""
    found = pages(
        "asking which zones offer the types",
        ec2.describe_instance_type_offerings,
        "InstanceTypeOfferings",
        LocationType="availability-zone",
        Filters=[{"Name": "instance-type", "Values": types}],
    )
    return {kind: sorted(o["Location"] for o in found if o["InstanceType"] == kind) for kind in types}

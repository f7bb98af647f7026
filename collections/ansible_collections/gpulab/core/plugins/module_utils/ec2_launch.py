"""RunInstances, once for each rung of launch_ladder: what is asked, and how a call that may have been heard is
repeated."""

from __future__ import annotations

import random
import time

from ansible_collections.gpulab.core.plugins.module_utils import launch_ladder
from ansible_collections.gpulab.core.plugins.module_utils.ec2_calls import Stop, call, pages
from ansible_collections.gpulab.core.plugins.module_utils.launch_plan import HOST_TAG, TAG, client_token

# AWS forgets a token within days; nobody makes and removes the same host this often in that time.
MOST_GENERATIONS = 100
ASK = 5
"""How often one call is made at most while its answers are lost or AWS is too busy for it."""
# botocore would repeat what AWS answers with HTTP 500, a missing capacity among it, before anybody sees it.
NO_RETRIES = {"retries": {"total_max_attempts": 1}}
_BUSY = ("RequestLimitExceeded", "Throttling", "ThrottlingException", "InternalError", "InternalFailure", "Unavailable")


def specification(params):
    """Return RunInstances' arguments; instance type, zone and ClientToken are the rung's."""
    tags = dict(params["tags"], **{"Name": params["host"], TAG: params["deployment"], HOST_TAG: params["host"]})
    tag_list = [{"Key": k, "Value": str(v)} for k, v in sorted(tags.items())]
    disk = {"VolumeSize": params["volume_gb"], "VolumeType": "gp3", "Encrypted": True, "DeleteOnTermination": True}
    return {
        "ImageId": params["image_id"],
        "KeyName": params["key_name"],
        "SecurityGroupIds": params["security_group_ids"],
        "MinCount": 1,
        "MaxCount": 1,
        "UserData": params["user_data"],
        "BlockDeviceMappings": [{"DeviceName": params["root_device"], "Ebs": disk}],
        "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 1, "HttpEndpoint": "enabled"},
        "InstanceInitiatedShutdownBehavior": "stop",
        "TagSpecifications": [
            {"ResourceType": kind, "Tags": tag_list} for kind in ("instance", "volume", "network-interface")
        ],
    }


def climb(run_instances, ec2, account, region, wanted, types):
    """Launch on the first rung that has room: (the instance as AWS answers, [the refused attempts]).

    run_instances: that method of a client without retries. Raises Stop when nothing is left, or for any other refusal.
    """
    attempts: list[dict[str, str]] = []
    offered: dict[str, list[str]] = {}
    while True:
        rung = launch_ladder.next_rung(types, offered, attempts)
        if rung is None:
            raise Stop(launch_ladder.refusal(attempts, region), attempts[-1]["code"])
        asked = dict(wanted, InstanceType=rung.instance_type)
        if rung.zone:
            asked["Placement"] = {"AvailabilityZone": rung.zone}
        try:
            return _launch(run_instances, account, region, asked), attempts
        except Stop as stop:
            if not launch_ladder.climbs(stop.code):
                raise
            attempts.append(dict(rung._asdict(), code=stop.code, message=stop.message))
        offered = offered or _zones(ec2, types)


def _launch(run_instances, account, region, asked):
    """Run the instance once; a token whose host has been terminated leads to the next one."""
    for generation in range(MOST_GENERATIONS):
        try:
            return _ask(run_instances, dict(asked, ClientToken=client_token(account, region, asked, generation)))
        except Stop as stop:
            if stop.code != "IdempotentInstanceTerminated":
                raise
    raise Stop(
        f"AWS remembers {MOST_GENERATIONS} terminated hosts of this very launch and refuses another: "
        "choose another name with -e gpu_host_name=NAME."
    )


def _ask(run_instances, asked):
    """Call until AWS answers; the token makes a repeated call the same launch."""
    for again in range(ASK):
        try:
            return call("launching the host", run_instances, **asked)["Instances"][0]
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

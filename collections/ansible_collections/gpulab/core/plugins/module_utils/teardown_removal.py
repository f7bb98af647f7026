"""Delete what teardown_plan says, in its order: regions side by side, the account's own things last. Thin.

What cannot be deleted becomes a sentence, and the rest goes on: one host with termination protection must not keep the
others running. What was gone already is no problem.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.gpulab.core.plugins.module_utils import teardown_plan
from ansible_collections.gpulab.core.plugins.module_utils.ec2_calls import Stop, call
from ansible_collections.gpulab.core.plugins.module_utils.teardown_calls import missing

# What ends by itself: the network interface of a host that has just gone holds its group for some seconds more.
_HELD = (
    *("DependencyViolation", "VolumeInUse", "InvalidNetworkInterface.InUse", "InvalidIPAddress.InUse"),
    *("ConflictException", "DeleteConflict"),
)
# Type to service, method and parameter; those of _MANY take a list.
_METHODS = {
    "spot-instances-request": ("ec2", "cancel_spot_instance_requests", "SpotInstanceRequestIds"),
    "instance": ("ec2", "terminate_instances", "InstanceIds"),
    "schedule-group": ("scheduler", "delete_schedule_group", "Name"),
    "elastic-ip": ("ec2", "release_address", "AllocationId"),
    "network-interface": ("ec2", "delete_network_interface", "NetworkInterfaceId"),
    "volume": ("ec2", "delete_volume", "VolumeId"),
    "snapshot": ("ec2", "delete_snapshot", "SnapshotId"),
    "security-group": ("ec2", "delete_security_group", "GroupId"),
    "launch-template": ("ec2", "delete_launch_template", "LaunchTemplateId"),
    "key-pair": ("ec2", "delete_key_pair", "KeyName"),
    "alarm": ("cloudwatch", "delete_alarms", "AlarmNames"),
    "topic": ("sns", "delete_topic", "TopicArn"),
    "role": ("iam", "delete_role", "RoleName"),
}
# That takes a minute or two, and for ever where an interface of somebody's holds the group.
_HELD_LOOKS = 24
_MANY = ("spot-instances-request", "instance", "alarm")


class Removal:
    """One teardown. `retries` looks, `delay` seconds apart, are given to whatever needs time to end."""

    def __init__(self, clients, retries, delay):
        self._clients, self._retries, self._delay = clients, retries, delay

    def remove(self, items):
        """Delete items of leftovers; return the sentences about what could not be deleted."""
        for one in items:
            if one["type"] in _METHODS:
                self._client(one)  # made here, because making one is not for threads
        regions, last = teardown_plan.by_region(items)
        told = []
        if regions:
            with ThreadPoolExecutor(max_workers=len(regions)) as pool:
                told = list(pool.map(self._in_order, regions.values()))
        return [sentence for many in [*told, self._in_order(last)] for sentence in many]

    def _in_order(self, items):
        problems: list[str] = []
        for kind, many in teardown_plan.steps(items):
            refused = {}
            for batch in [many] if kind in _MANY else [[one] for one in many]:
                refused.update(self._delete(batch))
            if kind == "instance":
                self._wait([one for one in many if one["id"] not in refused])
            problems += refused.values()
        return problems

    def _delete(self, batch):
        """Delete items of one type by one call, one by one where AWS refuses that; return {id: sentence}."""
        looks = min(self._retries, _HELD_LOOKS)
        for again in range(looks + 1):
            try:
                self._call(batch)
                return {}
            except Stop as stop:
                if len(batch) > 1:
                    return {key: text for one in batch for key, text in self._delete([one]).items()}
                if missing(stop):
                    return {}
                if stop.code not in _HELD or again == looks:
                    return {batch[0]["id"]: str(stop)}
            time.sleep(self._delay)
        raise AssertionError("the last try returned")

    def _call(self, batch):
        kind = batch[0]["type"]
        _, method, name = _METHODS[kind]
        ids = [one["id"] for one in batch]
        if kind == "role":
            self._empty(batch[0])
        doing = f"removing {kind} {', '.join(ids)}"
        given = ids if kind in _MANY else ids[0]
        call(doing, getattr(self._client(batch[0]), method), aws_retry=True, **{name: given})

    def _client(self, one):
        return self._clients.of(_METHODS[one["type"]][0], one["region"])

    def _empty(self, role):
        """Take a role's policies away: IAM deletes none that has some."""
        iam, name = self._client(role), {"RoleName": role["id"]}
        inline = call("reading the role's policies", iam.list_role_policies, aws_retry=True, **name)["PolicyNames"]
        for one in inline:
            call("removing the role's policy", iam.delete_role_policy, aws_retry=True, PolicyName=one, **name)

    def _wait(self, instances):
        if not instances:
            return
        ec2, ids = self._client(instances[0]), [one["id"] for one in instances]
        for again in range(self._retries + 1):
            found = call("waiting for the hosts to go", ec2.describe_instances, aws_retry=True, InstanceIds=ids)
            states = [one["State"]["Name"] for many in found["Reservations"] for one in many["Instances"]]
            if all(state == "terminated" for state in states) or again == self._retries:
                return
            time.sleep(self._delay)

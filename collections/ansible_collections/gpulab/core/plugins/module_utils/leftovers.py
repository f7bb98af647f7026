"""What a deployment has in AWS, as plain items with age and price, out of AWS's own answers. Pure.

An item: type, id, region, name, born (ISO 8601 or ""), usd_per_hour (None where the price is not known), goes_with (the
id of the instance that takes it along when it is terminated, or ""). Prices: the table of gpu_catalogue.
"""

from __future__ import annotations

from typing import NamedTuple

from ansible_collections.gpulab.core.plugins.module_utils import gpu_catalogue
from ansible_collections.gpulab.core.plugins.module_utils.host_names import name_of

# EBS pricing page, us-east-1, standard tier, of 2026-07: an upper bound, because only changed blocks are stored.
SNAPSHOT_USD_PER_GB_MONTH = 0.05


class Kind(NamedTuple):
    """How EC2 tells of one type of resource: the client's method, and the answer's list, id and time of birth."""

    method: str
    key: str
    id: str
    born: str = ""


# Type as DescribeTags names it: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_TagDescription.html
KINDS = {
    "spot-instances-request": Kind(
        "describe_spot_instance_requests", "SpotInstanceRequests", "SpotInstanceRequestId", "CreateTime"
    ),
    "instance": Kind("describe_instances", "Reservations", "InstanceId", "LaunchTime"),
    "elastic-ip": Kind("describe_addresses", "Addresses", "AllocationId"),
    "network-interface": Kind("describe_network_interfaces", "NetworkInterfaces", "NetworkInterfaceId"),
    "volume": Kind("describe_volumes", "Volumes", "VolumeId", "CreateTime"),
    "snapshot": Kind("describe_snapshots", "Snapshots", "SnapshotId", "StartTime"),
    "security-group": Kind("describe_security_groups", "SecurityGroups", "GroupId"),
    "launch-template": Kind("describe_launch_templates", "LaunchTemplates", "LaunchTemplateId", "CreateTime"),
    "key-pair": Kind("describe_key_pairs", "KeyPairs", "KeyName", "CreateTime"),
}
_GONE = ("terminated", "cancelled", "closed", "failed", "deleting", "deleted")


def state(answer):
    """Return the state of a resource as AWS describes it, "" for one that has none."""
    told = answer.get("State", "")
    return told.get("Name", "") if isinstance(told, dict) else told


def exists(answer):
    """Tell whether what AWS describes is still there: it lists what is gone for up to an hour."""
    return state(answer) not in _GONE


def item(kind, answer, region, taken=None):
    """Return the item of one resource of a type of KINDS; `taken`: what taken_along() says of the instances."""
    shape = KINDS[kind]
    tags = {tag["Key"]: tag["Value"] for tag in answer.get("Tags", [])}
    name = name_of(tags, answer.get("AmiLaunchIndex", 0)) if kind == "instance" else ""
    return {
        "type": kind,
        "id": answer[shape.id],
        "region": region,
        "name": name or tags.get("Name", answer.get("GroupName", "")),
        "born": moment(answer.get(shape.born)),
        "usd_per_hour": usd_per_hour(kind, answer, region),
        "goes_with": (taken or {}).get(answer[shape.id], ""),
    }


def kept(kind, answer, region):
    """Return the item of what is somebody's own, at its price once the deployment's instances are gone."""
    return item(kind, {name: value for name, value in answer.items() if name != "InstanceId"}, region)


def other(kind, identifier, region, born=""):
    """Return the item of what costs nothing by the hour, or is of a type that is not known here (price None)."""
    known = kind in ("schedule-group", "alarm", "topic", "role")
    return {
        "type": kind,
        "id": identifier,
        "region": region,
        "name": "",
        "born": born,
        "usd_per_hour": 0.0 if known else None,
        "goes_with": "",
    }


def moment(time):
    """Return a datetime as ISO 8601 in UTC to the second, "" for None; what is text already stays."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ") if hasattr(time, "strftime") else time or ""


def usd_per_hour(kind, answer, region):
    """Return what an hour of a resource costs in USD as it is now; None for an instance type without a known price."""
    if kind == "instance":
        if state(answer) not in ("pending", "running"):
            return 0.0
        price = gpu_catalogue.price(answer["InstanceType"], region)
        return price and round(price["host_usd_per_hour"] + price["address_usd_per_hour"], 4)
    if kind == "volume":
        return _stored(answer["Size"], gpu_catalogue.GP3_USD_PER_GB_MONTH)
    if kind == "snapshot":
        return _stored(answer["VolumeSize"], SNAPSHOT_USD_PER_GB_MONTH)
    if kind == "elastic-ip":
        # In use it is the address that the instance's price has in it.
        return 0.0 if answer.get("InstanceId") else gpu_catalogue.PUBLIC_IPV4_USD_PER_HOUR
    return 0.0


def _stored(gib, usd_per_gb_month):
    return round(gib * usd_per_gb_month / gpu_catalogue.HOURS_PER_MONTH, 4)


def taken_along(instances):
    """Return {id of a volume or network interface: id of the instance that takes it along when it is terminated}."""
    taken = {}
    for instance in instances:
        disks = [mapping.get("Ebs", {}) for mapping in instance.get("BlockDeviceMappings", [])]
        nics = instance.get("NetworkInterfaces", [])
        ids = [disk.get("VolumeId") for disk in disks if disk.get("DeleteOnTermination")]
        ids += [nic["NetworkInterfaceId"] for nic in nics if nic.get("Attachment", {}).get("DeleteOnTermination")]
        taken.update(dict.fromkeys(ids, instance["InstanceId"]))
    return taken


class Foreign(NamedTuple):
    """What hangs on the deployment's instances without going with them, untagged: ids, and addresses by their IP."""

    volumes: list[str]
    interfaces: list[str]
    addresses: list[str]


def foreign(instances, tagged):
    """Return what outlives these instances (as DescribeInstances shows them) and is none of the ids in `tagged`.

    It is somebody's own: never deleted, but told, because it goes on costing.
    """
    volumes, interfaces, addresses = [], [], []
    for instance in instances:
        for mapping in instance.get("BlockDeviceMappings", []):
            disk = mapping.get("Ebs", {})
            if disk.get("VolumeId") and not disk.get("DeleteOnTermination"):
                volumes.append(disk["VolumeId"])
        for nic in instance.get("NetworkInterfaces", []):
            if not nic.get("Attachment", {}).get("DeleteOnTermination"):
                interfaces.append(nic["NetworkInterfaceId"])
            address = nic.get("Association", {})
            # An address that came with the instance belongs to "amazon", an elastic one to the account.
            if address.get("IpOwnerId", "amazon") != "amazon":
                addresses.append(address["PublicIp"])
    return Foreign([v for v in volumes if v not in tagged], [i for i in interfaces if i not in tagged], addresses)


def total(items):
    """Return what an hour of these items costs in USD; what has no known price counts as nothing (lines() says so)."""
    return round(sum(one["usd_per_hour"] or 0.0 for one in items), 4)

"""Gather the evidence that launch_plan judges: read-only calls to EC2 and SSM, and one to ssh-keygen."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.gpulab.core.plugins.module_utils import ec2_calls
from ansible_collections.gpulab.core.plugins.module_utils.ec2_calls import RETRY, call, pages


def gather(module, ec2, request):
    """Return the evidence dict that launch_plan.evidence_problems describes, with group_id and permissions besides."""
    hosts = [_host(i) for i in ec2_calls.instances(ec2, request["deployment"], request["host"])]
    vpc_id = _default_vpc(ec2)
    group = _group(ec2, vpc_id, request["security_group"])
    image, tried = (hosts[0]["image"], []) if hosts else _image(module, ec2, request)
    request["images_tried"] = tried
    return {
        "region": module.region,
        "offered": [] if hosts else _offered(ec2, request["instance_types"]),
        "hosts": hosts,
        "key": _key(module, ec2, request),
        "image": image,
        "vpc_id": vpc_id,
        "group_id": group["GroupId"] if group else None,
        "permissions": group["IpPermissions"] if group else [],
    }


def _host(instance):
    tags = ec2_calls.tags(instance)
    return {
        "id": instance["InstanceId"],
        "state": instance["State"]["Name"],
        "launch_time": str(instance["LaunchTime"]),
        "instance_type": instance["InstanceType"],
        "image": {
            "id": instance["ImageId"],
            "name": tags.get("gpulab:image", instance["ImageId"]),
            "source": tags.get("gpulab:image-source", "the instance"),
        },
    }


def _default_vpc(ec2):
    found = pages(
        "looking for the default VPC", ec2.describe_vpcs, "Vpcs", Filters=[{"Name": "is-default", "Values": ["true"]}]
    )
    return found[0]["VpcId"] if found else None


def _group(ec2, vpc_id, name):
    if not vpc_id:
        return None
    wanted = [{"Name": "group-name", "Values": [name]}, {"Name": "vpc-id", "Values": [vpc_id]}]
    found = pages("looking for the security group", ec2.describe_security_groups, "SecurityGroups", Filters=wanted)
    return found[0] if found else None


def _offered(ec2, types):
    wanted = [{"Name": "instance-type", "Values": types}]
    found = pages(
        "asking which types the region offers",
        ec2.describe_instance_type_offerings,
        "InstanceTypeOfferings",
        Filters=wanted,
    )
    return sorted({o["InstanceType"] for o in found})


def _image(module, ec2, request):
    """Return ({id, name, source} or None, [what was tried]): the AMI given, by SSM parameter in order, then by name."""
    if request["image_id"]:
        found = _describe_images(ec2, [{"Name": "image-id", "Values": [request["image_id"]]}])
        return (_newest(found, "given by id"), [f"AMI {request['image_id']}"])
    names = request["image_parameters"]
    tried = [f"SSM parameter {n}" for n in names]
    if names:
        ssm = module.client("ssm", retry_decorator=RETRY)
        answer = call("looking up the AMI's SSM parameter", ssm.get_parameters, Names=names, aws_retry=True)
        values = {p["Name"]: p["Value"] for p in answer["Parameters"]}
        for name in names:
            found = _describe_images(ec2, [{"Name": "image-id", "Values": [values[name]]}]) if name in values else []
            if found:
                return _newest(found, f"SSM parameter {name}"), tried
    for pattern in request["image_names"]:
        tried.append(f"AMI name {pattern}")
        found = _describe_images(ec2, [{"Name": "name", "Values": [pattern]}], request["image_owners"])
        if found:
            return _newest(found, f"newest AMI named {pattern}"), tried
    return None, tried


def _describe_images(ec2, filters, owners=()):
    arguments = {"Filters": [*filters, {"Name": "state", "Values": ["available"]}]}
    if owners:
        arguments["Owners"] = list(owners)
    return call("looking for the AMI", ec2.describe_images, aws_retry=True, **arguments)["Images"]


def _newest(images, source):
    if not images:
        return None
    image = max(images, key=lambda i: i["CreationDate"])
    return {
        "id": image["ImageId"],
        "name": image["Name"],
        "source": source,
        "root_device": image.get("RootDeviceName", "/dev/sda1"),
    }


def _key(module, ec2, request):
    """Return the local and the AWS half of the key pair; local_error tells of a private key that ssh could not use."""
    path = Path(request["key_file"])
    local = error = None
    if path.exists():
        code, out, err = module.run_command(["ssh-keygen", "-y", "-P", "", "-f", str(path)])
        local, error = (
            (out.strip(), None)
            if code == 0
            else (None, (err.strip().splitlines() or ["ssh-keygen gave no reason"])[-1])
        )
    wanted = [{"Name": "key-name", "Values": [request["key_name"]]}]
    answer = call(
        "looking for the key pair", ec2.describe_key_pairs, Filters=wanted, IncludePublicKey=True, aws_retry=True
    )
    remote = (answer["KeyPairs"][0].get("PublicKey") or "unreadable").strip() if answer["KeyPairs"] else None
    return {"name": request["key_name"], "file": str(path), "local": local, "local_error": error, "remote": remote}

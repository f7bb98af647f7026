"""Find the AMI of a launch: the one that was named, by SSM parameter in order, then by name."""

from __future__ import annotations

from ansible_collections.gpulab.core.plugins.module_utils.ec2_calls import call


def find(ec2, ssm, request):
    """Return ({id, name, source, root_device} or None, [what was tried]).

    request: image_id, image_parameters, image_names, image_owners. ssm: a client, None where no parameter is asked.
    """
    if request["image_id"]:
        found = _describe(ec2, [{"Name": "image-id", "Values": [request["image_id"]]}])
        return _newest(found, "given by id"), [f"AMI {request['image_id']}"]
    names = request["image_parameters"]
    tried = [f"SSM parameter {n}" for n in names]
    if ssm:
        answer = call("looking up the AMI's SSM parameter", ssm.get_parameters, Names=names, aws_retry=True)
        values = {p["Name"]: p["Value"] for p in answer["Parameters"]}
        for name in names:
            found = _describe(ec2, [{"Name": "image-id", "Values": [values[name]]}]) if name in values else []
            if found:
                return _newest(found, f"SSM parameter {name}"), tried
    for pattern in request["image_names"]:
        tried.append(f"AMI name {pattern}")
        found = _describe(ec2, [{"Name": "name", "Values": [pattern]}], request["image_owners"])
        if found:
            return _newest(found, f"newest AMI named {pattern}"), tried
    return None, tried


def _describe(ec2, filters, owners=()):
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

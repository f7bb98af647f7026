#!/usr/bin/python
# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Find the GPU host of this name, or launch it: one call to RunInstances, never a second host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ec2_gpu_launch
short_description: Find a GPU host by its tags or launch it once
description:
  - Finds the live instance that carries the deployment's and the host's tags; only when there is none, launches one
    with every tag in the same call and a ClientToken that is the same for the same launch, so that a lost answer or a
    killed run never makes a second host.
  - IMDSv2 is required, the root volume is encrypted gp3 that goes with the instance, and a shutdown from inside stops
    and never terminates.
  - amazon.aws.ec2_instance is not used for this, because it sends a random token and retries a missing capacity for
    minutes.
options:
  deployment: {type: str, required: true, description: Name of the deployment.}
  host: {type: str, required: true, description: Name of the host.}
  image_id: {type: str, required: true, description: The AMI.}
  instance_type: {type: str, required: true, description: The instance type.}
  key_name: {type: str, required: true, description: The EC2 key pair.}
  security_group_ids: {type: list, elements: str, required: true, description: The security groups.}
  root_device: {type: str, required: true, description: The AMI's root device name.}
  volume_gb: {type: int, required: true, description: Size of the root volume in GB.}
  user_data: {type: str, default: "", description: cloud-init user data.}
  tags: {type: dict, default: {}, description: More tags for the instance and its volume.}
extends_documentation_fragment: [amazon.aws.common.modules, amazon.aws.region.modules, amazon.aws.boto3]
author: [the gpulab authors (@gpulab)]
"""

EXAMPLES = r"""
- name: Launch the host
  gpulab.core.ec2_gpu_launch:
    deployment: gpulab
    host: gpulab
    image_id: ami-0123456789abcdef0
    instance_type: g4dn.xlarge
    key_name: gpulab
    security_group_ids: [sg-0123456789abcdef0]
    root_device: /dev/sda1
    volume_gb: 100
"""

RETURN = r"""
instance_id:
  description: The instance found or launched; empty in check mode when one would be launched.
  returned: success
  type: str
  sample: i-0123456789abcdef0
launched: {description: Whether this run launched it., returned: success, type: bool}
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.gpulab.core.plugins.module_utils import ec2_calls
from ansible_collections.gpulab.core.plugins.module_utils.ec2_calls import RETRY, Stop, call
from ansible_collections.gpulab.core.plugins.module_utils.launch_plan import HOST_TAG, TAG, client_token

ARGUMENTS = {
    "deployment": {"type": "str", "required": True},
    "host": {"type": "str", "required": True},
    "image_id": {"type": "str", "required": True},
    "instance_type": {"type": "str", "required": True},
    "key_name": {"type": "str", "required": True, "no_log": False},
    "security_group_ids": {"type": "list", "elements": "str", "required": True},
    "root_device": {"type": "str", "required": True},
    "volume_gb": {"type": "int", "required": True},
    "user_data": {"type": "str", "default": ""},
    "tags": {"type": "dict", "default": {}},
}
# AWS forgets a token within days; nobody makes and removes the same host this often in that time.
MOST_GENERATIONS = 100


def specification(params):
    """Return RunInstances' arguments, ClientToken left out."""
    tags = dict(params["tags"], **{"Name": params["host"], TAG: params["deployment"], HOST_TAG: params["host"]})
    tag_list = [{"Key": k, "Value": str(v)} for k, v in sorted(tags.items())]
    disk = {"VolumeSize": params["volume_gb"], "VolumeType": "gp3", "Encrypted": True, "DeleteOnTermination": True}
    return {
        "ImageId": params["image_id"],
        "InstanceType": params["instance_type"],
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


def launch(ec2, account, region, wanted):
    """Run the instance once and return its id; a token whose host has been terminated leads to the next one."""
    for generation in range(MOST_GENERATIONS):
        token = client_token(account, region, wanted, generation)
        try:
            answer = call("launching the host", ec2.run_instances, ClientToken=token, **wanted)
        except Stop as stop:
            if stop.code != "IdempotentInstanceTerminated":
                raise
        else:
            return answer["Instances"][0]["InstanceId"]
    raise Stop(
        f"AWS remembers {MOST_GENERATIONS} terminated hosts of this very launch and refuses another: "
        "choose another name with -e gpu_host_name=NAME."
    )


def find_or_launch(module):
    """Return (instance id, launched); raise Stop with the ids when more than one live host carries the name."""
    params = module.params
    ec2 = module.client("ec2", retry_decorator=RETRY)
    found = ec2_calls.instances(ec2, params["deployment"], params["host"])
    if len(found) > 1:
        ids = ", ".join(i["InstanceId"] for i in found)
        raise Stop(
            f"{len(found)} live instances are called '{params['host']}' ({ids}), and there may be only one: "
            "terminate those you do not need."
        )
    if found:
        return found[0]["InstanceId"], False
    if module.check_mode:
        return "", True
    account = ec2_calls.account_id(module.client("sts", retry_decorator=RETRY))
    return launch(ec2, account, module.region, specification(params)), True


def main():
    """Run the module."""
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        instance_id, launched = find_or_launch(module)
    except Stop as stop:
        module.fail_json(msg=str(stop))
    module.exit_json(changed=launched, launched=launched, instance_id=instance_id)


if __name__ == "__main__":
    main()

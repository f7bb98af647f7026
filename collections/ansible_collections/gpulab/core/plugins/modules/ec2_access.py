#!/usr/bin/python
# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Module ec2_access."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ec2_access
short_description: Make a deployment's security group, and let in who is to get in
description:
  - Makes the group with its tag in the same call, opens what is missing and then closes what is to go. What it is not
    told of it leaves alone. A call that was heard though its answer was lost is no failure.
  - amazon.aws.ec2_security_group makes eight calls for it and sleeps three seconds after making a group.
options:
  deployment: {type: str, required: true, description: Name of the deployment.}
  name: {type: str, required: true, description: Name of the group.}
  group_id: {type: str, default: '', description: The group; empty makes it.}
  vpc_id: {type: str, required: true, description: The VPC that a new group is made in.}
  authorize: {type: list, elements: dict, default: [], description: 'What to open, as EC2 writes IpPermissions.'}
  revoke: {type: list, elements: dict, default: [], description: 'What to close, as EC2 writes IpPermissions.'}
extends_documentation_fragment: [amazon.aws.common.modules, amazon.aws.region.modules, amazon.aws.boto3]
author: [the gpulab authors (@gpulab)]
"""

EXAMPLES = r"""
- name: Admit SSH from one address
  gpulab.core.ec2_access:
    deployment: gpulab
    name: gpulab-gpulab
    vpc_id: vpc-0123456789abcdef0
    authorize:
      - {IpProtocol: tcp, FromPort: 22, ToPort: 22, IpRanges: [{CidrIp: 203.0.113.7/32, Description: me}]}
"""

RETURN = r"""
group_id: {description: The group; empty in check mode when it would be made., returned: success, type: str}
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.gpulab.core.plugins.module_utils.ec2_calls import RETRY, Stop, call
from ansible_collections.gpulab.core.plugins.module_utils.launch_plan import TAG

ARGUMENTS = {
    "deployment": {"type": "str", "required": True},
    "name": {"type": "str", "required": True},
    "group_id": {"type": "str", "default": ""},
    "vpc_id": {"type": "str", "required": True},
    "authorize": {"type": "list", "elements": "dict", "default": []},
    "revoke": {"type": "list", "elements": "dict", "default": []},
}


def make(ec2, params):
    """Make the group, or find the one that an unanswered call has made; return its id."""
    deployment, name, vpc = params["deployment"], params["name"], params["vpc_id"]
    tags = [{"ResourceType": "security-group", "Tags": [{"Key": TAG, "Value": deployment}]}]
    try:
        made = call(
            "making the security group",
            ec2.create_security_group,
            GroupName=name,
            Description=f"gpulab {deployment}: SSH from its owner",
            VpcId=vpc,
            TagSpecifications=tags,
            aws_retry=True,
        )
        return made["GroupId"]
    except Stop as stop:
        if stop.code != "InvalidGroup.Duplicate":
            raise
    wanted = [{"Name": "group-name", "Values": [name]}, {"Name": "vpc-id", "Values": [vpc]}]
    found = call("looking for the security group", ec2.describe_security_groups, Filters=wanted, aws_retry=True)
    return found["SecurityGroups"][0]["GroupId"]


def change(method, doing, group_id, permissions, already):
    """Open or close permissions; AWS's answer `already`, that it is so, is as good as done."""
    if not permissions:
        return
    try:
        call(doing, method, GroupId=group_id, IpPermissions=permissions, aws_retry=True)
    except Stop as stop:
        if stop.code != already:
            raise


def main():
    """Run the module."""
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    params = module.params
    group_id, authorize, revoke = params["group_id"], params["authorize"], params["revoke"]
    changed = not group_id or bool(authorize) or bool(revoke)
    if changed and not module.check_mode:
        ec2 = module.client("ec2", retry_decorator=RETRY)
        try:
            group_id = group_id or make(ec2, params)
            opening, closing = ec2.authorize_security_group_ingress, ec2.revoke_security_group_ingress
            # First opened, then closed: nobody who may stay is shut out in between.
            change(opening, "opening the security group", group_id, authorize, "InvalidPermission.Duplicate")
            change(closing, "closing what is to go", group_id, revoke, "InvalidPermission.NotFound")
        except Stop as stop:
            module.fail_json(msg=str(stop))
    module.exit_json(changed=changed, group_id=group_id)


if __name__ == "__main__":
    main()

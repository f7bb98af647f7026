#!/usr/bin/python
# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Ask AWS for a greater vCPU quota, once."""

from __future__ import annotations

DOCUMENTATION = r"""
module: service_quota
short_description: Request a greater vCPU quota of EC2, once
description:
  - Makes sure that the quota is as great as desired, or that a request for more is open. AWS takes one open request for
    each quota; a second run finds it and changes nothing. People at AWS may take days to decide.
options:
  state:
    type: str
    default: requested
    choices: [requested]
    description: The quota is great enough, or more has been asked for.
  instance_type: {type: str, required: true, description: An instance type that counts against the quota.}
  market:
    type: str
    default: on-demand
    choices: [on-demand, spot]
    description: How hosts are bought; spot has quotas of its own.
  desired: {type: int, required: true, description: vCPUs that the quota should have.}
  again: {type: bool, default: false, description: Ask again though AWS refused the last request.}
  wait: {type: bool, default: false, description: Wait until AWS has decided.}
  wait_timeout: {type: int, default: 3600, description: How long to wait in seconds; running out of it is a failure.}
  wait_delay: {type: int, default: 60, description: Seconds between two looks.}
extends_documentation_fragment: [amazon.aws.common.modules, amazon.aws.region.modules, amazon.aws.boto3]
author: [the gpulab authors (@gpulab)]
"""

EXAMPLES = r"""
- name: Ask for room for two g4dn.xlarge
  gpulab.core.service_quota:
    instance_type: g4dn.xlarge
    desired: 8
"""

RETURN = r"""
request:
  description: The open request, or the last one; null if there never was one, or in check mode.
  returned: success
  type: dict
  sample: {id: 0123abcd, case: "", code: L-DB2E81BA, desired: 8.0, status: PENDING, created: "2026-11-22T09:00:00Z"}
sentence:
  description: What was asked for, or why nothing was, and what has become of it.
  returned: success
  type: str
  sample: Nothing needs to be asked for.
"""

import time

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.gpulab.core.plugins.module_utils.ec2_calls import Stop, call
from ansible_collections.gpulab.core.plugins.module_utils.quota_evidence import (
    quotas_client,
    read_history,
    read_quota,
    wanted_quota,
)
from ansible_collections.gpulab.core.plugins.module_utils.quota_plan import MARKETS, OPEN, REFUSED, SERVICE, judge
from ansible_collections.gpulab.core.plugins.module_utils.quota_request import (
    open_request,
    plain_request,
    plan_request,
    request_sentence,
)

ARGUMENTS = {
    "state": {"type": "str", "default": "requested", "choices": ["requested"]},
    "instance_type": {"type": "str", "required": True},
    "market": {"type": "str", "default": "on-demand", "choices": list(MARKETS)},
    "desired": {"type": "int", "required": True},
    "again": {"type": "bool", "default": False},
    "wait": {"type": "bool", "default": False},
    "wait_timeout": {"type": "int", "default": 3600},
    "wait_delay": {"type": "int", "default": 60},
}


def ask(client, quota, desired):
    """Open a request and return (it, True); (the open one, False) when another run was quicker."""
    names = {"ServiceCode": SERVICE, "QuotaCode": quota.code, "DesiredValue": float(desired)}
    try:
        answer = call("asking for the quota", client.request_service_quota_increase, aws_retry=True, **names)
    except Stop as stop:
        opened = open_request(read_history(client, quota)) if stop.code == "ResourceAlreadyExistsException" else None
        if opened is None:
            raise
        return opened, False
    return plain_request(answer["RequestedQuota"]), True


def wait(client, quota, request, timeout, delay):
    """Return the request when AWS has granted it; raise Stop when it was refused or time is up."""
    deadline = time.monotonic() + timeout
    while request["status"] in OPEN:
        if time.monotonic() + delay > deadline:
            raise Stop(
                f"{request_sentence(request)} {timeout} s have passed: run the same command later, nothing is lost."
            )
        time.sleep(delay)
        # In the history, which every run reads: a call for one request would be one more that a policy has to allow.
        request = next((one for one in read_history(client, quota) if one["id"] == request["id"]), request)
    if request["status"] in REFUSED:
        raise Stop(f"{request_sentence(request)} Ask once more with again: true, or for less.")
    return request


def provide(module):
    """Return (changed, request or None, sentence)."""
    params, client = module.params, quotas_client(module)
    quota, reading = read_quota(client, wanted_quota(params["instance_type"], params["market"]))
    # Only what the quota is and should be counts here; how many hosts run is service_quota_info's business.
    nothing = {"type": params["instance_type"], "vcpus": 1, "count": 0}
    judgement = judge(quota, reading, 0, nothing, module.region)
    plan = plan_request(judgement, read_history(client, quota), params["desired"], params["again"])
    if plan["action"] == "unknown":
        raise Stop(judgement["sentence"])
    if plan["action"] == "refused":
        raise Stop(plan["sentence"])
    request, changed, sentence = plan["request"], False, plan["sentence"]
    if plan["action"] == "ask":
        if module.check_mode:
            return True, None, sentence
        request, changed = ask(client, quota, params["desired"])
        sentence = request_sentence(request)
    if params["wait"] and not module.check_mode and request and request["status"] in OPEN:
        request = wait(client, quota, request, params["wait_timeout"], params["wait_delay"])
        sentence = request_sentence(request)
    return changed, request, sentence


def main():
    """Run the module."""
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        changed, request, sentence = provide(module)
    except Stop as stop:
        module.fail_json(msg=str(stop))
    module.exit_json(changed=changed, request=request, sentence=sentence)


if __name__ == "__main__":
    main()

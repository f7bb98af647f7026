#!/usr/bin/python
# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Pin the SSH host keys of EC2 hosts, as they printed them on their own consoles."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ec2_host_keys
short_description: Pin SSH host keys from EC2's consoles
description:
  - A host is known by the keys that it printed on its own console, which only AWS's API hands out. They are written to
    a known_hosts file under the instance's id. A pinned key is never replaced.
  - AWS hands out one console at a call. So hosts that were launched among many may be known by an authority that
    certified their keys on their first boot, until somebody is there to pin them (M(gpulab.core.host_pin)).
  - Waits for hosts whose consoles do not show keys yet, and tells which those were when the time is over; one silent
    host does not keep the others from being pinned. A pinned host's console is not asked for.
  - ansible.builtin.known_hosts is not used for this, because it takes a process for each key of each host.
options:
  ids: {type: list, elements: str, required: true, description: Ids of running instances.}
  known_hosts: {type: path, required: true, description: The file; made when it does not exist.}
  wait_seconds: {type: int, default: 600, description: How long to wait for keys.}
  poll_seconds: {type: int, default: 5, description: Seconds between two looks at a console.}
  consoles_at_most: {type: int, default: 40, description: Of more hosts those are read that nothing certifies.}
  authority: {type: str, default: "", description: 'Public key of the authority that certifies hosts, if any.'}
  certified: {type: list, elements: str, default: [], description: Ids of the hosts that were launched with it.}
  certified_seconds: {type: int, default: 14400, description: How long its certificates hold.}
extends_documentation_fragment: [amazon.aws.common.modules, amazon.aws.region.modules, amazon.aws.boto3]
author: [the gpulab authors (@gpulab)]
"""

EXAMPLES = r"""
- name: Pin the host keys
  gpulab.core.ec2_host_keys:
    ids: [i-0123456789abcdef0]
    known_hosts: .gpulab/gpulab/known_hosts
"""

RETURN = r"""
pinned: {description: Ids of the instances that were pinned now., returned: success, type: list, elements: str}
silent: {description: Ids of those that showed no keys., returned: success, type: list, elements: str}
certified: {description: Ids of those that a certificate is enough for., returned: success, type: list, elements: str}
"""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from functools import partial

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.gpulab.core.plugins.module_utils import host_pins, report_files
from ansible_collections.gpulab.core.plugins.module_utils.ec2_calls import RETRY, Stop, call
from ansible_collections.gpulab.core.plugins.module_utils.host_keys import host_keys

AT_ONCE = 8
"""Consoles asked for side by side: those of a class of fifty in seven turns."""
ARGUMENTS = {
    "ids": {"type": "list", "elements": "str", "required": True},
    "known_hosts": {"type": "path", "required": True},
    "wait_seconds": {"type": "int", "default": 600},
    "poll_seconds": {"type": "int", "default": 5},
    "consoles_at_most": {"type": "int", "default": 40},
    "authority": {"type": "str", "default": ""},
    "certified": {"type": "list", "elements": "str", "default": []},
    "certified_seconds": {"type": "int", "default": 14400},
}


def _console(ec2, instance_id):
    """Return the text on the console of an instance."""

    def ask(**latest):
        method = ec2.get_console_output
        return call("reading the console", method, InstanceId=instance_id, aws_retry=True, **latest).get("Output", "")

    try:
        # What the console shows now, not what AWS kept of the last boot minutes ago.
        return ask(Latest=True)
    except Stop as stop:
        if stop.code != "UnsupportedOperation":
            raise
        # Types older than Nitro (p3 and before) have the kept text only.
        return ask()


def read_keys(module, ids):
    """Return {id: its keys} of the instances that show any in time."""
    ec2 = module.client("ec2", retry_decorator=RETRY)
    deadline = time.monotonic() + (0 if module.check_mode else module.params["wait_seconds"])
    found: dict[str, list[str]] = {}
    while True:
        # AWS shows one console at a call, so a class's are asked for side by side.
        with ThreadPoolExecutor(AT_ONCE) as pool:
            texts = pool.map(partial(_console, ec2), left := [one for one in ids if one not in found])
        shown = ((one, host_keys(text)) for one, text in zip(left, texts, strict=True))
        found |= {one: keys for one, keys in shown if keys}
        if len(found) == len(ids) or time.monotonic() >= deadline:
            return found
        time.sleep(module.params["poll_seconds"])


def main():
    """Run the module."""
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    params, now = module.params, datetime.now(timezone.utc)
    path, ids = params["known_hosts"], params["ids"]
    before = report_files.read(path)
    if params["authority"]:
        until = now + timedelta(seconds=params["certified_seconds"])
        before = host_pins.vouched(before, set(params["certified"]) & set(ids), params["authority"], until)
    unknown = host_pins.unknown(before, ids, now, params["consoles_at_most"])
    try:
        found = read_keys(module, unknown) if unknown else {}
    except Stop as stop:
        module.fail_json(msg=str(stop))
    after = host_pins.added(before, found)
    written = report_files.write({path: after}, module.check_mode)
    silent = [one for one in unknown if one not in found]
    certified = sorted(host_pins.certified(after, now) & set(ids))
    module.exit_json(pinned=sorted(found), silent=silent, certified=certified, **written)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Set a deployment's guards: budget and spent time in tags, a stop at the deadline, a billing alarm."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cost_guard
short_description: Stop every host of a deployment when its budget is spent
description:
  - Counts what each host has spent by its tags, its LaunchTime and when it stopped, writes that down on the instance,
    and sets one-time EventBridge schedules that stop each running host when its budget is spent; hosts whose time ends
    together share one. The schedules' role may stop instances with the deployment's tag and nothing else.
  - Sets an alarm on the account's charges in us-east-1, with a mail if an address is given. It comes hours late, and
    warns only.
  - Reads everything back from AWS after having written, and fails where a host that runs lacks a guard.
  - One module of ours, because amazon.aws has none for EventBridge Scheduler, and its iam_role, cloudwatch_metric_alarm
    and sns modules take a process each and more calls than this one does altogether.
options:
  deployment: {type: str, required: true, description: Name of the deployment.}
  hosts: {type: list, elements: str, default: [], description: Names of the hosts that this is about; all if empty.}
  starting: {type: list, elements: str, default: [], description: Names of stopped hosts that are started after this.}
  budget_usd: {type: float, required: true, description: Budget in USD of a host that has none yet.}
  budgets: {type: dict, default: {}, description: 'Budgets in USD by host name, which go before budget_usd.'}
  extend_usd: {type: float, default: 0, description: USD that are added to the budget of each of the hosts.}
  prices: {type: dict, default: {}, description: 'Prices (dicts of ec2_price_info) by host name or instance type.'}
  usd_per_hour: {type: float, default: 0, description: 'Price of an hour where nobody knows it; 0 is the table''s.'}
  volume_gb: {type: int, default: 100, description: 'Size of the disk in GB, for the price by the table.'}
  mail: {type: str, default: '', description: Address that the billing alarm writes to.}
  alarm_usd: {type: float, default: 0, description: Charges in USD that raise the alarm; 0 is the sum of the budgets.}
extends_documentation_fragment: [amazon.aws.common.modules, amazon.aws.region.modules, amazon.aws.boto3]
author: [the gpulab authors (@gpulab)]
"""

EXAMPLES = r"""
- name: Guard the hosts
  gpulab.core.cost_guard:
    deployment: gpulab
    budget_usd: 5
"""

RETURN = r"""
hosts:
  description: 'The live hosts by name: budget, price, time and money spent and left, deadline, guards as read back.'
  returned: success
  type: dict
refused: {description: 'By name, why a host may not run on.', returned: success, type: dict}
starting: {description: Names of the hosts that may be started., returned: success, type: list, elements: str}
"""

import time

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.gpulab.core.plugins.module_utils import (
    budget,
    guard_calls,
    guard_look,
    guard_money,
    guard_role,
    guard_schedule,
)
from ansible_collections.gpulab.core.plugins.module_utils.ec2_calls import Stop

ARGUMENTS = {
    **guard_look.ARGUMENTS,
    "hosts": {"type": "list", "elements": "str", "default": []},
    "starting": {"type": "list", "elements": "str", "default": []},
    "extend_usd": {"type": "float", "default": 0},
    "prices": {"type": "dict", "default": {}},
    "alarm_usd": {"type": "float", "default": 0},
}


class Guard:
    """One run of the module: what was found, and whether anything had to be written."""

    def __init__(self, module):
        self.params, self.check_mode = module.params, module.check_mode
        self.deployment = module.params["deployment"]
        self.clients = guard_calls.Clients(module)
        self.now, self.account, self.hosts = guard_calls.hosts(
            self.clients.ec2, self.deployment, module.region, module.params["volume_gb"]
        )
        self.changed = False

    def run(self):
        """Return what the module answers; raise Stop where a guard is missing in the end."""
        names = [host["name"] for host in self.hosts]
        unknown = sorted({*self.params["hosts"], *self.params["starting"]} - set(names))
        if unknown:
            raise Stop(
                f"Deployment {self.deployment} has no host called {', '.join(unknown)}, only {', '.join(names)}."
            )
        if not self.hosts:
            return {"hosts": {}, "refused": {}, "starting": []}
        chosen = self.params["hosts"] or names
        pictures = {host["name"]: self._told(host, chosen) for host in self.hosts}
        refused = {name: text for name in chosen if (text := self._refusal(pictures[name]))}
        starting = [name for name in self.params["starting"] if name not in refused]
        for name in starting:
            pictures[name]["deadline"] = guard_money.stamp(budget.deadline(self.now, pictures[name]["left_seconds"]))
        found = self._read()
        self._tag(pictures)
        if any(one["deadline"] for one in pictures.values()):
            self._may_stop(found)
            self._warn(found, pictures)
        self._schedule(found, pictures)
        if self.changed and not self.check_mode:
            found = self._read()
        pictures = guard_look.with_guards(pictures, found, self.account, self.deployment, self.now)
        if not self.check_mode and (gone := guard_look.missing(pictures, self.params["mail"])):
            raise Stop(" ".join(gone))
        # This machine's clock, by which it is reckoned later what has become of left_seconds meanwhile.
        pictures = {name: {**one, "told_at": time.time()} for name, one in pictures.items()}
        return {"hosts": pictures, "refused": refused, "starting": starting}

    def _told(self, host, chosen):
        said = guard_look.asked(self.params, host)
        if host["name"] in chosen:
            said["extend_usd"] = self.params["extend_usd"]
        return guard_look.told(host, self.now, said)

    def _refusal(self, picture):
        if picture["state"] in guard_money.ON or picture["name"] in self.params["starting"]:
            text = guard_money.refusal(picture["name"], picture)
            if text and not picture["usd_per_hour"]:
                raise Stop(text)
            return text
        return ""

    def _read(self):
        return guard_calls.guards(self.clients, self.account, self.deployment, self.params["mail"])

    def _write(self, write, *arguments):
        self.changed = True
        if not self.check_mode:
            write(self.clients, *arguments)

    def _tag(self, pictures):
        known = [host for host in self.hosts if pictures[host["name"]]["usd_per_hour"]]
        wanted = {host["id"]: guard_money.tags_wanted(host, pictures[host["name"]]) for host in known}
        if groups := guard_money.grouped(wanted):
            self._write(guard_calls.tag, groups)

    def _may_stop(self, found):
        if found["trust"] != guard_role.trust(self.account) or found["permission"] != guard_role.permission(
            self.account, self.deployment
        ):
            self._write(guard_calls.write_role, self.account, self.deployment, found)
        if not found["group"]:
            self._write(guard_calls.write_group, self.deployment)

    def _warn(self, found, pictures):
        mail = self.params["mail"]
        usd = self.params["alarm_usd"] or sum(one["budget_usd"] for one in pictures.values())
        alarm = guard_role.alarm(self.account, self.deployment, usd, mail)
        if mail and not found["subscription"]:
            self._write(guard_calls.write_subscription, self.deployment, mail)
        if not guard_role.same_alarm(found["alarm"], alarm):
            self._write(guard_calls.write_alarm, self.deployment, alarm)

    def _schedule(self, found, pictures):
        role, group = guard_role.role_arn(self.account, self.deployment), guard_role.name(self.deployment)
        exist = [guard_schedule.read(one, role) for one in found["schedules"]]
        ends = {one["id"]: guard_money.moment(one["deadline"]) for one in pictures.values() if one["deadline"]}
        puts, gone = guard_schedule.changes(exist, ends, self.now)
        # A stop that is set too early is removed only when the later one is there: never is a host without.
        for at, ids, exists in puts:
            request = guard_schedule.request(at, ids, group, role)
            self._write(guard_calls.write_schedule, self.deployment, request, exists)
        if gone:
            self._write(guard_calls.delete_schedules, self.deployment, gone)


def main():
    """Run the module."""
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        guard = Guard(module)
        answer = guard.run()
    except Stop as stop:
        module.fail_json(msg=str(stop))
    module.exit_json(changed=guard.changed, **answer)


if __name__ == "__main__":
    main()

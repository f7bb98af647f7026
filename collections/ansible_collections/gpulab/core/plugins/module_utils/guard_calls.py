"""The AWS calls of the guards: what there is is read in few calls, and what is missing is written. Thin.

amazon.aws has no module for EventBridge Scheduler, and its modules for a role, an alarm and a topic cost a process each
and 3 to 8 calls every time; here an unchanged deployment costs 6, one more with a mail, whether it has 1 host or 50.
"""

from __future__ import annotations

import json
import time
from email.utils import parsedate_to_datetime
from typing import Any

from ansible_collections.gpulab.core.plugins.module_utils import ec2_calls, guard_role, side_by_side
from ansible_collections.gpulab.core.plugins.module_utils.ec2_calls import RETRY, Stop, call
from ansible_collections.gpulab.core.plugins.module_utils.gpu_catalogue import price
from ansible_collections.gpulab.core.plugins.module_utils.launch_plan import LIVE_STATES, TAG

_MISSING = ("ResourceNotFoundException", "NoSuchEntity", "NotFound", "NotFoundException", "ResourceNotFound")
_NEW_ROLE = 15
"""How often a schedule is tried while IAM makes a new role known, 2 s apart: AWS says that it may take seconds."""


class Clients:
    """boto3 clients, each made when it is first needed; billing is us-east-1's business."""

    def __init__(self, module):
        self._module = module
        self._made = {}

    def __getattr__(self, service):
        billing = service in ("cloudwatch", "sns")
        if service not in self._made:
            region = {"region": guard_role.BILLING_REGION} if billing else {}
            self._made[service] = self._module.client(service, retry_decorator=RETRY, **region)
        return self._made[service]


def _or_none(doing, method, **arguments):
    """Return the answer, None where AWS says that there is no such thing."""
    try:
        return call(doing, method, aws_retry=True, **arguments)
    except Stop as stop:
        if stop.code in _MISSING:
            return None
        raise


def hosts(ec2, deployment, region, volume_gb):
    """Return (AWS's present moment, account or "", hosts of guard_money, oldest first); AWS's time may not be ours.

    volume_gb: the disk that the table's price is made with, for a host whose tags hold no price yet.
    """
    wanted = [
        {"Name": f"tag:{TAG}", "Values": [deployment]},
        {"Name": "instance-state-name", "Values": list(LIVE_STATES)},
    ]
    found, account = [], ""
    more: dict[str, str] = {}
    while True:
        answer = call("listing the instances", ec2.describe_instances, aws_retry=True, Filters=wanted, **more)
        for reservation in answer["Reservations"]:
            account = reservation["OwnerId"]
            found += [_host(i, region, volume_gb) for i in reservation["Instances"]]
        if not answer.get("NextToken"):
            break
        more = {"NextToken": answer["NextToken"]}
    now = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    return now, account, sorted(found, key=lambda h: (h["launched"], h["name"]))


def _host(instance, region, volume_gb):
    return {
        "name": ec2_calls.host_name(instance),
        "id": instance["InstanceId"],
        "state": instance["State"]["Name"],
        "type": instance["InstanceType"],
        "address": instance.get("PublicIpAddress") or "",
        "launched": instance["LaunchTime"],
        "reason": instance.get("StateTransitionReason", ""),
        "tags": ec2_calls.tags(instance),
        "price": price(instance["InstanceType"], region, volume_gb),
    }


def guards(clients, account, deployment, mail):
    """Return what guards there are: schedules (as GetSchedule tells), trust, permission, alarm, subscription.

    group is False where the schedule group is known to be missing. subscription is "", "pending" or "confirmed".
    """
    group, role = guard_role.name(deployment), guard_role.role_name(deployment)
    topic = guard_role.topic_arn(account, deployment)
    # Clients are made here, by the main thread, and used by the others.
    scheduler, iam, cloudwatch = clients.scheduler, clients.iam, clients.cloudwatch
    sns = clients.sns if mail else None
    found = side_by_side.ask_all(
        {
            "schedules": lambda: _schedules(scheduler, group),
            "role": lambda: _role(iam, role),
            "alarms": lambda: call(
                "reading the billing alarm", cloudwatch.describe_alarms, aws_retry=True, AlarmNames=[group]
            )["MetricAlarms"],
            "subscription": lambda: _subscription(sns, topic, mail) if mail else "",
        }
    )
    schedules, (trust, permission) = found["schedules"], found["role"]
    return {
        "group": schedules is not None,
        "schedules": schedules or [],
        "trust": trust,
        "permission": permission,
        "alarm": found["alarms"][0] if found["alarms"] else None,
        "subscription": found["subscription"],
    }


def _schedules(scheduler, group):
    """Return the group's schedules as GetSchedule tells them, None where there is no such group."""
    listed: list[Any] = []
    token: dict[str, str] = {}
    while True:
        answer = _or_none("listing the schedules", scheduler.list_schedules, GroupName=group, **token)
        if not answer:
            return None
        listed += answer["Schedules"]
        if not answer.get("NextToken"):
            break
        token = {"NextToken": answer["NextToken"]}
    names = [one["Name"] for one in listed]
    asked = [_or_none("reading a schedule", scheduler.get_schedule, GroupName=group, Name=name) for name in names]
    return [one for one in asked if one]


def _role(iam, role):
    """Return (who may use the role, what it may do), None for what there is not."""
    found = _or_none("reading the role of the schedules", iam.get_role, RoleName=role)
    if not found:
        return None, None
    arguments = {"RoleName": role, "PolicyName": guard_role.POLICY}
    policy = _or_none("reading what that role may do", iam.get_role_policy, **arguments)
    return found["Role"]["AssumeRolePolicyDocument"], policy["PolicyDocument"] if policy else None


def _subscription(sns, topic, mail):
    found = _or_none("reading who gets the alarm's mail", sns.list_subscriptions_by_topic, TopicArn=topic)
    for one in found["Subscriptions"] if found else []:
        if (one["Protocol"], one["Endpoint"]) == ("email", mail):
            return "pending" if one["SubscriptionArn"] == "PendingConfirmation" else "confirmed"
    return ""


def tag(clients, groups):
    """Write tags: groups is [(tags, [instance ids])], one call each."""
    for tags, ids in groups:
        pairs = [{"Key": key, "Value": value} for key, value in sorted(tags.items())]
        call("writing the budget's tags", clients.ec2.create_tags, aws_retry=True, Resources=ids, Tags=pairs)


def write_role(clients, account, deployment, found):
    """Make the role as guard_role describes it; what is right is left alone. Return whether anything was written."""
    iam, role = clients.iam, guard_role.role_name(deployment)
    trust, permission = guard_role.trust(account), guard_role.permission(account, deployment)
    if found["trust"] is None:
        arguments = {
            "RoleName": role,
            "AssumeRolePolicyDocument": json.dumps(trust),
            "Description": f"Lets EventBridge Scheduler stop the hosts of gpulab deployment {deployment}",
            "Tags": [{"Key": TAG, "Value": deployment}],
        }
        call("making the role of the schedules", iam.create_role, aws_retry=True, **arguments)
    elif found["trust"] != trust:
        arguments = {"RoleName": role, "PolicyDocument": json.dumps(trust)}
        call("saying who may use the role", iam.update_assume_role_policy, aws_retry=True, **arguments)
    if found["permission"] != permission:
        arguments = {"RoleName": role, "PolicyName": guard_role.POLICY, "PolicyDocument": json.dumps(permission)}
        call("saying what the role may do", iam.put_role_policy, aws_retry=True, **arguments)
    return (found["trust"], found["permission"]) != (trust, permission)


def write_group(clients, deployment):
    """Make the schedule group; one that another run has made meanwhile is the same one."""
    arguments = {"Name": guard_role.name(deployment), "Tags": [{"Key": TAG, "Value": deployment}]}
    try:
        call("making the schedule group", clients.scheduler.create_schedule_group, aws_retry=True, **arguments)
    except Stop as stop:
        if stop.code != "ConflictException":
            raise


def write_schedule(clients, deployment, request, exists):
    """Make or replace one schedule, and wait for a role that IAM has not made known everywhere yet.

    One that has fired meanwhile is made again, one that another run has made is replaced, and so is a group missed.
    """
    create, update = clients.scheduler.create_schedule, clients.scheduler.update_schedule
    method = update if exists else create
    for again in range(_NEW_ROLE):
        try:
            call("setting the stop at the deadline", method, aws_retry=True, **request)
            return
        except Stop as stop:
            if again == _NEW_ROLE - 1:
                raise
            if stop.code == "ConflictException":
                method = update
            elif stop.code == "ResourceNotFoundException" and method is update:
                method = create
            elif stop.code == "ResourceNotFoundException":
                write_group(clients, deployment)
            elif stop.code == "ValidationException" and "role" in stop.message:
                time.sleep(2)
            else:
                raise


def delete_schedules(clients, deployment, names):
    """Delete schedules that stop nobody any more; one that has fired meanwhile is gone already."""
    for one in names:
        arguments = {"GroupName": guard_role.name(deployment), "Name": one}
        _or_none("deleting a schedule that is done", clients.scheduler.delete_schedule, **arguments)


def write_alarm(clients, deployment, wanted):
    """Make or replace the billing alarm; its tag counts when it is made only."""
    tags = [{"Key": TAG, "Value": deployment}]
    call("setting the billing alarm", clients.cloudwatch.put_metric_alarm, aws_retry=True, **wanted, Tags=tags)


def write_subscription(clients, deployment, mail):
    """Make the topic, which is found where it exists, and subscribe the address: AWS sends it a mail to confirm."""
    tags = [{"Key": TAG, "Value": deployment}]
    made = call(
        "making the alarm's topic",
        clients.sns.create_topic,
        aws_retry=True,
        Name=guard_role.name(deployment),
        Tags=tags,
    )
    arguments = {"TopicArn": made["TopicArn"], "Protocol": "email", "Endpoint": mail}
    call("subscribing to the alarm", clients.sns.subscribe, aws_retry=True, **arguments)

"""EventBridge Scheduler as moto lacks it: expressions are checked, and one-time schedules fire by the cloud's clock.

Nothing runs beside the requests: what is due fires before AWS's part is asked anything, before the hosts' reconciler is
told of them, which is every second or so, and when the clock is moved. Stand-ins: only `at(...)` fires, no cron and no
rate; the one target is ec2:stopInstances; what fails is kept in `failures` and not tried again for a day.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from rehearsal import role_policy, settings
from rehearsal.clock import Clock
from rehearsal.emulation import Emulation
from rehearsal.patching import amend

SERVICE = "scheduler.amazonaws.com"
STOP = "arn:aws:scheduler:::aws-sdk:ec2:stopInstances"
_AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")
_RATE = re.compile(r"rate\([1-9]\d* (?:minute|minutes|hour|hours|day|days)\)")
_CRON = re.compile(r"cron\((?:\S+ ){5}\S+\)")


class Scheduler:
    """The schedules of the account; `failures` says which could not do what they were made for, and why."""

    def __init__(self, emulation: Emulation, clock: Clock) -> None:
        self._emulation, self._clock = emulation, clock
        self.failures: list[dict[str, str]] = []

    def fire(self) -> None:
        """Do what is due. Needs moto; takes the lock of the emulation."""
        with self._emulation.lock:
            for region, group, schedule in _schedules():
                moment = when(schedule.schedule_expression, schedule.schedule_expression_timezone)
                if schedule.state == "ENABLED" and moment and moment <= self._clock.now():
                    self._run(region, schedule, moment)
                    self._finish(group, schedule)

    def _run(self, region: str, schedule: Any, moment: datetime) -> None:
        try:
            _stop(region, schedule, moment)
        except Refused as refusal:
            self.failures.append({"schedule": schedule.arn, "reason": str(refusal)})

    def _finish(self, group: Any, schedule: Any) -> None:
        if schedule.action_after_completion == "DELETE":
            group.delete_schedule(schedule.name)
        else:
            # AWS keeps a completed schedule as it is, and never fires it again.
            schedule.state = "COMPLETED"


class Refused(Exception):
    """What AWS would answer the schedule; the hosts stay as they are."""


def when(expression: str, zone: str) -> datetime | None:
    """The moment of a one-time expression, in UTC; None for one that recurs."""
    found = _AT.fullmatch(expression)
    return datetime.fromisoformat(found[1]).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) if found else None


def valid(expression: str) -> bool:
    """Whether AWS would take the expression: a moment that exists, a rate, or six fields of cron."""
    if found := _AT.fullmatch(expression):
        try:
            datetime.fromisoformat(found[1])
        except ValueError:
            return False
        return True
    return bool(_RATE.fullmatch(expression) or _CRON.fullmatch(expression))


def _schedules() -> list[tuple[str, Any, Any]]:
    """(region, group, schedule) of the account."""
    from moto.scheduler.models import scheduler_backends

    return [
        (region, group, schedule)
        for region, backend in list(scheduler_backends[settings.ACCOUNT].items())
        for group in backend.schedule_groups.values()
        for schedule in list(group.schedules.values())
    ]


def _stop(region: str, schedule: Any, moment: datetime) -> None:
    """StopInstances in the name of the schedule's role: all of them or, as at AWS, none. Refused says why.

    moment: when it was due, which is when it has happened, however far the clock was moved at once.
    """
    from moto.core.exceptions import ServiceException
    from moto.ec2.models import ec2_backends

    target = schedule.target
    if target["Arn"] != STOP:
        raise Refused(f"{target['Arn']} is a target that this cloud does not have")
    trust, policies = _role(target["RoleArn"])
    if not may_use(trust):
        raise Refused(f"{target['RoleArn']} does not trust {SERVICE}")
    backend = ec2_backends[settings.ACCOUNT][region]
    ids = json.loads(target.get("Input") or "{}").get("InstanceIds", [])
    for one in ids:
        tags = {tag["key"]: tag["value"] for tag in backend.describe_tags(filters={"resource-id": [one]})}
        arn = f"arn:aws:ec2:{region}:{settings.ACCOUNT}:instance/{one}"
        context = {f"aws:ResourceTag/{key}": value for key, value in tags.items()}
        if not role_policy.permits(policies, "ec2:StopInstances", arn, context):
            raise Refused(f"{target['RoleArn']} may not ec2:StopInstances on {arn}")
    try:
        for instance in backend.get_multi_instances_by_id(ids):
            if instance.state == "terminated":
                raise Refused(f"The instance '{instance.id}' is not in a state from which it can be stopped.")
        for instance, before in backend.stop_instances(ids):
            if before.name == "running":
                instance._reason = f"User initiated ({moment:%Y-%m-%d %H:%M:%S} UTC)"
    except ServiceException as problem:
        raise Refused(str(problem)) from problem


def may_use(trust: dict[str, Any] | None) -> bool:
    """Whether the scheduler may take a role with this trust policy on; None is a role that does not exist."""
    return bool(trust) and role_policy.may_assume(trust or {}, SERVICE, {"aws:SourceAccount": settings.ACCOUNT})


def _role(arn: str) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    """(trust policy, inline policies) of a role; (None, []) where there is none."""
    from moto.iam.models import iam_backends

    for role in iam_backends[settings.ACCOUNT]["aws"].roles.values():
        if role.arn == arn:
            return json.loads(role.assume_role_policy_document), [json.loads(one) for one in role.policies.values()]
    return None, []


def install() -> None:
    """Let moto refuse what AWS refuses: bad expressions, roles without trust, missing groups, a group made twice."""
    from moto.core.exceptions import JsonRESTError
    from moto.scheduler.models import EventBridgeSchedulerBackend

    def checked(original: Callable[..., Any]) -> Callable[..., Any]:
        def write(backend: Any, **arguments: Any) -> Any:
            if not valid(arguments["schedule_expression"]):
                text = f"Invalid Schedule Expression {arguments['schedule_expression']}."
                raise JsonRESTError("ValidationException", text)
            if not may_use(_role(arguments["target"]["RoleArn"])[0]):
                text = "The execution role you provide must allow AWS EventBridge Scheduler to assume the role."
                raise JsonRESTError("ValidationException", text)
            backend.get_schedule_group(arguments["group_name"])
            return original(backend, **arguments)

        return write

    def listed(original: Callable[..., Any]) -> Callable[..., Any]:
        def read(backend: Any, *args: Any, **arguments: Any) -> Any:
            for name in (args[0] if args else arguments.get("group_names")) or []:
                backend.get_schedule_group(name)
            return original(backend, *args, **arguments)

        return read

    def once(original: Callable[..., Any]) -> Callable[..., Any]:
        def make(backend: Any, name: str, tags: Any) -> Any:
            if name in backend.schedule_groups:
                raise JsonRESTError("ConflictException", f"Schedule group {name} already exists.")
            return original(backend, name=name, tags=tags or [])

        return make

    def existing(original: Callable[..., Any]) -> Callable[..., Any]:
        def delete(backend: Any, name: str | None) -> Any:
            backend.get_schedule_group(name)
            return original(backend, name)

        return delete

    amend(EventBridgeSchedulerBackend, "create_schedule", checked)
    amend(EventBridgeSchedulerBackend, "update_schedule", checked)
    amend(EventBridgeSchedulerBackend, "list_schedules", listed)
    amend(EventBridgeSchedulerBackend, "create_schedule_group", once)
    amend(EventBridgeSchedulerBackend, "delete_schedule_group", existing)

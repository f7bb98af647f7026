"""Whether these credentials may set the guards: questions to IAM's policy simulator, and what it answers. Pure.

None of the guards' calls has a dry run. https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
"""

from __future__ import annotations

from typing import NamedTuple

from ansible_collections.gpulab.core.plugins.module_utils import guard_role


class Question(NamedTuple):
    """Actions on one resource; context: condition keys to their values."""

    actions: tuple[str, ...]
    resource: str
    context: dict[str, str]


def questions(account, region, deployment, mail=""):
    """Return the Questions; the topic of the alarm is in them where it is to write to an address."""
    name, role = guard_role.name(deployment), guard_role.role_arn(account, deployment)
    schedules = f"arn:aws:scheduler:{region}:{account}"
    alarms = f"arn:aws:cloudwatch:{guard_role.BILLING_REGION}:{account}"
    topic = Question(("sns:CreateTopic", "sns:Subscribe"), guard_role.topic_arn(account, deployment), {})
    return [
        Question(("iam:CreateRole", "iam:PutRolePolicy"), role, {}),
        Question(("iam:PassRole",), role, {"iam:PassedToService": "scheduler.amazonaws.com"}),
        Question(("scheduler:CreateScheduleGroup",), f"{schedules}:schedule-group/{name}", {}),
        Question(("scheduler:CreateSchedule",), f"{schedules}:schedule/{name}/*", {}),
        Question(("cloudwatch:PutMetricAlarm",), f"{alarms}:alarm:{name}", {}),
        *([topic] if mail else []),
    ]


def who(arn):
    """Return (kind, name) of a caller's ARN: user, role or root, and for a role its name without path.

    ("", "") is somebody whom the simulator does not know, such as a federated user.
    """
    kind, _, rest = arn.split(":")[-1].partition("/")
    if kind == "assumed-role":
        return "role", rest.partition("/")[0]
    return (kind, rest) if kind in ("user", "root") else ("", "")


def arguments(question, source):
    """Return SimulatePrincipalPolicy's arguments; source: the user's or role's ARN."""
    context = [
        {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"}
        for key, value in question.context.items()
    ]
    return {
        "PolicySourceArn": source,
        "ActionNames": list(question.actions),
        "ResourceArns": [question.resource],
        "ContextEntries": context,
    }


def denied(answers):
    """Return the actions that are not allowed, sorted; answers: those of SimulatePrincipalPolicy."""
    results = (one for answer in answers for one in answer["EvaluationResults"])
    return sorted(one["EvalActionName"] for one in results if one["EvalDecision"] != "allowed")

"""guard_permissions: whom IAM's simulator is asked about, what it is asked, and what its answers mean."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import guard_permissions, guard_role, preflight_evidence
from botocore.exceptions import ClientError

ACCOUNT = "123456789012"


@pytest.mark.parametrize(
    ("arn", "expected"),
    [
        (f"arn:aws:iam::{ACCOUNT}:user/anna", ("user", "anna")),
        (f"arn:aws:iam::{ACCOUNT}:user/lab/anna", ("user", "lab/anna")),
        (f"arn:aws:iam::{ACCOUNT}:root", ("root", "")),
        (f"arn:aws:sts::{ACCOUNT}:assumed-role/teacher/anna", ("role", "teacher")),
        (f"arn:aws:sts::{ACCOUNT}:federated-user/anna", ("", "")),
    ],
)
def test_a_caller_is_known_by_the_arn(arn: str, expected: tuple[str, str]) -> None:
    assert guard_permissions.who(arn) == expected


def test_each_question_names_what_the_guards_will_make() -> None:
    asked = guard_permissions.questions(ACCOUNT, "eu-west-1", "lab")
    by_action = {action: one for one in asked for action in one.actions}
    assert by_action["iam:CreateRole"].resource == guard_role.role_arn(ACCOUNT, "lab")
    assert by_action["iam:PassRole"].context == {"iam:PassedToService": "scheduler.amazonaws.com"}
    assert (
        by_action["scheduler:CreateSchedule"].resource == f"arn:aws:scheduler:eu-west-1:{ACCOUNT}:schedule/gpulab-lab/*"
    )
    # The metric of the charges is in one region only.
    assert by_action["cloudwatch:PutMetricAlarm"].resource == f"arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:gpulab-lab"
    assert "sns:CreateTopic" not in by_action
    sent = guard_permissions.arguments(by_action["iam:PassRole"], "arn:of:anna")
    assert sent["PolicySourceArn"] == "arn:of:anna"
    assert sent["ContextEntries"][0]["ContextKeyValues"] == ["scheduler.amazonaws.com"]


def test_the_topic_is_asked_about_where_the_alarm_is_to_write_a_mail() -> None:
    asked = guard_permissions.questions(ACCOUNT, "eu-west-1", "lab", mail="anna@example.org")
    assert asked[-1].actions == ("sns:CreateTopic", "sns:Subscribe")
    assert asked[-1].resource == f"arn:aws:sns:us-east-1:{ACCOUNT}:gpulab-lab"


def test_what_is_not_allowed_is_denied() -> None:
    def told(action: str, decision: str) -> dict[str, str]:
        return {"EvalActionName": action, "EvalDecision": decision}

    answers = [
        {"EvaluationResults": [told("iam:PutRolePolicy", "explicitDeny"), told("iam:CreateRole", "implicitDeny")]},
        {"EvaluationResults": [told("iam:PassRole", "allowed")]},
    ]
    assert guard_permissions.denied(answers) == ["iam:CreateRole", "iam:PutRolePolicy"]
    assert guard_permissions.denied(answers[1:]) == []


class Iam:
    """A fake of IAM's client: it knows one role, which single sign-on has made, and denies iam:PassRole."""

    role = f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/eu-west-1/teacher"

    def __init__(self) -> None:
        self.sources: set[str] = set()

    def get_role(self, aws_retry: bool, RoleName: str) -> dict[str, Any]:
        assert aws_retry
        if RoleName != "teacher":
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": ""}}, "GetRole")
        return {"Role": {"Arn": self.role}}

    def simulate_principal_policy(self, aws_retry: bool, **asked: Any) -> dict[str, Any]:
        assert aws_retry
        self.sources.add(asked["PolicySourceArn"])
        decisions = {"iam:PassRole": "implicitDeny"}
        names = asked["ActionNames"]
        return {
            "EvaluationResults": [{"EvalActionName": n, "EvalDecision": decisions.get(n, "allowed")} for n in names]
        }


@pytest.mark.parametrize(
    ("caller", "expected", "source"),
    [
        ("iam::{}:user/lab/anna", ["iam:PassRole"], f"arn:aws:iam::{ACCOUNT}:user/lab/anna"),
        ("sts::{}:assumed-role/teacher/anna", ["iam:PassRole"], Iam.role),
        ("iam::{}:root", [], None),
        ("sts::{}:assumed-role/guest/anna", "GetRole was answered with AccessDenied", None),
        ("sts::{}:federated-user/anna", "IAM cannot say it of federated-user/anna", None),
    ],
)
def test_whoever_calls_is_asked_about_by_the_arn_that_iam_knows(caller: str, expected: Any, source: str | None) -> None:
    iam = Iam()
    found = {"Account": ACCOUNT, "Arn": f"arn:aws:{caller.format(ACCOUNT)}"}
    assert preflight_evidence._guards(iam, found, "us-east-1", {"deployment": "lab", "guard_mail": ""}) == expected
    assert iam.sources == ({source} if source else set())

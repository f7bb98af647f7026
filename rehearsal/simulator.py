"""IAM's policy simulator, which moto lacks. A stand-in: this cloud asks no caller for a policy, so that all is allowed
but what a fault rule answers with a refusal.

Shape: https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
"""

from __future__ import annotations

from xml.sax.saxutils import escape

from rehearsal import wire
from rehearsal.faults import Faults

ACTION = "iam:SimulatePrincipalPolicy"
DENIALS = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")
_SPACE = "https://iam.amazonaws.com/doc/2010-05-08/"

Answer = tuple[int, list[tuple[str, str]], bytes]


def answer(call: wire.Call, faults: Faults) -> Answer:
    """Answer one call: a decision for each action on each resource."""
    actions, resources = (_members(call, name) for name in ("ActionNames", "ResourceArns"))
    results = "".join(
        f"<member><EvalActionName>{escape(action)}</EvalActionName><EvalResourceName>{escape(resource)}"
        f"</EvalResourceName><EvalDecision>{decision(action, faults)}</EvalDecision></member>"
        for action in actions
        for resource in resources or ["*"]
    )
    inner = f"<IsTruncated>false</IsTruncated><EvaluationResults>{results}</EvaluationResults>"
    name = call.action
    text = f'<{name}Response xmlns="{_SPACE}"><{name}Result>{inner}</{name}Result></{name}Response>'
    return 200, [("Content-Type", "text/xml")], text.encode()


def decision(action: str, faults: Faults) -> str:
    """What the simulator says of an action such as iam:CreateRole."""
    return "implicitDeny" if faults.refuses(action.partition(":")[2], DENIALS) else "allowed"


def _members(call: wire.Call, name: str) -> list[str]:
    return [value for key, value in call.params.items() if key.startswith(f"{name}.member.")]

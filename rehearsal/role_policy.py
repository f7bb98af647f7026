"""Whether a role may do something, by its documents: as much of IAM's rules as the roles of schedules need. Pure.

A stand-in for IAM where moto asks no policy at all: Allow and Deny, wildcards in actions and resources, StringEquals,
StringLike and Null. A condition of another kind never holds here, so that an Allow with it allows nothing.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

Document = dict[str, Any]


def may_assume(trust: Document, service: str, context: dict[str, str]) -> bool:
    """Whether a trust policy lets an AWS service, such as scheduler.amazonaws.com, take the role on."""
    statements = [one for one in _listed(trust.get("Statement")) if service in _listed(_principal(one).get("Service"))]
    return _decide(statements, "sts:AssumeRole", None, context)


def permits(documents: list[Document], action: str, resource: str, context: dict[str, str]) -> bool:
    """Whether these policies together allow `action` on the ARN `resource`; `context`: condition keys to values."""
    statements = [one for document in documents for one in _listed(document.get("Statement"))]
    return _decide(statements, action, resource, context)


def _decide(statements: list[Document], action: str, resource: str | None, context: dict[str, str]) -> bool:
    effects = {
        one["Effect"]
        for one in statements
        if _matches(one.get("Action"), action, fold=True)
        and (resource is None or _matches(one.get("Resource"), resource))
        and _holds(one.get("Condition", {}), context)
    }
    return effects == {"Allow"}


def _holds(conditions: dict[str, dict[str, Any]], context: dict[str, str]) -> bool:
    return all(
        _true(operator, context.get(key), _listed(values))
        for operator, pairs in conditions.items()
        for key, values in pairs.items()
    )


def _true(operator: str, value: str | None, wanted: list[Any]) -> bool:
    """Whether one condition holds; `value` is its key's in the request, None where the request has no such key."""
    if operator == "Null":
        return wanted == ["true" if value is None else "false"]
    operators = {"StringEquals": lambda value, one: value == one, "StringLike": fnmatchcase}
    return operator in operators and value is not None and any(operators[operator](value, one) for one in wanted)


def _matches(patterns: Any, value: str, fold: bool = False) -> bool:
    if fold:
        return any(fnmatchcase(value.lower(), pattern.lower()) for pattern in _listed(patterns))
    return any(fnmatchcase(value, pattern) for pattern in _listed(patterns))


def _principal(statement: Document) -> dict[str, Any]:
    principal = statement.get("Principal")
    return principal if isinstance(principal, dict) else {}


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]

"""AWS's wire protocols as far as this cloud needs them: who is asked for what, and how a refusal looks."""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, unquote_plus
from xml.sax.saxutils import escape

READ_VERBS = ("Describe", "Get", "List", "Lookup", "Search", "Assume", "BatchGet", "Select", "Simulate", "Decode")
_SECRET = re.compile(r"user_?data|material|password|secret|signature|credential|sessiontoken", re.IGNORECASE)
_LONGEST = 200
"""Characters of a parameter that are worth keeping in a log."""
# Signing names that differ from the prefix of the service's IAM actions.
_IAM_PREFIX = {"monitoring": "cloudwatch", "email": "ses", "tagging": "tag"}
# Signing names that differ from the folder of the service's model in botocore.
_MODEL = {"monitoring": "cloudwatch", "servicequotas": "service-quotas"}


@dataclass(frozen=True)
class Call:
    """One request to AWS, decoded. `text` is what fault rules match: method-less path and the unquoted body."""

    service: str
    action: str
    region: str
    protocol: str  # ec2 | query | json | rest-json | cbor
    params: dict[str, Any] = field(default_factory=dict)
    text: str = ""

    @property
    def write(self) -> bool:
        """Whether the call would change something: judged by its verb, and by DryRun."""
        dry = str(self.params.get("DryRun", "")).lower() == "true"
        return not dry and not self.action.startswith(READ_VERBS)

    @property
    def iam(self) -> str:
        """The IAM action that allows it, such as ec2:RunInstances."""
        return f"{_IAM_PREFIX.get(self.service, self.service)}:{self.action}"


def credential_scope(authorization: str) -> tuple[str, str] | None:
    """(region, service) out of a Signature Version 4 header, or None where there is none."""
    found = re.search(r"Credential=[^/,]+/\d{8}/([^/]+)/([^/]+)/aws4_request", authorization)
    return (found[1], found[2]) if found else None


def decode(method: str, path: str, headers: dict[str, str], body: bytes) -> Call | None:
    """Read one HTTP request; headers have lower-case names. None when it is not signed, so not AWS's business.

    path: unquoted, with the query behind a question mark if there is one.
    """
    scope = credential_scope(headers.get("authorization", ""))
    if scope is None:
        return None
    region, service = scope
    target = headers.get("x-amz-target", "")
    raw = body.decode("utf-8", "replace")
    text = f"{unquote(path)}\n{unquote_plus(raw) if _is_form(headers) else raw}"
    if operation := re.search(r"/service/[^/]+/operation/(\w+)", path):
        return Call(service, operation[1], region, "cbor", _cbor_map(body), text)
    if target:
        return Call(service, target.rpartition(".")[2], region, "json", _json_object(raw), text)
    if _is_form(headers):
        pairs = dict(parse_qsl(raw, keep_blank_values=True))
        return Call(service, pairs.pop("Action", ""), region, "ec2" if service == "ec2" else "query", pairs, text)
    action, named = _rest_action(service, method, path)
    asked = dict(parse_qsl(path.partition("?")[2]))
    return Call(service, action, region, "rest-json", {**_json_object(raw), **asked, **named}, text)


def abridge(params: dict[str, Any]) -> dict[str, Any]:
    """The parameters for a log: nothing secret (keys, user data, passwords), nothing long, no protocol ballast."""
    kept: dict[str, Any] = {}
    for name, value in params.items():
        if name == "Version":
            continue
        if _SECRET.search(name):
            kept[name] = "(hidden)"
        elif isinstance(value, dict):
            kept[name] = abridge(value)
        elif isinstance(value, list):
            kept[name] = [abridge(one) if isinstance(one, dict) else _short(one) for one in value]
        else:
            kept[name] = _short(value)
    if kept.get("Type") == "SecureString" and "Value" in kept:
        kept["Value"] = "(hidden)"
    return kept


def error(protocol: str, status: int, code: str, message: str) -> tuple[int, list[tuple[str, str]], bytes]:
    """An error answer (status, headers, body) in the words of the protocol, as botocore parses it."""
    if protocol == "ec2":
        body = (
            '<?xml version="1.0" encoding="UTF-8"?>\n<Response><Errors><Error>'
            f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
            "</Error></Errors><RequestID>00000000-0000-4000-8000-000000000000</RequestID></Response>"
        ).encode()
        return status, [("Content-Type", "text/xml;charset=UTF-8")], body
    if protocol == "query":
        sort = "Sender" if status < 500 else "Receiver"
        body = (
            f"<ErrorResponse><Error><Type>{sort}</Type><Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
            "</Error><RequestId>00000000-0000-4000-8000-000000000000</RequestId></ErrorResponse>"
        ).encode()
        return status, [("Content-Type", "text/xml")], body
    if protocol == "cbor":
        headers = [("Content-Type", "application/cbor"), ("smithy-protocol", "rpc-v2-cbor")]
        return status, headers, _cbor({"__type": code, "message": message})
    kind = "application/x-amz-json-1.1" if protocol == "json" else "application/json"
    body = json.dumps({"__type": code, "message": message, "Message": message}).encode()
    return status, [("Content-Type", kind), ("x-amzn-ErrorType", code)], body


def error_code(headers: dict[str, str], body: bytes) -> str | None:
    """The error code of an answer in any of the protocols; None where none can be read. Lower-case header names."""
    if kind := headers.get("x-amzn-errortype"):
        return kind.partition(":")[0]
    text = body.decode("utf-8", "replace")
    for pattern in (r"<Code>([^<]+)</Code>", r'"__type"\s*:\s*"(?:[^"#]*#)?([^"]+)"'):
        if found := re.search(pattern, text):
            return found[1]
    return _cbor_kind(body)


def _is_form(headers: dict[str, str]) -> bool:
    return headers.get("content-type", "").startswith("application/x-www-form-urlencoded")


def _json_object(raw: str) -> dict[str, Any]:
    try:
        value = json.loads(raw) if raw else {}
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _short(value: Any) -> Any:
    return value[:_LONGEST] + "..." if isinstance(value, str) and len(value) > _LONGEST else value


def _rest_action(service: str, method: str, path: str) -> tuple[str, dict[str, str]]:
    """The operation that a REST service's model has for this method and path, and the parameters in the path.

    What no model knows is called by the two themselves.
    """
    plain = path.partition("?")[0]
    for verb, pattern, name in _rest_operations(service):
        if verb == method and (found := re.fullmatch(pattern, plain)):
            return name, found.groupdict()
    return f"{method} {plain}", {}


@functools.cache
def _rest_operations(service: str) -> tuple[tuple[str, str, str], ...]:
    """(method, path as a regular expression, operation) of a service, longest path first; () if unknown.

    A path's parameters are groups with their names.
    """
    from botocore.exceptions import UnknownServiceError
    from botocore.session import get_session

    try:
        model = get_session().get_service_model(_MODEL.get(service, service))
    except UnknownServiceError:
        return ()
    rows = []
    for name in model.operation_names:
        http = model.operation_model(name).http
        template = re.escape(http.get("requestUri", "/").partition("?")[0])
        # An ARN may have slashes in it, and the server has decoded them already.
        named = re.sub(r"\\\{(\w+Arn)\\\}", r"(?P<\1>.+)", template)
        named = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", named)
        rows.append((http.get("method", "POST"), re.sub(r"\\\{[^}]*\\\}", "[^/]+", named), name))
    return tuple(sorted(rows, key=lambda row: -len(re.sub(r"\?P<\w+>", "", row[1]))))


def _cbor_map(body: bytes) -> dict[str, Any]:
    """A request's parameters, read as botocore reads answers, as plain JSON; {} where there are none."""
    from botocore.parsers import BaseCBORParser, ResponseParserError

    parser = BaseCBORParser()
    try:
        value = parser.parse_data_item(parser.get_peekable_stream_from_bytes(body))
    except (ResponseParserError, IndexError, ValueError):
        return {}
    return json.loads(json.dumps(value, default=str)) if isinstance(value, dict) else {}


def _cbor(pairs: dict[str, str]) -> bytes:
    """A CBOR map of text strings (RFC 8949 §3.1), which is all an error needs. Fewer than 24 pairs."""
    return bytes([0xA0 | len(pairs)]) + b"".join(_cbor_text(one) for pair in pairs.items() for one in pair)


def _cbor_text(text: str) -> bytes:
    raw = text.encode()
    if len(raw) < 24:
        return bytes([0x60 | len(raw)]) + raw
    return b"\x79" + len(raw).to_bytes(2, "big") + raw


def _cbor_kind(body: bytes) -> str | None:
    """The text behind the key __type of a CBOR map, without its namespace; None where there is no such key."""
    start = body.find(b"f__type") + len(b"f__type")
    if start < len(b"f__type") or start + 3 > len(body):
        return None
    head = body[start]
    if head == 0x79:
        first, length = start + 3, int.from_bytes(body[start + 1 : start + 3], "big")
    elif head == 0x78:
        first, length = start + 2, body[start + 1]
    else:
        first, length = start + 1, head & 0x1F
    return body[first : first + length].decode("utf-8", "replace").rpartition("#")[2] or None

"""Decoding requests, hiding secrets, and errors that survive the way through botocore's parsers."""

from __future__ import annotations

from typing import Any

import botocore.parsers
import pytest
from botocore.session import get_session
from hypothesis import given
from hypothesis import strategies as st

from rehearsal import wire

SIGNED = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261122/{}/{}/aws4_request, SignedHeaders=host, Signature=00"
FORM = "application/x-www-form-urlencoded; charset=utf-8"


def headers(service: str, region: str = "us-east-1", **more: str) -> dict[str, str]:
    return {"authorization": SIGNED.format(region, service), **{k.replace("_", "-"): v for k, v in more.items()}}


def decoded(*args: Any) -> wire.Call:
    call = wire.decode(*args)
    assert call is not None
    return call


def test_an_ec2_form_is_read() -> None:
    body = b"Action=RunInstances&Version=2016-11-15&InstanceType=g4dn.xlarge&UserData=YQ%3D%3D"
    call = decoded("POST", "/", headers("ec2", "eu-west-1", content_type=FORM), body)
    assert (call.service, call.action, call.region, call.protocol) == ("ec2", "RunInstances", "eu-west-1", "ec2")
    assert call.params["UserData"] == "YQ=="
    assert "UserData=YQ==" in call.text
    assert (call.iam, call.write) == ("ec2:RunInstances", True)


@pytest.mark.parametrize(
    ("service", "method", "path", "target", "action", "protocol"),
    [
        ("ssm", "POST", "/", "AmazonSSM.GetParameter", "GetParameter", "json"),
        ("scheduler", "POST", "/schedules/stop-lab", "", "CreateSchedule", "rest-json"),
        ("scheduler", "GET", "/schedules/stop-lab", "", "GetSchedule", "rest-json"),
        ("scheduler", "DELETE", "/schedules/stop-lab?groupName=x", "", "DeleteSchedule", "rest-json"),
        ("scheduler", "GET", "/nonsense/at/all", "", "GET /nonsense/at/all", "rest-json"),
        ("no-such-service", "GET", "/x", "", "GET /x", "rest-json"),
        ("monitoring", "POST", "/service/G/operation/PutMetricAlarm", "", "PutMetricAlarm", "cbor"),
    ],
)
def test_the_action_is_found_in_every_protocol(
    service: str, method: str, path: str, target: str, action: str, protocol: str
) -> None:
    call = decoded(method, path, headers(service, x_amz_target=target), b"{}")
    assert (call.action, call.protocol) == (action, protocol)


@pytest.mark.parametrize(
    ("method", "path", "action", "params"),
    [
        ("POST", "/schedules/stop", "CreateSchedule", {"Name": "stop"}),
        ("DELETE", "/schedules/stop?groupName=lab", "DeleteSchedule", {"Name": "stop", "groupName": "lab"}),
        ("GET", "/tags/arn:aws:scheduler:r:1:schedule-group/lab", "ListTagsForResource", {"ResourceArn": "arn:"}),
    ],
)
def test_a_rest_call_has_what_its_path_names(method: str, path: str, action: str, params: dict[str, str]) -> None:
    call = decoded(method, path, headers("scheduler"), b"")
    assert call.action == action
    assert call.params.keys() == params.keys()
    assert all(call.params[name].startswith(value) for name, value in params.items())


def test_a_cbor_call_has_its_parameters() -> None:
    from botocore.serialize import RpcV2CBORSerializer

    model = get_session().get_service_model("cloudwatch").operation_model("DeleteAlarms")
    body = RpcV2CBORSerializer().serialize_to_request({"AlarmNames": ["a", "b"]}, model)["body"]
    call = decoded("POST", "/service/G/operation/DeleteAlarms", headers("monitoring"), body)
    assert call.params == {"AlarmNames": ["a", "b"]}
    assert decoded("POST", "/service/G/operation/DeleteAlarms", headers("monitoring"), b"").params == {}


@pytest.mark.parametrize("authorization", ["", "Bearer abc", "AWS4-HMAC-SHA256 Credential=only/three/parts"])
def test_an_unsigned_request_is_nobody_s(authorization: str) -> None:
    assert wire.decode("POST", "/", {"authorization": authorization}, b"Action=RunInstances") is None


@pytest.mark.parametrize(
    ("action", "params", "write"),
    [
        ("DescribeInstances", {}, False),
        ("GetParameter", {}, False),
        ("AssumeRole", {}, False),
        ("LookupEvents", {}, False),
        ("RunInstances", {}, True),
        ("RunInstances", {"DryRun": "true"}, False),
        ("RunInstances", {"DryRun": "false"}, True),
        ("ImportKeyPair", {}, True),
        ("", {}, True),
    ],
)
def test_reads_and_writes_are_told_apart(action: str, params: dict[str, str], write: bool) -> None:
    assert wire.Call("ec2", action, "us-east-1", "ec2", params).write is write


def test_secrets_and_long_values_stay_out_of_the_log() -> None:
    kept = wire.abridge(
        {
            "UserData": "x",
            "PublicKeyMaterial": "x",
            "LaunchTemplateData.UserData": "x",
            "Nested": [{"Password": "x", "Name": "n"}, "plain"],
            "ClientToken": "token",
            "Tag": "t" * 1000,
        }
    )
    assert kept["UserData"] == kept["PublicKeyMaterial"] == kept["LaunchTemplateData.UserData"] == "(hidden)"
    assert kept["Nested"] == [{"Password": "(hidden)", "Name": "n"}, "plain"]
    assert kept["ClientToken"] == "token"
    assert len(kept["Tag"]) < 250
    secure = wire.abridge({"Name": "n", "Type": "SecureString", "Value": "x"})
    assert secure == {"Name": "n", "Type": "SecureString", "Value": "(hidden)"}
    assert wire.abridge({"Type": "String", "Value": "v"})["Value"] == "v"


@pytest.mark.parametrize("message", ["plain", "<angle> & \"quotes\" and 'é'", "long " * 100])
@pytest.mark.parametrize(
    ("protocol", "parser", "service", "operation"),
    [
        ("ec2", "ec2", "ec2", "RunInstances"),
        ("query", "query", "sts", "GetCallerIdentity"),
        ("json", "json", "ssm", "GetParameter"),
        ("rest-json", "rest-json", "scheduler", "GetSchedule"),
        ("cbor", "smithy-rpc-v2-cbor", "cloudwatch", "DescribeAlarms"),
    ],
)
def test_botocore_reads_an_error_back(protocol: str, parser: str, service: str, operation: str, message: str) -> None:
    status, pairs, body = wire.error(protocol, 418, "InsufficientInstanceCapacity", message)
    shape = get_session().get_service_model(service).operation_model(operation).output_shape
    answer = {"status_code": status, "headers": dict(pairs), "body": body}
    error = botocore.parsers.create_parser(parser).parse(answer, shape)["Error"]
    assert (error["Code"], error["Message"]) == ("InsufficientInstanceCapacity", message)
    assert wire.error_code({name.lower(): value for name, value in pairs}, body) == "InsufficientInstanceCapacity"


# The first example pays for imports, so no time limit per example.
@given(st.binary(max_size=200))
def test_no_body_breaks_the_search_for_an_error_code(body: bytes) -> None:
    assert isinstance(wire.error_code({}, body), str | None)
    assert isinstance(wire.error_code({}, b"f__type" + body), str | None)


# The first example pays for imports, so no time limit per example.
@given(st.binary(max_size=200), st.text(max_size=30))
def test_no_request_breaks_the_decoder(body: bytes, path: str) -> None:
    for kind in (FORM, "application/json"):
        call = wire.decode("POST", f"/{path}", headers("ec2", content_type=kind), body)
        assert call is not None
        assert isinstance(wire.abridge(call.params), dict)

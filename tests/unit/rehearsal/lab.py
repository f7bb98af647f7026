"""What the tests of the embedded AWS share: a cloud in this process, clients for it, and a usual launch."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rehearsal import catalogue
from rehearsal.cloud import Cloud, listen

SESSION = boto3.Session()
"""One for all clients: it keeps the service models, which take most of a client's start."""


class Lab:
    """A running cloud: clients for it, and its control paths."""

    def __init__(self, url: str) -> None:
        self.url = url

    def client(self, service: str, region: str = "us-east-1", retries: int = 1) -> Any:
        config = Config(retries={"total_max_attempts": retries, "mode": "standard"}, parameter_validation=False)
        return SESSION.client(
            service,
            region_name=region,
            endpoint_url=self.url,
            aws_access_key_id="testing-key-id",
            aws_secret_access_key="testing-secret-that-is-long-enough",
            config=config,
        )

    def control(self, path: str, method: str = "GET", value: Any = None) -> Any:
        body = None if value is None else json.dumps(value).encode()
        request = urllib.request.Request(f"{self.url}{path}", data=body, method=method)
        with urllib.request.urlopen(request, timeout=20) as answer:
            text = answer.read().decode()
            return json.loads(text) if answer.headers["Content-Type"] == "application/json" else text

    def actions(self, write: bool | None = None) -> list[str]:
        calls = self.control("/_rehearsal/calls")
        return [call["action"] for call in calls if write is None or call["write"] == write]


def serve(with_hosts: bool, real_hosts: int | None = None) -> Iterator[Lab]:
    """A new cloud in this process, empty; ended when the caller is done with it."""
    cloud = Cloud(with_hosts=with_hosts, real_hosts=real_hosts)
    cloud.load()
    server = listen(cloud)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    lab = Lab(f"http://127.0.0.1:{server.port}")
    lab.control("/moto-api/reset", "POST", {})
    yield lab
    server.shutdown()
    thread.join()


def public_key() -> str:
    key = Ed25519PrivateKey.generate().public_key()
    return key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode() + " me"


def noble(region: str = "us-east-1") -> str:
    return next(one.id for one in catalogue.images(region) if "noble" in one.name)


def launch(ec2: Any, **more: Any) -> dict[str, Any]:
    """RunInstances of one g4dn.xlarge; returns the instance of the answer."""
    request = {"ImageId": noble(), "InstanceType": "g4dn.xlarge", "MinCount": 1, "MaxCount": 1, **more}
    instance: dict[str, Any] = ec2.run_instances(**request)["Instances"][0]
    return instance


def described(ec2: Any, instance_id: str) -> dict[str, Any]:
    instance: dict[str, Any] = ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]
    return instance


def refusal(act: Callable[[], Any]) -> tuple[str, str]:
    """(code, message) of the AWS error that the call must end in."""
    with pytest.raises(ClientError) as caught:
        act()
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]

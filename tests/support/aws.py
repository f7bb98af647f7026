"""What tests do with the embedded AWS behind the playbooks' back: control calls, clients, launches of their own."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

import boto3
from botocore.config import Config

from rehearsal import catalogue, session, settings

LIVE = ("pending", "running", "stopping", "stopped")


class Cloud:
    """A running embedded AWS at `url`."""

    def __init__(self, url: str) -> None:
        self.url = url

    @functools.cached_property
    def ec2(self) -> Any:
        """An EC2 client in the rehearsals' region; `calls` has what it asks for too."""
        return self.client("ec2")

    def client(self, service: str, region: str = settings.REGION) -> Any:
        """A client of any service."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=region,
            aws_access_key_id="test-access-key-id",
            aws_secret_access_key="test-secret-access-key-of-nobody",
            config=Config(retries={"total_max_attempts": 1}),
        )

    def calls(self, action: str = "") -> list[dict[str, Any]]:
        """The calls so far, oldest first; only those of one action if named."""
        return [c for c in session.request(self.url, "calls") if action in ("", c["action"])]

    def writes(self) -> list[str]:
        """The actions that would have changed something, refused ones included."""
        return [c["action"] for c in self.calls() if c["write"]]

    def fault(self, action: str, **rule: Any) -> None:
        """Add a fault rule (rehearsal.faults.Rule has the fields)."""
        session.request(self.url, "faults", "POST", {"action": action, **rule})

    def refuse(self, action: str, code: str, times: int = 100, **rule: Any) -> None:
        """Let calls of `action` end in AWS's error `code`."""
        self.fault(action, code=code, message=f"(AWS's own words about {code})", times=times, **rule)

    def heal(self) -> None:
        """Drop every fault rule."""
        session.request(self.url, "faults", "DELETE")

    def forget(self) -> None:
        """Empty the log of calls and drop every fault rule; what exists in EC2 stays."""
        session.request(self.url, "calls", "DELETE")
        self.heal()

    def launch(self, tags: dict[str, str], **more: Any) -> str:
        """Launch a g4dn.xlarge with these tags on it and on its volume; return its id."""
        image = next(one.id for one in catalogue.images(settings.REGION) if "noble" in one.name)
        kinds = ["instance", "volume"] if tags else []
        answer = self.ec2.run_instances(
            ImageId=image,
            InstanceType="g4dn.xlarge",
            MinCount=1,
            MaxCount=1,
            TagSpecifications=[specification(kind, tags) for kind in kinds],
            **more,
        )
        return str(answer["Instances"][0]["InstanceId"])

    def instances(self, deployment: str, states: Iterable[str] = LIVE) -> list[dict[str, Any]]:
        """The deployment's instances in these states."""
        wanted = [
            {"Name": "tag:gpulab:deployment", "Values": [deployment]},
            {"Name": "instance-state-name", "Values": list(states)},
        ]
        return [i for r in self.ec2.describe_instances(Filters=wanted)["Reservations"] for i in r["Instances"]]

    def groups(self) -> set[str]:
        """The ids of all security groups of the account."""
        return {group["GroupId"] for group in self.ec2.describe_security_groups()["SecurityGroups"]}

    def key_pairs(self) -> set[str]:
        """The names of all key pairs of the account."""
        return {pair["KeyName"] for pair in self.ec2.describe_key_pairs()["KeyPairs"]}

    def state(self, instance_id: str) -> str:
        """The state of one instance, terminated ones included."""
        found = self.ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]
        return str(found["State"]["Name"])


def tags_of(resource: dict[str, Any]) -> dict[str, str]:
    """A resource's tags as a dict."""
    return {tag["Key"]: tag["Value"] for tag in resource.get("Tags", [])}


def specification(kind: str, tags: dict[str, str]) -> dict[str, Any]:
    """These tags as an item of TagSpecifications for one kind of resource."""
    return {"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}

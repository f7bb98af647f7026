"""The fixture of the tests that look at every playbook that talks to AWS."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from rehearsal import canary
from rehearsal import everyday as journey
from tests.support.aws import Cloud, tags_of
from tests.support.clouds import deployed
from tests.support.playbook import Deployment

# Nobody checks them; they are looked for in what the playbooks say. A session token makes one more secret.
CANARIES = {
    "AWS_SECRET_ACCESS_KEY": "canary-of-the-secret-access-key-0123456789",
    "AWS_SESSION_TOKEN": "canary-of-the-session-token-0123456789",
}


@dataclass
class Everyday:
    """What was said, called and kept secret while all of them were played. tags: of what existed, by id and by name."""

    said: list[tuple[str, str]] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    secrets: set[str] = field(default_factory=set)


@pytest.fixture(scope="session")
def everyday(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Everyday]:
    """Every playbook once, as talkative as can be."""
    for deployment in deployed(cloud, tmp_path_factory.mktemp("everyday")):
        seen = Everyday(secrets=set(CANARIES.values()))
        for number, (book, arguments) in enumerate(journey.STEPS):
            journey.meanwhile(cloud.url, deployment.name, number)
            if book == "teardown":
                seen.tags |= _tags(deployment)
                seen.secrets |= set(canary.secrets(CANARIES, deployment.local, "").values()) - {""}
            cloud.forget()
            run = deployment.play(book, "-vvv", *arguments, **CANARIES)
            assert run.code == 0, "\n".join(run.output.splitlines()[-60:])
            seen.said.append((book, run.output))
            seen.calls += cloud.calls()
        cloud.forget()
        yield seen


def _tags(deployment: Deployment) -> dict[str, dict[str, str]]:
    """The tags of what the deployment has in EC2, by id, and of its key pair by its name."""
    mine = [{"Name": "key", "Values": ["gpulab:deployment"]}, {"Name": "value", "Values": [deployment.name]}]
    ec2 = deployment.cloud.ec2
    found = {one["ResourceId"]: {one["Key"]: one["Value"]} for one in ec2.describe_tags(Filters=mine)["Tags"]}
    return found | {pair["KeyName"]: tags_of(pair) for pair in ec2.describe_key_pairs()["KeyPairs"]}

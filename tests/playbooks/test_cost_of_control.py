"""The bench of bench/cost_of_control, for what does not depend on this machine: how often AWS is called."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bench.cost_of_control import measure
from rehearsal import session
from tests.support.aws import Cloud


@pytest.fixture
def room(cloud: Cloud):
    def live() -> set[str]:
        found = cloud.ec2.describe_instances()["Reservations"]
        return {i["InstanceId"] for r in found for i in r["Instances"] if i["State"]["Name"] != "terminated"}

    session.request(cloud.url, "quotas", "POST", {"code": measure.G_QUOTA, "value": measure.ENOUGH_VCPUS})
    cloud.forget()
    before = live()
    yield cloud.url
    # A hundred hosts would use up the quota that other tests launch within.
    cloud.ec2.terminate_instances(InstanceIds=sorted(live() - before))
    session.request(cloud.url, "quotas", "DELETE")


def test_fifty_hosts_cost_twice_the_calls_of_one_at_most(room: str):
    runs: dict[int, list[measure.Run]] = {}
    for count in (1, 50):
        with measure.names() as name:
            runs[count] = [measure.play(room, measure.ours(name, count)) for _ in ("first", "unchanged")]
    for one, fifty in zip(runs[1], runs[50], strict=True):
        assert sum(fifty.calls.values()) <= 2 * sum(one.calls.values()), (one.calls, fifty.calls)
    first, unchanged = runs[50]
    assert first.calls["RunInstances"] == 1
    assert unchanged.changed == 0


def test_the_plain_playbook_does_what_it_is_measured_for(room: str, tmp_path: Path, cloud: Cloud):
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    run = measure.play(room, measure.plain("plain-yardstick", 2, key.with_suffix(".pub")))
    wanted = [{"Name": "tag:project", "Values": ["plain-yardstick"]}]
    (made,) = cloud.ec2.describe_instances(Filters=wanted)["Reservations"]
    assert [one["State"]["Name"] for one in made["Instances"]] == ["running", "running"]
    assert run.changed == 3

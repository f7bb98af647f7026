"""Of many instances only the first few are hosts: the reconciler hears of those, the others count as up."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.rehearsal.lab import Lab, launch, noble, serve


@pytest.fixture
def two_real() -> Iterator[Lab]:
    """A cloud that starts two hosts at most."""
    yield from serve(with_hosts=True, real_hosts=2)


def checks(lab: Lab) -> dict[str, str]:
    found = lab.client("ec2").describe_instance_status()["InstanceStatuses"]
    return {one["InstanceId"]: one["InstanceStatus"]["Status"] for one in found}


def test_the_first_launched_are_real_and_stay_so(two_real: Lab) -> None:
    ec2 = two_real.client("ec2")
    first = launch(ec2)["InstanceId"]
    made = ec2.run_instances(
        ImageId=noble(),
        InstanceType="g4dn.xlarge",
        MinCount=3,
        MaxCount=3,
    )["Instances"]
    second, *others = (one["InstanceId"] for one in sorted(made, key=lambda one: one["AmiLaunchIndex"]))
    assert {one["id"] for one in two_real.control("/_rehearsal/hosts")} == {first, second}
    assert checks(two_real) == {first: "initializing", second: "initializing"} | dict.fromkeys(others, "ok")
    assert ec2.get_console_output(InstanceId=first).get("Output", "") == ""
    assert "BEGIN SSH HOST KEY KEYS" in ec2.get_console_output(InstanceId=others[0])["Output"]
    ec2.stop_instances(InstanceIds=[second, others[0]])
    ec2.start_instances(InstanceIds=[second, others[0]])
    ec2.terminate_instances(InstanceIds=[first])
    launch(ec2)
    assert {one["id"] for one in two_real.control("/_rehearsal/hosts")} == {first, second}
    assert (checks(two_real)[second], checks(two_real)[others[0]]) == ("initializing", "ok")

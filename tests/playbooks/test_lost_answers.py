"""Killed runs, lost answers and AWS's refusals: never a second host, never a riddle."""

from __future__ import annotations

import pytest

from tests.support.playbook import Deployment


def test_a_run_killed_after_the_launch_is_taken_up_by_the_next(deployment: Deployment):
    cloud = deployment.cloud
    # Of the calls that follow the launch the first one that lists shutting-down instances too is held up.
    cloud.fault("DescribeInstances", match="shutting-down", mode="delay", seconds=60)
    deployment.play_until(lambda: cloud.calls("RunInstances"), "provision", "--limit", "localhost")
    (launched,) = cloud.instances(deployment.name)
    assert not (deployment.local / "ssh_config").exists(), "it was killed too late to show anything"
    cloud.heal()
    deployment.provision().ok()
    assert [i["InstanceId"] for i in cloud.instances(deployment.name)] == [launched["InstanceId"]]
    assert len(cloud.calls("RunInstances")) == 1
    assert (deployment.local / "ssh_config").exists()


def test_throttling_and_a_lost_answer_make_one_host(deployment: Deployment):
    cloud = deployment.cloud
    # Only what provision.yml itself asks names pending first: the inventory must not use these up.
    cloud.refuse("DescribeInstances", "RequestLimitExceeded", times=3, status=503, match=r"Value\.1=pending")
    cloud.fault("RunInstances", mode="drop")
    deployment.provision().ok()
    assert [c["error"] for c in cloud.calls("DescribeInstances")].count("RequestLimitExceeded") == 3
    assert [c["fault"] for c in cloud.calls("RunInstances")] == ["drop", None]
    assert len(cloud.instances(deployment.name)) == 1


def test_answers_that_are_all_lost_make_one_host_in_the_end(deployment: Deployment):
    deployment.cloud.fault("RunInstances", mode="drop", times=100)
    deployment.provision().refused("While launching the host, AWS could not be reached", "run the same command again")
    (launched,) = deployment.cloud.instances(deployment.name)
    deployment.cloud.forget()
    deployment.provision().ok()
    assert [i["InstanceId"] for i in deployment.cloud.instances(deployment.name)] == [launched["InstanceId"]]
    assert deployment.cloud.calls("RunInstances") == []


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("UnauthorizedOperation", "these credentials may not do that: ask the account's administrator"),
        ("ExpiredToken", "the credentials have expired: renew them and run the same command again"),
        ("VcpuLimitExceeded", "the account's vCPU quota for this family is used up: request more"),
    ],
)
def test_a_refused_launch_is_told_at_once(shared: Deployment, code: str, words: str):
    shared.cloud.forget()
    shared.cloud.refuse("RunInstances", code)
    shared.provision().refused(f"While launching the host, AWS answered {code}: {words}")
    assert [c["error"] for c in shared.cloud.calls("RunInstances")] == [code]
    assert shared.cloud.instances(shared.name) == []

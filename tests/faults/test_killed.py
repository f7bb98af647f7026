"""Fault 22: the machine that provisions dies; tests/crash has every other moment at which it may."""

from __future__ import annotations

from tests.support.playbook import Deployment


def test_fault_22_a_run_killed_after_the_launch_is_taken_up_by_the_next(deployment: Deployment) -> None:
    cloud = deployment.cloud
    cloud.fault("RunInstances", mode="hold", seconds=600)
    deployment.play_until(lambda: cloud.calls("RunInstances"), "provision", "--limit", "localhost")
    (launched,) = cloud.instances(deployment.name)
    assert not (deployment.local / "ssh_config").exists(), "it was killed too late to show anything"
    cloud.heal()
    deployment.provision().ok()
    assert [i["InstanceId"] for i in cloud.instances(deployment.name)] == [launched["InstanceId"]]
    assert len(cloud.calls("RunInstances")) == 1
    assert (deployment.local / "ssh_config").exists()

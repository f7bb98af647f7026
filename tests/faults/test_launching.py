"""Lost answers, hosts that AWS does not show yet, hosts that die at once or were terminated: never a second host."""

from __future__ import annotations

import threading
import time

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import ec2_launch
from ansible_collections.gpulab.core.plugins.module_utils.ec2_calls import Stop

from tests.support.launching import launch, names
from tests.support.playbook import Deployment, wait_until


def test_fault_09_a_lost_answer_makes_one_of_each_host(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    deployment.cloud.fault("RunInstances", mode="drop")
    launched, attempts, _ = launch(deployment, "anna", "ben")
    assert [c["fault"] for c in deployment.cloud.calls("RunInstances")] == ["drop", None]
    assert {n: i["InstanceId"] for n, i in names(deployment.cloud, deployment).items()} == {
        n: i["InstanceId"] for n, i in launched.items()
    }
    assert attempts == []


def test_fault_09_answers_that_are_all_lost_make_one_of_each_host_in_the_end(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    deployment.cloud.fault("RunInstances", mode="drop", times=100)
    with pytest.raises(Stop, match=r"While launching the host, AWS could not be reached.*run the same command again"):
        launch(deployment, "anna", "ben")
    assert len(deployment.cloud.calls("RunInstances")) == ec2_launch.ASK
    first = names(deployment.cloud, deployment)
    assert list(first) == ["anna", "ben"]
    deployment.cloud.forget()
    launched, _, _ = launch(deployment, "anna", "ben")
    assert {name: host["InstanceId"] for name, host in launched.items()} == {
        name: host["InstanceId"] for name, host in first.items()
    }
    assert list(names(deployment.cloud, deployment)) == ["anna", "ben"]


def test_fault_10_a_host_that_is_not_known_everywhere_yet_is_waited_for(deployment: Deployment) -> None:
    cloud = deployment.cloud
    deployment.make()
    cloud.refuse("DescribeInstanceStatus", "InvalidInstanceID.NotFound", times=2)
    deployment.play("start").ok()
    assert [c["error"] for c in cloud.calls("DescribeInstanceStatus")][:3] == ["InvalidInstanceID.NotFound"] * 2 + [
        None
    ]


def test_fault_11_a_host_that_dies_at_once_is_told_with_aws_reason_and_keeps_no_other_waiting(
    deployment: Deployment,
) -> None:
    cloud = deployment.cloud
    dead, alive = deployment.name, f"{deployment.name}-2"
    cloud.fault("RunInstances", mode="hold", seconds=2.0)

    def terminate() -> None:
        wait_until(lambda: cloud.instances(deployment.name))
        cloud.ec2.terminate_instances(InstanceIds=[names(cloud, deployment)[dead]["InstanceId"]])

    behind = threading.Thread(target=terminate)
    behind.start()
    run = deployment.provision("-e", "gpu_host_count=2")
    behind.join()
    run.refused(f"Host {dead} (i-", "is terminated and should be running", "Client.UserInitiatedShutdown")
    assert f"Host {alive} (" not in run.flat
    # The other can be used; nobody waited for what never comes.
    assert f"Host {alive}\n" in (deployment.local / "ssh_config").read_text()
    assert f"Host {dead}\n" not in (deployment.local / "ssh_config").read_text()
    assert len(cloud.calls("DescribeInstanceStatus")) <= 2


def test_fault_20_two_live_hosts_of_one_name_are_listed_and_left_alone(deployment: Deployment) -> None:
    ids = sorted(deployment.cloud.launch(deployment.tags) for _ in range(2))
    deployment.cloud.forget()
    deployment.play("provision").refused("2 live instances are called", *ids, "there may be only one")
    assert deployment.cloud.writes() == []
    assert [deployment.cloud.state(one) for one in ids] == ["running", "running"]
    assert not deployment.local.exists()


def test_fault_27_a_terminated_host_is_replaced_and_that_is_said(deployment: Deployment) -> None:
    cloud = deployment.cloud
    first, _group = deployment.make()
    cloud.ec2.terminate_instances(InstanceIds=[first])
    run = deployment.provision().ok()
    (second,) = cloud.instances(deployment.name)
    assert second["InstanceId"] != first
    assert f"had been terminated ({first}); {second['InstanceId']} is a new one in its place" in run.flat


def test_fault_27_names_can_be_used_again_though_aws_knows_their_launch(deployment: Deployment) -> None:
    cloud = deployment.cloud
    for _time in range(3):
        launched, _, _ = launch(deployment, "anna", "ben")
        assert names(cloud, deployment).keys() == {"anna", "ben"}
        cloud.ec2.terminate_instances(InstanceIds=[host["InstanceId"] for host in launched.values()])
    told = [call["error"] for call in cloud.calls("RunInstances")]
    assert told == [None, "IdempotentInstanceTerminated", None, *["IdempotentInstanceTerminated"] * 2, None]

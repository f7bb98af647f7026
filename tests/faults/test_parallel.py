"""Two runs for one deployment at a time: the second is refused, and a killed one keeps nobody out."""

from __future__ import annotations

from tests.support.playbook import Deployment, Run


def test_fault_21_a_second_run_is_refused_and_a_killed_one_stops_nobody(deployment: Deployment):
    cloud = deployment.cloud
    cloud.fault("RunInstances", mode="hold", seconds=600)
    second: list[Run] = []

    def the_second_has_ended() -> bool:
        # The first holds the lock by now, and waits for the answer to its launch.
        if (deployment.local / "lock").exists():
            second.append(deployment.provision())
        return bool(second)

    deployment.play_until(the_second_has_ended, "provision", "--limit", "localhost")
    (refused,) = second
    refused.refused("is in progress (ansible-playbook provision.yml, pid", "wait until it has ended", "run this again")
    cloud.heal()
    deployment.provision().ok()
    assert len(cloud.instances(deployment.name)) == 1

"""A host stops when its budget is spent, and gets only what is left: the whole of it, as a user types it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from rehearsal import session
from tests.support.aws import Cloud, tags_of
from tests.support.playbook import Deployment

RATE = 0.526
QUICK = ("-e", "ec2_gpu_host_poll_seconds=0", "-e", "budget_usd=1", "-e", f"gpu_usd_per_hour={RATE}")


@pytest.fixture(scope="module", autouse=True)
def _time(cloud: Cloud) -> Iterator[None]:
    """The cloud is everybody's: its clock is put back."""
    yield
    move(cloud, -sum(_moved))


_moved: list[float] = []


def move(cloud: Cloud, hours: float) -> None:
    """Move the cloud's clock; what is due there happens at once."""
    _moved.append(hours)
    session.request(cloud.url, "clock", "POST", {"advance_seconds": hours * 3600})


def now(cloud: Cloud) -> datetime:
    return datetime.fromisoformat(session.request(cloud.url, "clock")["now"])


@pytest.fixture(scope="module")
def made(shared: Deployment) -> Deployment:
    """A deployment with a guarded host."""
    shared.cloud.forget()
    shared.provision(*QUICK).ok()
    return shared


def schedules(deployment: Deployment) -> list[dict[str, Any]]:
    """The deployment's schedules, whole."""
    client, group = deployment.cloud.client("scheduler"), f"gpulab-{deployment.name}"
    listed = client.list_schedules(GroupName=group)["Schedules"]
    return [client.get_schedule(GroupName=group, Name=one["Name"]) for one in listed]


def test_a_host_is_guarded_before_anything_else_is_done_with_it(made: Deployment) -> None:
    order = [call["action"] for call in made.cloud.calls() if call["write"] or call["action"] == "GetConsoleOutput"]
    assert order.index("RunInstances") < order.index("CreateSchedule") < order.index("GetConsoleOutput")
    (instance,) = made.cloud.instances(made.name)
    (one,) = schedules(made)
    assert instance["InstanceId"] in one["Target"]["Input"]
    assert tags_of(instance)["gpulab:budget-usd"] == "1"
    made.cloud.forget()
    assert made.provision(*QUICK).ok().changed == {"localhost": 0}
    assert made.cloud.writes() == []


def test_the_budget_ends_the_host_and_a_start_gives_what_is_left(made: Deployment) -> None:
    cloud = made.cloud
    (instance,) = made.cloud.instances(made.name)
    move(cloud, 1)
    assert cloud.state(instance["InstanceId"]) == "running"
    board = made.play("status", *QUICK).ok().flat
    # An hour and the seconds that the test took.
    assert re.search(r" \$0\.5[3-9] +\$0\.4[1-7] +0\.[89] ", board), board
    assert "Prices by the" in board
    made.play("stop", *QUICK).ok()
    assert schedules(made) == []
    move(cloud, 24)

    started = made.play("start", *QUICK, "--limit", "localhost").ok()
    assert "EventBridge Scheduler stops it at" in started.flat
    (one,) = schedules(made)
    left = (datetime.fromisoformat(one["ScheduleExpression"][3:-1] + "+00:00") - now(cloud)).total_seconds()
    assert 0.7 < left / 3600 < 1 / RATE - 1
    order = [call["action"] for call in cloud.calls() if call["write"]]
    assert order.index("CreateSchedule") < order.index("StartInstances")

    move(cloud, 1)
    assert cloud.state(instance["InstanceId"]) == "stopped"
    assert schedules(made) == []
    made.play("start", *QUICK).refused(
        "of its budget of $1.00", "nothing is left", "extend.yml -e extend_usd=2 --limit"
    )
    assert cloud.state(instance["InstanceId"]) == "stopped"

    more = made.play("extend", *QUICK, "-e", "extend_usd=2", "--limit", made.name).ok()
    assert re.search(r"may spend \$3\.00, \$2\.0\d of it is left", more.flat), more.flat
    assert tags_of(made.cloud.instances(made.name)[0])["gpulab:budget-usd"] == "3"

"""The module cost_guard against the embedded AWS: what it writes, how few calls that takes, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.amazon.aws.plugins.module_utils.retries import RetryingBotoClientWrapper
from ansible_collections.gpulab.core.plugins.module_utils import guard_calls, guard_role
from ansible_collections.gpulab.core.plugins.module_utils.ec2_calls import RETRY, Stop

from tests.support.aws import specification, tags_of
from tests.support.guarded import guard, guard_info
from tests.unit.rehearsal.lab import Lab, described, launch

TAGS = {"gpulab:deployment": "lab", "gpulab:usd-per-hour": "0.526", "gpulab:price-source": "table of 2026-07-20"}
Client = Callable[[str, str], Any]


@pytest.fixture
def client(lab: Lab) -> Client:
    """Clients of the cloud, each made once."""
    made: dict[tuple[str, str], Any] = {}
    return lambda service, region: made.setdefault((service, region), lab.client(service, region))


def hosts(lab: Lab, *names: str) -> list[str]:
    """Launch these hosts by one call; return their ids."""
    name = {"gpulab:host": names[0]} if len(names) == 1 else {"gpulab:hosts": " ".join(names)}
    ec2, kinds = lab.client("ec2"), [specification("instance", TAGS | name)]
    count = {"MinCount": len(names), "MaxCount": len(names)}
    return [i["InstanceId"] for i in launched(ec2, TagSpecifications=kinds, **count)]


def launched(ec2: Any, **more: Any) -> list[dict[str, Any]]:
    instance = launch(ec2, **more)
    wanted = [{"Name": "tag:gpulab:deployment", "Values": ["lab"]}]
    found = [i for r in ec2.describe_instances(Filters=wanted)["Reservations"] for i in r["Instances"]]
    return [i for i in found if i["LaunchTime"] >= instance["LaunchTime"]]


def calls(lab: Lab, write: bool | None = None) -> list[str]:
    found = lab.actions(write)
    lab.control("/_rehearsal/calls", "DELETE")
    return found


def move(lab: Lab, **by: float) -> None:
    lab.control("/_rehearsal/clock", "POST", {"advance_seconds": timedelta(**by).total_seconds()})


def test_fifty_hosts_cost_the_calls_of_one(lab: Lab, client: Client) -> None:
    hosts(lab, *(f"s{n:02}" for n in range(50)))
    calls(lab)
    first = guard(client)
    assert len(first["hosts"]) == 50
    assert {one["guards"]["schedule"] for one in first["hosts"].values()} == {
        first["hosts"]["s00"]["guards"]["schedule"]
    }
    assert calls(lab, write=True) == [
        *("CreateTags", "CreateRole", "PutRolePolicy", "CreateScheduleGroup", "PutMetricAlarm", "CreateSchedule")
    ]
    again = guard(client)
    assert again["changed"] is False
    # Side by side, so in no order.
    assert sorted(calls(lab)) == [
        *("DescribeAlarms", "DescribeInstances", "GetRole", "GetRolePolicy", "GetSchedule", "ListSchedules")
    ]
    assert again["hosts"].keys() == first["hosts"].keys()


def test_everything_is_tagged_and_least_privileged(lab: Lab, client: Client) -> None:
    hosts(lab, "anna")
    guard(client, mail="anna@example.org", budgets={"anna": 2.5})
    tag = [{"Key": "gpulab:deployment", "Value": "lab"}]
    role = lab.client("iam").get_role(RoleName="gpulab-lab-stop")["Role"]
    assert role["Tags"] == tag
    assert role["AssumeRolePolicyDocument"]["Statement"][0]["Condition"] == {
        "StringEquals": {"aws:SourceAccount": "123456789012"}
    }
    (statement,) = lab.client("iam").get_role_policy(RoleName="gpulab-lab-stop", PolicyName="stop")["PolicyDocument"][
        "Statement"
    ]
    assert (statement["Action"], statement["Effect"]) == ("ec2:StopInstances", "Allow")
    assert statement["Condition"] == {"StringEquals": {"aws:ResourceTag/gpulab:deployment": "lab"}}
    group = lab.client("scheduler").get_schedule_group(Name="gpulab-lab")["Arn"]
    assert lab.client("scheduler").list_tags_for_resource(ResourceArn=group)["Tags"] == tag
    (alarm,) = lab.client("cloudwatch").describe_alarms(AlarmNames=["gpulab-lab"])["MetricAlarms"]
    assert (alarm["Threshold"], alarm["MetricName"]) == (2.5, "EstimatedCharges")
    assert lab.client("cloudwatch").list_tags_for_resource(ResourceARN=alarm["AlarmArn"])["Tags"] == tag
    (topic,) = alarm["AlarmActions"]
    assert lab.client("sns").list_tags_for_resource(ResourceArn=topic)["Tags"] == tag
    (one,) = lab.client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert (one["Protocol"], one["Endpoint"]) == ("email", "anna@example.org")
    calls(lab)
    assert guard(client, mail="anna@example.org", budgets={"anna": 2.5})["changed"] is False
    assert len(calls(lab)) == 7


def test_the_schedule_stops_the_host_and_a_start_gets_what_is_left(lab: Lab, client: Client) -> None:
    (instance,) = hosts(lab, "anna")
    ec2 = lab.client("ec2")
    guard(client)
    move(lab, hours=1)
    ec2.stop_instances(InstanceIds=[instance])
    stopped = guard(client)
    assert 3600 <= stopped["hosts"]["anna"]["spent_seconds"] < 4000
    assert lab.client("scheduler").list_schedules(GroupName="gpulab-lab")["Schedules"] == []
    assert guard(client)["changed"] is False
    move(lab, hours=100)
    ready = guard(client, starting=["anna"])
    assert (ready["starting"], ready["refused"]) == (["anna"], {})
    end = datetime.fromisoformat(ready["hosts"]["anna"]["guards"]["stops_at"])
    now = datetime.fromisoformat(lab.control("/_rehearsal/clock")["now"])
    # $1 at $0.526 is 6844 s, of which 3600 are gone.
    assert 3244 - 600 < (end - now).total_seconds() < 3244
    ec2.start_instances(InstanceIds=[instance])
    assert guard(client)["changed"] is False
    move(lab, hours=5)
    assert described(ec2, instance)["State"]["Name"] == "stopped"
    told = guard(client, starting=["anna"])
    assert told["starting"] == []
    assert "nothing is left to run on" in told["refused"]["anna"]
    extended = guard(client, hosts=["anna"], extend_usd=2.0, starting=["anna"])
    assert extended["refused"] == {}
    assert extended["hosts"]["anna"]["budget_usd"] == 3
    assert tags_of(described(ec2, instance))["gpulab:budget-usd"] == "3"


def test_one_spent_budget_keeps_no_other_host_from_starting(lab: Lab, client: Client) -> None:
    ids = hosts(lab, "anna", "bela")
    lab.client("ec2").stop_instances(InstanceIds=ids)
    told = guard(client, starting=["anna", "bela"], budgets={"anna": 0.001})
    assert told["starting"] == ["bela"]
    assert list(told["refused"]) == ["anna"]
    assert told["hosts"]["bela"]["guards"]["stops_at"]
    assert told["hosts"]["anna"]["guards"]["stops_at"] == ""


def test_check_mode_writes_nothing(lab: Lab, client: Client) -> None:
    hosts(lab, "anna")
    calls(lab)
    assert guard(client, check_mode=True)["changed"] is True
    assert calls(lab, write=True) == []


def test_no_host_is_one_call(lab: Lab, client: Client) -> None:
    assert guard(client) == {"hosts": {}, "refused": {}, "starting": [], "changed": False}
    assert guard_info(client) == {"hosts": {}, "missing": []}
    assert calls(lab) == ["DescribeInstances"] * 2


def test_what_somebody_took_away_is_told_and_made_again(lab: Lab, client: Client) -> None:
    hosts(lab, "anna")
    guard(client)
    assert guard_info(client)["missing"] == []
    lab.client("iam").delete_role_policy(RoleName="gpulab-lab-stop", PolicyName="stop")
    lab.client("cloudwatch").delete_alarms(AlarmNames=["gpulab-lab"])
    lab.client("scheduler").delete_schedule_group(Name="gpulab-lab")
    (sentence,) = guard_info(client)["missing"]
    assert "anna runs without the schedule that stops it and the role" in sentence
    assert "and the billing alarm: run the same command again" in sentence
    assert guard(client)["changed"] is True
    assert guard_info(client)["missing"] == []


def test_a_guard_that_is_not_there_when_read_back_refuses(
    lab: Lab, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts(lab, "anna")
    monkeypatch.setattr(guard_role, "same_alarm", lambda *_: True)
    with pytest.raises(Stop, match="anna runs without the billing alarm"):
        guard(client)


def test_a_new_role_that_iam_does_not_know_everywhere_yet_is_waited_for(
    lab: Lab, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts(lab, "anna")
    waits: list[float] = []
    monkeypatch.setattr("time.sleep", waits.append)
    text = "The execution role you provide must allow AWS EventBridge Scheduler to assume the role."
    fault = {"action": "CreateSchedule", "code": "ValidationException", "message": text, "times": 2}
    lab.control("/_rehearsal/faults", "POST", fault)
    assert guard(client)["hosts"]["anna"]["guards"]["schedule"]
    assert waits.count(2) == 2


def test_a_group_or_schedule_that_goes_between_two_calls_is_made_again(
    lab: Lab, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    (instance,) = hosts(lab, "anna")
    group = {"group": True}
    read = guard_calls.guards
    monkeypatch.setattr(guard_calls, "guards", lambda *args: {**read(*args), **group})
    calls(lab)
    name = guard(client)["hosts"]["anna"]["guards"]["schedule"]
    assert calls(lab, write=True)[-3:] == ["CreateSchedule", "CreateScheduleGroup", "CreateSchedule"]
    request = lab.client("scheduler").get_schedule(GroupName="gpulab-lab", Name=name)
    wanted = {key: request[key] for key in ("Name", "GroupName", "ScheduleExpression", "FlexibleTimeWindow", "Target")}
    clients = SimpleNamespace(scheduler=RetryingBotoClientWrapper(client("scheduler", "us-east-1"), RETRY))
    guard_calls.write_schedule(clients, "lab", wanted, exists=False)
    lab.client("scheduler").delete_schedule(GroupName="gpulab-lab", Name=name)
    guard_calls.write_schedule(clients, "lab", wanted, exists=True)
    assert calls(lab, write=True) == [
        *("CreateSchedule", "UpdateSchedule", "DeleteSchedule", "UpdateSchedule", "CreateSchedule")
    ]
    assert instance in lab.client("scheduler").get_schedule(GroupName="gpulab-lab", Name=name)["Target"]["Input"]


def test_an_unknown_host_or_price_is_told(lab: Lab, client: Client) -> None:
    (instance,) = hosts(lab, "anna")
    with pytest.raises(Stop, match=r"has no host called eve, only anna\."):
        guard(client, hosts=["eve"])
    lab.client("ec2").delete_tags(Resources=[instance], Tags=[{"Key": "gpulab:usd-per-hour"}])
    prices = {"g4dn.xlarge": {"usd_per_hour": 0.25, "source": "AWS Pricing API", "date": "2026-11-22"}}
    told = guard(client, prices=prices)["hosts"]["anna"]
    assert (told["usd_per_hour"], round(told["left_seconds"] / 60)) == (0.25, 240)
    assert tags_of(described(lab.client("ec2"), instance))["gpulab:price-source"] == "price list of 2026-11-22"
    lab.client("ec2").delete_tags(Resources=[instance], Tags=[{"Key": "gpulab:usd-per-hour"}])
    said = guard(client, usd_per_hour=0.75)["hosts"]["anna"]
    assert (said["usd_per_hour"], said["price_source"]) == (0.75, "figure of -e gpu_usd_per_hour")

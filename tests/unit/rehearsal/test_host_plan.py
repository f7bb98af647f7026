"""The pure half of the reconciler: which action follows from what is wanted and what is there."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rehearsal.host_plan import (
    MOST_PORTS,
    USUAL_PORTS,
    Action,
    Actual,
    Desired,
    Ingress,
    Listener,
    listeners,
    plan,
    ports,
)

WANT = Desired("i-1", "running", "127.9.0.1", "172.31.0.9", "ubuntu", ("ssh-ed25519 A",), "", 2, ())
STATES = ("pending", "running", "stopping", "stopped", "shutting-down", "terminated")


@pytest.mark.parametrize(
    ("state", "have", "kind"),
    [
        ("pending", None, "create"),
        ("running", None, "create"),
        ("stopped", None, None),
        ("terminated", None, None),
        ("running", Actual(True, reboots=2), None),
        ("running", Actual(True, reboots=1), "restart"),
        ("running", Actual(True, reboots=3), None),
        ("stopping", Actual(True), "stop"),
        ("stopped", Actual(True), "stop"),
        ("stopped", Actual(False, ending="halt"), None),
        ("running", Actual(False, ending="halt"), "start"),
        ("running", Actual(False, ending="reboot"), "start"),
        ("running", Actual(False), "start"),
        ("running", Actual(False, ending="poweroff"), "tell_off"),
        ("running", Actual(False, ending="poweroff", off_told=True), "start"),
        ("stopped", Actual(False, ending="poweroff", off_told=True), None),
        ("shutting-down", Actual(True), "remove"),
        ("terminated", Actual(False), "remove"),
    ],
)
def test_one_host(state: str, have: Actual | None, kind: str | None) -> None:
    found = plan({"i-1": replace(WANT, state=state)}, {"i-1": have} if have else {})
    assert found == ([Action(kind, "i-1")] if kind else [])


def test_a_host_that_the_cloud_does_not_know_is_removed() -> None:
    assert plan({}, {"i-9": Actual(True)}) == [Action("remove", "i-9")]


def test_busy_hosts_wait_and_hold_nobody_up() -> None:
    desired = {"i-1": WANT, "i-2": replace(WANT, id="i-2")}
    assert plan(desired, {}, busy=["i-1"]) == [Action("create", "i-2")]


@given(st.sampled_from(STATES), st.booleans(), st.sampled_from(["", "reboot", "halt"]), st.integers(0, 4))
def test_acting_on_the_plan_comes_to_rest(state: str, running: bool, ending: str, reboots: int) -> None:
    """Whatever the start, at most as many actions as there are reboots to make up for, plus one, and then none."""
    desired = {"i-1": replace(WANT, state=state)}
    actual = {"i-1": Actual(running, ending=ending, reboots=reboots)}
    for _ in range(WANT.reboots + 1):
        for action in plan(desired, actual):
            have = actual.pop(action.id)
            if action.kind == "stop":
                actual[action.id] = replace(have, running=False, ending="halt")
            elif action.kind == "start":
                actual[action.id] = replace(have, running=True, ending="", reboots=WANT.reboots)
            elif action.kind == "restart":
                actual[action.id] = replace(have, reboots=have.reboots + 1)
    assert plan(desired, actual) == []


def test_a_single_port_and_a_narrow_range_are_opened_as_they_are() -> None:
    rules = (Ingress("10.0.0.0/8", 22, 22), Ingress("127.0.0.1/32", 22, 22), Ingress("0.0.0.0/0", 9000, 9001))
    assert ports(rules) == {22: ("10.0.0.0/8", "127.0.0.1/32"), 9000: ("0.0.0.0/0",), 9001: ("0.0.0.0/0",)}


def test_of_a_wide_range_only_the_usual_ports_are_opened() -> None:
    assert ports([Ingress("0.0.0.0/0", 0, 65535)]) == dict.fromkeys(USUAL_PORTS, ("0.0.0.0/0",))
    assert list(ports([Ingress("0.0.0.0/0", 400, 9000)])) == [443, 8888]


def test_ports_are_few_and_ssh_is_always_among_them() -> None:
    found = ports([*(Ingress("0.0.0.0/0", port, port) for port in range(1, 60))])
    assert len(found) == MOST_PORTS
    assert 22 in found


def test_listeners_need_a_running_instance_a_running_host_and_an_address() -> None:
    want = replace(WANT, ingress=(Ingress("127.0.0.1/32", 22, 22),))
    here = Actual(True, address="10.3.0.2")
    assert listeners({"i-1": want}, {"i-1": here}) == {("127.9.0.1", 22): Listener("10.3.0.2", ("127.0.0.1/32",))}
    assert listeners({"i-1": replace(want, public_address=None)}, {"i-1": here}) == {}
    assert listeners({"i-1": replace(want, state="stopping")}, {"i-1": here}) == {}
    assert listeners({"i-1": want}, {"i-1": replace(here, running=False)}) == {}
    assert listeners({"i-1": want}, {}) == {}


def test_an_entry_of_the_clouds_list_is_read_whole() -> None:
    entry = {
        "id": "i-1",
        "region": "us-east-1",
        "state": "running",
        "public_address": None,
        "private_address": "172.31.0.9",
        "login": "ubuntu",
        "image_id": "ami-1",
        "public_keys": ["ssh-ed25519 A"],
        "user_data": "",
        "reboots": 2,
        "ingress": [{"cidr": "1.2.3.4/32", "from_port": 22, "to_port": 22}],
    }
    expected = replace(WANT, public_address=None, ingress=(Ingress("1.2.3.4/32", 22, 22),))
    assert Desired.from_json(entry) == expected
    del entry["reboots"]
    with pytest.raises(KeyError, match="reboots"):
        Desired.from_json(entry)

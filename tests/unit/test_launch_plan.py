"""launch_plan: a table of requests and evidence, and the sentences they get."""

from __future__ import annotations

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import launch_plan

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIexample gpulab"


def request(**changes):
    base = {
        "deployment": "gpulab",
        "host": "gpulab",
        "gpu_profile": "modern",
        "gpu_profiles": ["modern", "carnd-2017"],
        "instance_types": ["g4dn.xlarge", "g5.xlarge"],
        "cidrs": ["auto"],
        "allow_world": False,
        "volume_gb": 100,
        "notebook_access": "tunnel",
        "notebook_cidr": "",
        "images_tried": ["AMI name x"],
    }
    return base | changes


def evidence(**changes):
    base = {
        "region": "us-east-1",
        "offered": ["g4dn.xlarge", "g5.xlarge"],
        "hosts": [],
        "key": {"name": "gpulab-gpulab", "file": "k", "local": KEY, "local_error": None, "remote": None},
        "image": {"id": "ami-1"},
        "vpc_id": "vpc-1",
    }
    return base | changes


def test_a_good_request_has_no_problem():
    assert launch_plan.request_problems(request()) == []
    assert launch_plan.evidence_problems(request(), evidence()) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"gpu_profile": "ancient"}, ["'ancient'", "carnd-2017, modern", "-e gpu_profile=modern"]),
        ({"deployment": "My Lab"}, ["deployment name 'My Lab'", "-e deployment=gpulab"]),
        ({"host": "a_b"}, ["host name 'a_b'", "-e gpu_host_name=gpulab"]),
        ({"host": ""}, ["host name ''"]),
        ({"cidrs": ["0.0.0.0/0"]}, ["0.0.0.0/0", "whole world", "-e allow_world=true"]),
        ({"cidrs": ["::/0"]}, ["::/0", "whole world"]),
        ({"cidrs": ["203.0.113.7/24"]}, ["203.0.113.7/24", "host bits"]),
        ({"cidrs": ["home"]}, ["'home'", "no network"]),
        ({"notebook_access": "public"}, ["jupyter_cidr is empty", "-e jupyter_access=tunnel"]),
    ],
)
def test_bad_requests_get_one_sentence(change, words):
    (sentence,) = launch_plan.request_problems(request(**change))
    assert all(word in sentence for word in words), sentence
    assert "\n" not in sentence


def test_the_world_may_be_asked_for_in_words():
    assert launch_plan.request_problems(request(cidrs=["0.0.0.0/0"], allow_world=True)) == []


def test_several_problems_are_told_at_once():
    assert len(launch_plan.request_problems(request(gpu_profile="x", cidrs=["y", "0.0.0.0/0"]))) == 3


HOSTS = [{"id": f"i-{n}", "state": "running", "launch_time": f"2026-11-22 0{n}:00"} for n in (1, 2)]


@pytest.mark.parametrize(
    ("asked", "found", "words"),
    [
        ({}, {"hosts": HOSTS}, ["2 live instances", "i-1 (running, launched 2026-11-22 01:00)", "i-2", "only one"]),
        (
            {"instance_types": ["p2.xlarge"]},
            {"offered": []},
            ["p2.xlarge (Tesla K80)", "2025-03-30", "g4dn.xlarge", "$0.53"],
        ),
        ({"instance_types": ["p2.xlarge"]}, {"offered": [], "region": "eu-west-1"}, ["$0.59"]),
        ({"instance_types": ["g6.xlarge"]}, {"offered": []}, ["us-east-1 offers none", "g6.xlarge"]),
        ({"instance_types": []}, {"offered": []}, ["none given"]),
        ({}, {"image": None}, ["No AMI of profile 'modern'", "us-east-1", "AMI name x"]),
        ({}, {"vpc_id": None}, ["no default VPC", "aws ec2 create-default-vpc --region us-east-1"]),
        (
            {},
            {"key": evidence()["key"] | {"local": None, "local_error": "invalid format"}},
            ["key file k exists", "invalid format"],
        ),
        (
            {},
            {"key": evidence()["key"] | {"remote": "ssh-ed25519 other"}},
            ["'gpulab-gpulab' exists and belongs to another key"],
        ),
        ({}, {"key": evidence()["key"] | {"local": None, "remote": KEY}}, ["has no local half in k"]),
    ],
)
def test_bad_evidence_gets_one_sentence(asked, found, words):
    (sentence,) = launch_plan.evidence_problems(request(**asked), evidence(**found))
    assert all(word in sentence for word in words), sentence


def test_an_existing_host_needs_neither_type_nor_image():
    """The AMI moves on and types retire; a host that exists is not touched by either."""
    found = evidence(hosts=HOSTS[:1], offered=[], image=None, vpc_id=None)
    assert launch_plan.evidence_problems(request(instance_types=["p2.xlarge"]), found) == []


def test_a_key_is_the_same_whatever_its_comment():
    same = evidence()["key"] | {"remote": KEY.replace(" gpulab", " somebody@elsewhere")}
    assert launch_plan.evidence_problems(request(), evidence(key=same)) == []


@pytest.mark.parametrize(
    ("types", "offered", "chosen"),
    [(["a", "b"], ["b", "a"], "a"), (["a", "b"], ["b"], "b"), (["a"], ["b"], None), ([], [], None)],
)
def test_the_users_order_decides(types, offered, chosen):
    assert launch_plan.choose_type(types, offered) == chosen


def rule(cidr, description="", port=22):
    return {
        "IpProtocol": "tcp",
        "FromPort": port,
        "ToPort": port,
        "IpRanges": [{"CidrIp": cidr, "Description": description}],
    }


def test_our_rule_follows_the_caller_and_foreign_rules_stay():
    permissions = [rule("198.51.100.1/32", "gpulab: ssh from 198.51.100.1/32"), rule("10.0.0.0/8", "the office", 443)]
    rules, changed = launch_plan.security_group_rules(permissions, ["203.0.113.7/32"])
    assert changed
    assert rules == [
        {"proto": "tcp", "ports": [22], "cidr_ip": "203.0.113.7/32", "rule_desc": "gpulab: ssh from 203.0.113.7/32"},
        {"proto": "tcp", "from_port": 443, "to_port": 443, "cidr_ip": "10.0.0.0/8", "rule_desc": "the office"},
    ]


def test_rules_that_are_right_are_left_alone():
    permissions = [rule("203.0.113.7/32", "gpulab: ssh from 203.0.113.7/32")]
    assert launch_plan.security_group_rules(permissions, ["203.0.113.7/32"])[1] is False


def test_a_public_notebook_opens_its_port_to_its_network_alone():
    ssh = rule("203.0.113.7/32", "gpulab: ssh from 203.0.113.7/32")
    rules, changed = launch_plan.security_group_rules([ssh], ["203.0.113.7/32"], ["198.51.100.0/24"], 9999)
    assert changed
    assert {
        "proto": "tcp",
        "ports": [9999],
        "cidr_ip": "198.51.100.0/24",
        "rule_desc": "gpulab: notebook from 198.51.100.0/24",
    } in rules
    there = [ssh, rule("198.51.100.0/24", "gpulab: notebook from 198.51.100.0/24", 9999)]
    assert not launch_plan.security_group_rules(there, ["203.0.113.7/32"], ["198.51.100.0/24"], 9999)[1]
    # On another port it is another rule.
    assert launch_plan.security_group_rules(there, ["203.0.113.7/32"], ["198.51.100.0/24"], 8888)[1]


def test_the_port_is_closed_when_the_notebook_is_no_longer_public():
    there = [
        rule("203.0.113.7/32", "gpulab: ssh from 203.0.113.7/32"),
        rule("203.0.113.7/32", "gpulab: notebook from 203.0.113.7/32", 8888),
    ]
    rules, changed = launch_plan.security_group_rules(there, ["203.0.113.7/32"])
    assert changed
    assert [r["ports"] for r in rules] == [[22]]


def test_foreign_rules_of_other_kinds_stay():
    everything = {"IpProtocol": "-1", "IpRanges": [], "UserIdGroupPairs": [{"GroupId": "sg-9"}]}
    v6 = {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 2, "Ipv6Ranges": [{"CidrIpv6": "2001:db8::/32"}]}
    rules, _ = launch_plan.security_group_rules([everything, v6], ["203.0.113.7/32"])
    assert {"proto": "all", "group_id": "sg-9"} in rules
    assert {"proto": "tcp", "from_port": 1, "to_port": 2, "cidr_ipv6": "2001:db8::/32"} in rules


def test_the_client_token_is_the_launchs_own():
    token = launch_plan.client_token("123456789012", "us-east-1", {"ImageId": "ami-1", "n": 1})
    assert token == launch_plan.client_token("123456789012", "us-east-1", {"n": 1, "ImageId": "ami-1"})
    assert len(token) <= 64  # EC2's limit
    others = [
        launch_plan.client_token("123456789012", "us-east-1", {"ImageId": "ami-2", "n": 1}),
        launch_plan.client_token("123456789012", "us-east-2", {"ImageId": "ami-1", "n": 1}),
        launch_plan.client_token("210987654321", "us-east-1", {"ImageId": "ami-1", "n": 1}),
        launch_plan.client_token("123456789012", "us-east-1", {"ImageId": "ami-1", "n": 1}, 1),
    ]
    assert len({token, *others}) == 5

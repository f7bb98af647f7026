"""access_rules: our rules of the security group follow what is wanted, somebody else's stay unless they are to go."""

from __future__ import annotations

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import access_rules


def rule(cidr, description="", port=22):
    return {
        "IpProtocol": "tcp",
        "FromPort": port,
        "ToPort": port,
        "IpRanges": [{"CidrIp": cidr, "Description": description}],
    }


def test_our_rule_follows_the_caller_and_foreign_rules_stay():
    permissions = [rule("198.51.100.1/32", "gpulab: ssh from 198.51.100.1/32"), rule("10.0.0.0/8", "the office", 443)]
    rules, changed = access_rules.security_group_rules(permissions, ["203.0.113.7/32"])
    assert changed
    assert rules == [
        {"proto": "tcp", "ports": [22], "cidr_ip": "203.0.113.7/32", "rule_desc": "gpulab: ssh from 203.0.113.7/32"},
        {"proto": "tcp", "from_port": 443, "to_port": 443, "cidr_ip": "10.0.0.0/8", "rule_desc": "the office"},
    ]


def test_rules_that_are_right_are_left_alone():
    permissions = [rule("203.0.113.7/32", "gpulab: ssh from 203.0.113.7/32")]
    assert access_rules.security_group_rules(permissions, ["203.0.113.7/32"])[1] is False


def test_a_public_notebook_opens_its_port_to_its_network_alone():
    ssh = rule("203.0.113.7/32", "gpulab: ssh from 203.0.113.7/32")
    rules, changed = access_rules.security_group_rules([ssh], ["203.0.113.7/32"], ["198.51.100.0/24"], 9999)
    assert changed
    assert {
        "proto": "tcp",
        "ports": [9999],
        "cidr_ip": "198.51.100.0/24",
        "rule_desc": "gpulab: notebook from 198.51.100.0/24",
    } in rules
    there = [ssh, rule("198.51.100.0/24", "gpulab: notebook from 198.51.100.0/24", 9999)]
    assert not access_rules.security_group_rules(there, ["203.0.113.7/32"], ["198.51.100.0/24"], 9999)[1]
    # On another port it is another rule.
    assert access_rules.security_group_rules(there, ["203.0.113.7/32"], ["198.51.100.0/24"], 8888)[1]


def test_the_port_is_closed_when_the_notebook_is_no_longer_public():
    there = [
        rule("203.0.113.7/32", "gpulab: ssh from 203.0.113.7/32"),
        rule("203.0.113.7/32", "gpulab: notebook from 203.0.113.7/32", 8888),
    ]
    rules, changed = access_rules.security_group_rules(there, ["203.0.113.7/32"])
    assert changed
    assert [r["ports"] for r in rules] == [[22]]


def test_foreign_rules_of_other_kinds_stay():
    lists = [{"PrefixListId": "pl-1", "Description": "S3"}]
    everything = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": "sg-9"}], "PrefixListIds": lists}
    v6 = {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 2, "Ipv6Ranges": [{"CidrIpv6": "2001:db8::/32"}]}
    rules, _ = access_rules.security_group_rules([everything, v6], ["203.0.113.7/32"])
    assert {"proto": "all", "group_id": "sg-9"} in rules
    assert {"proto": "all", "ip_prefix": "pl-1", "rule_desc": "S3"} in rules
    assert {"proto": "tcp", "from_port": 1, "to_port": 2, "cidr_ipv6": "2001:db8::/32"} in rules


def test_foreign_rules_go_only_when_told_to():
    mine, theirs = rule("203.0.113.7/32", "gpulab: ssh from 203.0.113.7/32"), rule("10.0.0.0/8", "the office", 443)
    assert access_rules.security_group_rules([mine, theirs], ["203.0.113.7/32"])[1] is False
    rules, changed = access_rules.security_group_rules([mine, theirs], ["203.0.113.7/32"], purge=True)
    assert (changed, [r["cidr_ip"] for r in rules]) == (True, ["203.0.113.7/32"])
    assert access_rules.security_group_rules([mine], ["203.0.113.7/32"], purge=True)[1] is False


@pytest.mark.parametrize(
    ("rule_made", "text"),
    [
        ({"proto": "tcp", "ports": [22], "cidr_ip": "10.0.0.0/8"}, "tcp 22 from 10.0.0.0/8"),
        (
            {"proto": "udp", "from_port": 1, "to_port": 9, "cidr_ipv6": "2001:db8::/32", "rule_desc": "x"},
            "udp 1-9 from 2001:db8::/32 (x)",
        ),
        ({"proto": "all", "group_id": "sg-9"}, "all from sg-9"),
    ],
)
def test_a_rule_in_words(rule_made, text):
    assert access_rules.rule_text(rule_made) == text

"""access_rules: our rules of the security group follow what is wanted, somebody else's stay unless they are to go."""

from __future__ import annotations

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import access_rules

ME = "203.0.113.7/32"


def rule(cidr, description="", port=22):
    return {
        "IpProtocol": "tcp",
        "FromPort": port,
        "ToPort": port,
        "IpRanges": [{"CidrIp": cidr, "Description": description}],
    }


def mine(cidr):
    return rule(cidr, f"gpulab: ssh from {cidr}")


def test_our_rule_follows_the_caller_and_foreign_rules_stay():
    permissions = [mine("198.51.100.1/32"), rule("10.0.0.0/8", "the office", 443)]
    assert access_rules.changes(permissions, [ME]) == ([mine(ME)], [mine("198.51.100.1/32")])


def test_of_a_permission_with_several_sources_only_ours_goes():
    office = {"CidrIp": "10.0.0.0/8", "Description": "the office"}
    both = dict(mine("198.51.100.1/32"), IpRanges=[*mine("198.51.100.1/32")["IpRanges"], office])
    assert access_rules.changes([both], [ME]) == ([mine(ME)], [mine("198.51.100.1/32")])


def test_rules_that_are_right_are_left_alone():
    assert access_rules.changes([mine(ME)], [ME]) == ([], [])


def test_an_address_of_version_6():
    (opened,), _ = access_rules.changes([], ["2001:db8::7/128"])
    source = {"CidrIpv6": "2001:db8::7/128", "Description": "gpulab: ssh from 2001:db8::7/128"}
    assert opened == {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "Ipv6Ranges": [source]}
    assert access_rules.changes([opened], ["2001:db8::7/128"]) == ([], [])


def test_a_public_notebook_opens_its_port_to_its_network_alone():
    cidr = "198.51.100.0/24"
    notebook = rule(cidr, f"gpulab: notebook from {cidr}", 9999)
    assert access_rules.changes([mine(ME)], [ME], [cidr], 9999) == ([notebook], [])
    assert access_rules.changes([mine(ME), notebook], [ME], [cidr], 9999) == ([], [])
    # On another port it is another rule.
    opened = rule(cidr, f"gpulab: notebook from {cidr}", 8888)
    assert access_rules.changes([mine(ME), notebook], [ME], [cidr], 8888) == ([opened], [notebook])


def test_the_port_is_closed_when_the_notebook_is_no_longer_public():
    notebook = rule(ME, f"gpulab: notebook from {ME}", 8888)
    assert access_rules.changes([mine(ME), notebook], [ME]) == ([], [notebook])


def test_foreign_rules_go_only_when_told_to():
    theirs = rule("10.0.0.0/8", "the office", 443)
    assert access_rules.changes([mine(ME), theirs], [ME]) == ([], [])
    assert access_rules.changes([mine(ME), theirs], [ME], purge=True) == ([], [theirs])
    assert access_rules.changes([mine(ME)], [ME], purge=True) == ([], [])


@pytest.mark.parametrize(
    ("permission", "text"),
    [
        (rule("10.0.0.0/8"), "tcp 22 from 10.0.0.0/8"),
        (
            {
                "IpProtocol": "udp",
                "FromPort": 1,
                "ToPort": 9,
                "Ipv6Ranges": [{"CidrIpv6": "2001:db8::/32", "Description": "x"}],
            },
            "udp 1-9 from 2001:db8::/32 (x)",
        ),
        ({"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": "sg-9"}]}, "all from sg-9"),
        ({"IpProtocol": "-1", "PrefixListIds": [{"PrefixListId": "pl-1", "Description": "S3"}]}, "all from pl-1 (S3)"),
    ],
)
def test_a_foreign_rule_in_words(permission, text):
    assert access_rules.foreign_rules([permission, mine(ME)]) == [text]

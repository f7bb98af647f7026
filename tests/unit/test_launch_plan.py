"""launch_plan: a table of requests and evidence, and the sentences they get."""

from __future__ import annotations

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import launch_plan

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIexample gpulab"


def request(**changes):
    base = {
        "deployment": "gpulab",
        "hosts": ["gpulab"],
        "gpu_profile": "modern",
        "gpu_profiles": ["modern", "carnd-2017"],
        "instance_types": ["g4dn.xlarge", "g5.xlarge"],
        "cidrs": ["auto"],
        "allow_world": False,
        "volume_gb": 100,
        "notebook_access": "tunnel",
        "notebook_cidr": "",
        "market": "on-demand",
        "budget_usd": 5,
        "max_hourly_usd": None,
        "image_id": None,
        "image_owners": ["amazon"],
        "subnet_id": "",
        "other_regions": [],
    }
    return base | changes


def evidence(**changes):
    base = {
        "region": "us-east-1",
        "offered": ["g4dn.xlarge", "g5.xlarge"],
        "hosts": [],
        "key": {"name": "gpulab-gpulab", "file": "k", "local": KEY, "local_error": None, "remote": None},
        "image": {"id": "ami-1"},
        "images_tried": ["AMI name x"],
        "vpc_id": "vpc-1",
        "subnet": None,
        "elsewhere": {},
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
        ({"hosts": ["gpulab", "a_b"]}, ["host name 'a_b'", "-e gpu_host_name=gpulab"]),
        ({"hosts": [""]}, ["host name ''"]),
        (
            {"other_regions": ["us-east-2"], "subnet_id": "subnet-1"},
            ["gpu_subnet_id is subnet-1", "in one region", "-e gpu_next_regions=''"],
        ),
        ({"other_regions": ["us-east-2"], "image_id": "ami-1"}, ["gpu_image_id is ami-1"]),
        ({"market": "auction"}, ["gpu_market is 'auction'", "on-demand or spot", "-e gpu_market=spot"]),
        ({"budget_usd": 0}, ["budget_usd is $0", "-e budget_usd=5"]),
        ({"max_hourly_usd": -1}, ["max_hourly_usd is $-1", "-e max_hourly_usd=0.6"]),
        ({"cidrs": ["0.0.0.0/0"]}, ["0.0.0.0/0", "whole world", "-e allow_world=true"]),
        ({"cidrs": ["::/0"]}, ["::/0", "whole world"]),
        ({"cidrs": ["203.0.113.7/24"]}, ["203.0.113.7/24", "host bits"]),
        ({"cidrs": ["home"]}, ["'home'", "no network"]),
        ({"notebook_access": "public"}, ["jupyter_cidr is empty", "-e jupyter_access=tunnel"]),
    ],
)
def test_bad_requests_get_one_sentence(change, words):
    ((_, sentence),) = launch_plan.request_problems(request(**change))
    assert all(word in sentence for word in words), sentence
    assert "\n" not in sentence


def test_the_world_may_be_asked_for_in_words():
    assert launch_plan.request_problems(request(cidrs=["0.0.0.0/0"], allow_world=True)) == []


def test_several_problems_are_told_at_once():
    assert len(launch_plan.request_problems(request(gpu_profile="x", cidrs=["y", "0.0.0.0/0"]))) == 3


HOSTS = [{"name": "gpulab", "id": f"i-{n}", "state": "running", "launch_time": f"2026-11-22 0{n}:00"} for n in (1, 2)]
SUBNET = {"id": "subnet-1", "zone": "us-east-1a", "free": 1, "public": True}


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
        ({}, {"image": None}, ["No AMI of profile 'modern'", "us-east-1", "AMI name x", "owner amazon"]),
        (
            {"image_id": "ami-9"},
            {"image": None},
            ["AMI ami-9 does not exist in us-east-1", "leave gpu_image_id out", "aws ec2 describe-images"],
        ),
        (
            {},
            {"vpc_id": None},
            ["no default VPC", "aws ec2 create-default-vpc --region us-east-1", "-e gpu_subnet_id=subnet-..."],
        ),
        (
            {"subnet_id": "subnet-9"},
            {"vpc_id": None},
            ["Subnet subnet-9 does not exist in us-east-1", "leave gpu_subnet_id out"],
        ),
        ({"subnet_id": "subnet-1"}, {"subnet": dict(SUBNET, public=False)}, ["subnet-1 gives its hosts no public"]),
        (
            {"subnet_id": "subnet-1", "hosts": ["a", "b"]},
            {"subnet": SUBNET},
            ["subnet-1 has 1 free addresses, and 2 are needed"],
        ),
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
    ((_, sentence),) = launch_plan.evidence_problems(request(**asked), evidence(**found))
    assert all(word in sentence for word in words), sentence


def test_of_several_hosts_only_the_doubled_name_is_refused_and_only_the_others_are_missing():
    other = dict(HOSTS[0], name="anna")
    ((check, sentence),) = launch_plan.evidence_problems(
        request(hosts=["anna", "gpulab", "ben"]), evidence(hosts=[*HOSTS, other])
    )
    assert check == "hosts"
    assert "called 'gpulab'" in sentence
    assert launch_plan.missing(["anna", "gpulab", "ben"], [*HOSTS, other]) == ["ben"]


def test_an_existing_host_needs_neither_type_nor_image():
    """The AMI moves on and types retire; a host that exists is not touched by either."""
    found = evidence(hosts=HOSTS[:1], offered=[], image=None, vpc_id=None)
    assert launch_plan.evidence_problems(request(instance_types=["p2.xlarge"]), found) == []


def test_a_key_is_the_same_whatever_its_comment():
    same = evidence()["key"] | {"remote": KEY.replace(" gpulab", " somebody@elsewhere")}
    assert launch_plan.evidence_problems(request(), evidence(key=same)) == []


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


def test_a_deployment_is_not_launched_in_two_regions():
    far = evidence(elsewhere={"us-east-2": ["anna", "ben"]})
    ((check, sentence),) = launch_plan.evidence_problems(request(), far)
    assert check == "hosts"
    assert "has hosts in us-east-2 (anna, ben)" in sentence
    assert "-e aws_region=us-east-2" in sentence

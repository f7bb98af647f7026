"""Every playbook that talks to AWS, once and in an everyday order, against an embedded AWS without hosts.

Its calls are what `bin/rehearse --iam-policy` makes the policy of: configuring a host asks AWS for nothing.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import boto3

from rehearsal import environment, session, settings

DEPLOYMENT = "rehearsal-everyday"
_G_SPOT = "L-3819A6DF"
_HERE = ("--limit", "localhost")
_TWO = ("-e", "gpu_host_count=2")
_SPOT = ("-e", "gpu_market=spot")
_MAIL = ("-e", "guard_mail=teacher@example.org")
# A quota that has to be found by its name, and a type that the collection's table lacks.
_RARE = ("-e", '{"gpu_instance_types": ["p6-b200.48xlarge", "g5g.xlarge"]}')
# Who may use the schedules' role, without the condition that makes it only this account's schedules.
_ANY_ACCOUNT = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "scheduler.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
# Playbook and arguments. The quota of that type has no value of the account's own when it is asked for. Before the
# second provision.yml one of the two hosts is lost, and so comes off the schedule they share, and their role is changed
# by hand; that run comes from another address, so that a rule is taken back, and replaces the host by a spot host. All
# of it on this machine: there are no hosts.
STEPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("preflight", ()),
    ("request-quota", ("-e", "quota_vcpus=1000", *_SPOT, *_RARE)),
    ("provision", (*_HERE, *_MAIL, *_TWO)),
    ("provision", (*_HERE, *_MAIL, *_TWO, *("-e", "allowed_cidr=203.0.113.9/32", *_SPOT))),
    ("status", ()),
    ("stop", _HERE),
    ("start", _HERE),
    ("extend", (*_HERE, "-e", "extend_usd=2")),
    ("teardown", ("-e", "ec2_gpu_host_poll_seconds=0")),
)


def record(extra: list[str]) -> list[dict[str, Any]]:
    """Play all of STEPS with extra variables in a cloud of its own, and return the calls. SystemExit if one fails."""
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        url = session.up(state=state, hosts=False)["url"]
        try:
            calls: list[dict[str, Any]] = []
            for number, (book, arguments) in enumerate(STEPS):
                meanwhile(url, DEPLOYMENT, number)
                session.request(url, "calls", "DELETE")
                _play(url, book, *arguments, *(f"--extra-vars={given}" for given in extra))
                calls += session.request(url, "calls")
            return calls
        finally:
            session.down(state)
            for kept in (".gpulab", "reports"):
                shutil.rmtree(settings.ROOT / kept / DEPLOYMENT, ignore_errors=True)


def meanwhile(url: str, deployment: str, number: int) -> None:
    """Do what happens in the account before that one of STEPS, and is not our doing."""
    keys = {"aws_access_key_id": "rehearsal-access-key-id", "aws_secret_access_key": "rehearsal-secret-access-key"}
    ec2, iam = (boto3.client(one, endpoint_url=url, region_name=settings.REGION, **keys) for one in ("ec2", "iam"))
    book, before = STEPS[number][0], STEPS[number - 1][0] if number else ""
    if book == "request-quota":
        session.request(url, "quotas", "POST", {"code": _G_SPOT, "value": None})
    elif before == "request-quota":
        session.request(url, "quotas", "DELETE")
    elif book == "teardown":
        _leave(ec2, deployment)
    elif book == before:
        _lose_the_second(ec2, deployment)
        iam.update_assume_role_policy(RoleName=f"gpulab-{deployment}-stop", PolicyDocument=json.dumps(_ANY_ACCOUNT))


def _lose_the_second(ec2: Any, deployment: str) -> None:
    """Terminate the second of the hosts that were launched together."""
    wanted = [{"Name": "tag:gpulab:deployment", "Values": [deployment]}]
    found = [i for r in ec2.describe_instances(Filters=wanted)["Reservations"] for i in r["Instances"]]
    (second,) = (i["InstanceId"] for i in found if i["AmiLaunchIndex"] == 1)
    ec2.terminate_instances(InstanceIds=[second])


def _leave(ec2: Any, deployment: str) -> None:
    """Make what gpulab never makes, and removes where it carries the deployment's tag."""

    def tagged(kind: str) -> list[dict[str, Any]]:
        return [{"ResourceType": kind, "Tags": [{"Key": "gpulab:deployment", "Value": deployment}]}]

    subnet = ec2.describe_subnets()["Subnets"][0]
    zone = subnet["AvailabilityZone"]
    volume = ec2.create_volume(AvailabilityZone=zone, Size=1, TagSpecifications=tagged("volume"))["VolumeId"]
    ec2.create_snapshot(VolumeId=volume, TagSpecifications=tagged("snapshot"))
    ec2.allocate_address(Domain="vpc", TagSpecifications=tagged("elastic-ip"))
    ec2.create_network_interface(SubnetId=subnet["SubnetId"], TagSpecifications=tagged("network-interface"))
    ec2.create_launch_template(
        LaunchTemplateName=deployment,
        LaunchTemplateData={"InstanceType": "g4dn.xlarge"},
        TagSpecifications=tagged("launch-template"),
    )


def _play(url: str, book: str, *arguments: str) -> None:
    print("$ ansible-playbook", f"{book}.yml", *arguments, flush=True)
    done = subprocess.run(
        [str(settings.ROOT / ".venv/bin/ansible-playbook"), f"{book}.yml", *arguments],
        cwd=settings.ROOT,
        env=environment.process(url) | {"GPULAB_DEPLOYMENT": DEPLOYMENT},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{done.stdout}\n{book}.yml ended with code {done.returncode}, 0 was expected: its words are above.")

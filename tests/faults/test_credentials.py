"""Credentials that are missing, refused, expired or allowed too little: at once, in one sentence, nothing is lost."""

from __future__ import annotations

import pytest
from ansible_collections.gpulab.core.plugins.module_utils.ec2_calls import Stop

from rehearsal import session
from tests.support.launching import launch, names
from tests.support.planning import plan, preflight, set_right, stopping
from tests.support.playbook import Deployment

NOT_TO_TAG = (
    "You are not authorized to perform this operation. User: arn:aws:iam::123456789012:user/anna is not authorized to "
    "perform: ec2:CreateTags on resource: arn:aws:ec2:us-east-1:123456789012:instance/* because no policy allows it."
)


def test_fault_12_what_is_not_allowed_is_named_and_not_asked_again(deployment: Deployment) -> None:
    cloud = deployment.cloud
    cloud.fault("RunInstances", code="UnauthorizedOperation", message=NOT_TO_TAG, status=403, times=100)
    with pytest.raises(Stop, match=r"UnauthorizedOperation: these credentials may not do that \(ec2:CreateTags\)"):
        launch(deployment, "anna")
    assert len(cloud.calls("RunInstances")) == 1
    assert cloud.instances(deployment.name) == []


def test_fault_12_the_preflight_finds_it_before_the_launch(deployment: Deployment) -> None:
    for action in ("RunInstances", "CreateSecurityGroup", "DescribeVpcs"):
        deployment.cloud.refuse(action, "UnauthorizedOperation", status=403)
    with pytest.raises(Stop, match=r"may not do that \(DescribeVpcs\)"):
        plan(deployment)
    rows = preflight(deployment)
    assert stopping(rows) == ["permissions", "network"]
    assert rows["permissions"]["found"] == "denied: RunInstances, DescribeVpcs"
    deployment.cloud.heal()
    deployment.cloud.refuse("CreateSecurityGroup", "UnauthorizedOperation", status=403)
    assert preflight(deployment)["permissions"]["found"] == "denied: CreateSecurityGroup"
    assert deployment.cloud.writes() == [], "every write was a dry run"


@pytest.mark.parametrize("code", ["ExpiredToken", "RequestExpired"])
def test_fault_13_expired_in_mid_run_is_said_at_once_and_the_next_run_converges(
    deployment: Deployment, code: str
) -> None:
    cloud = deployment.cloud
    cloud.refuse("RunInstances", code, times=1)
    with pytest.raises(Stop, match=rf"{code}: the credentials have expired: renew them and run the same command again"):
        launch(deployment, "anna")
    assert len(cloud.calls("RunInstances")) == 1
    launch(deployment, "anna")
    assert list(names(cloud, deployment)) == ["anna"]


def test_fault_14_no_credentials(deployment: Deployment) -> None:
    run = deployment.play("provision", AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None)
    run.refused("No AWS credentials were found", "aws configure", "AWS_ACCESS_KEY_ID")
    assert deployment.cloud.calls() == []
    assert not deployment.local.exists()


def test_fault_15_a_wrong_clock_is_measured(deployment: Deployment) -> None:
    cloud = deployment.cloud
    session.request(cloud.url, "clock", "POST", {"advance_seconds": 20 * 60})
    try:
        rows = preflight(deployment)
        assert stopping(rows) == ["clock"]
        assert rows["clock"]["found"] == "this machine's is 20 minutes behind AWS's"
        cloud.refuse("GetCallerIdentity", "SignatureDoesNotMatch", status=403)
        with pytest.raises(Stop, match=r"SignatureDoesNotMatch: this machine's clock is 20 minutes behind AWS's: set"):
            plan(deployment)
        assert stopping(preflight(deployment)) == ["credentials", "clock"]
    finally:
        set_right(cloud)
    with pytest.raises(Stop, match=r"SignatureDoesNotMatch: AWS does not accept these credentials"):
        plan(deployment)

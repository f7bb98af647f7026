"""request-quota.yml: no quota, one request, a day later the grant; what may not be read is unknown, and not zero."""

from __future__ import annotations

from rehearsal import session
from tests.support.planning import G
from tests.support.playbook import Deployment

QUOTA = "Running On-Demand G and VT instances"
ROOM_FOR_TWO = ("-e", "gpu_host_count=2")


def test_from_a_request_to_room_for_two(deployment_without_quota: Deployment):
    deployment = deployment_without_quota
    cloud = deployment.cloud
    told = deployment.play("request-quota", "--check", *ROOM_FOR_TWO).ok()
    assert cloud.writes() == []
    assert f'Quota "{QUOTA}" ({G}) in us-east-1' in told.flat
    assert (
        "room for 0 notebooks of g4dn.xlarge; wanted: 2 notebooks of g4dn.xlarge, 8 vCPUs, which does not fit"
        in told.flat
    )
    assert told.changed == {"localhost": 1}, "it should tell that a real run would ask"

    first = deployment.play("request-quota", *ROOM_FOR_TWO).ok()
    assert first.changed == {"localhost": 1}
    assert cloud.writes() == ["RequestServiceQuotaIncrease"]
    assert "is PENDING" in first.flat
    assert "If AWS opens a support case and asks what for" in first.flat

    second = deployment.play("request-quota", *ROOM_FOR_TWO).ok()
    assert second.changed == {"localhost": 0}
    assert "is PENDING" in second.flat
    assert cloud.writes() == ["RequestServiceQuotaIncrease"]

    impatient = deployment.play("request-quota", "-e", "quota_wait=true", "-e", "quota_wait_seconds=1", *ROOM_FOR_TWO)
    impatient.refused("is PENDING", "run the same command later, nothing is lost")

    session.request(cloud.url, "clock", "POST", {"advance_seconds": 25 * 3600})
    granted = deployment.play("request-quota", *ROOM_FOR_TWO).ok()
    assert granted.changed == {"localhost": 0}
    assert "is APPROVED" in granted.flat
    assert "wanted: 2 notebooks of g4dn.xlarge, 8 vCPUs, which fits" in granted.flat
    assert cloud.writes() == ["RequestServiceQuotaIncrease"]
    policy = session.request(cloud.url, "iam-policy")["Statement"][0]["Action"]
    assert {one for one in policy if one.startswith("servicequotas:")} == {
        "servicequotas:GetServiceQuota",
        "servicequotas:ListRequestedServiceQuotaChangeHistoryByQuota",
        "servicequotas:RequestServiceQuotaIncrease",
    }


def test_what_may_not_be_read_is_unknown_and_nothing_is_asked_for(deployment_without_quota: Deployment):
    cloud = deployment_without_quota.cloud
    cloud.refuse("GetServiceQuota", "AccessDeniedException")
    run = deployment_without_quota.play("request-quota")
    run.refused(
        "could not be read (AWS answered AccessDeniedException)", "so it is unknown", "servicequotas:GetServiceQuota"
    )
    assert cloud.writes() == []

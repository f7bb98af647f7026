"""preflight.yml: a table of everything that would stop provision.yml, read-only; it fails when something does."""

from __future__ import annotations

from tests.support.playbook import Deployment


def test_a_fresh_account_has_nothing_in_the_way(deployment: Deployment) -> None:
    run = deployment.play("preflight").ok()
    assert "nothing stands in the way" in run.output
    assert run.changed == {"localhost": 0}
    lines = run.output.splitlines()
    heading = next(line for line in lines if line.split()[:2] == ["check", "found"])
    column = heading.index("found")
    checks = ("credentials", "clock", "region", "permissions", "guards", "settings", "hosts", "type", "AMI", "quota")
    for check in (*checks, "network", "key pair", "access", "price", "budget"):
        (row,) = (line for line in lines if line.strip().startswith(f"{check}  "))
        assert row[column - 2 : column] == "  "
        assert row[column] != " ", "every row begins where the heading does"
    assert "vCPUs (L-DB2E81BA)" in run.output
    _nothing_was_written(deployment)


def test_everything_that_stops_it_is_told_at_once(deployment: Deployment) -> None:
    deployment.cloud.refuse("ImportKeyPair", "UnauthorizedOperation", status=403)
    given = ("gpu_profile=dlnd-2018", "allowed_cidr=0.0.0.0/0", "max_hourly_usd=-1", "gpu_subnet_id=subnet-0123")
    run = deployment.play("preflight", *(word for one in given for word in ("-e", one)))
    run.refused("provision.yml would be stopped by: permissions, type, AMI, network, access, price")
    told = (
        *("denied: ImportKeyPair", "p2.xlarge (Tesla K80) was retired", "max_hourly_usd is $-1"),
        *("Subnet subnet-0123 does not exist", "-e allow_world=true"),
    )
    words = run.flat
    for one in told:
        assert all(word in words for word in one.split()), one
    assert "! permissions" in run.output
    _nothing_was_written(deployment)


def test_guards_that_could_not_be_set_are_told_before_a_host_costs_money(deployment: Deployment) -> None:
    deployment.cloud.refuse("CreateRole", "AccessDenied", status=403)
    run = deployment.play("preflight")
    run.refused("provision.yml would be stopped by: guards")
    assert "denied: iam:CreateRole" in run.output
    _nothing_was_written(deployment)


def test_a_mail_that_nobody_could_be_sent_is_told_to_who_asked_for_it(deployment: Deployment) -> None:
    deployment.cloud.refuse("CreateTopic", "AccessDenied", status=403)
    deployment.play("preflight").ok()
    run = deployment.play("preflight", "-e", "guard_mail=anna@example.org")
    run.refused("provision.yml would be stopped by: guards")
    assert "denied: sns:CreateTopic" in run.output


def test_where_the_simulator_may_not_be_asked_nothing_is_stopped(deployment: Deployment) -> None:
    deployment.cloud.refuse("SimulatePrincipalPolicy", "AccessDenied", status=403)
    run = deployment.play("preflight").ok()
    assert "? guards" in run.output
    assert all(word in run.flat for word in ("SimulatePrincipalPolicy", "answered", "AccessDenied"))


def _nothing_was_written(deployment: Deployment) -> None:
    assert deployment.cloud.writes() == []
    assert not deployment.local.exists()
    assert not deployment.reports.exists()

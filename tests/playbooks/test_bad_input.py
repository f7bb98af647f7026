"""Bad input ends provision.yml with one sentence for each value, before anything is written; see tests/faults too."""

from __future__ import annotations

from pathlib import Path

from tests.support.playbook import Deployment


def test_a_region_that_there_is_not(deployment: Deployment):
    run = deployment.play("provision", "-e", "aws_region=mars-north-1")
    run.refused("'mars-north-1' is not an AWS region", "-e aws_region=us-east-1")
    _nothing_was_written(deployment)


def test_a_profile_of_types_that_are_gone(deployment: Deployment):
    run = deployment.play("provision", "-e", "gpu_profile=dlnd-2018")
    run.refused("p2.xlarge", "was retired by AWS", "does the same job for $", "-e gpu_profile=modern")
    _nothing_was_written(deployment)


def test_values_that_cannot_be_meant_are_told_together(deployment: Deployment):
    given = ("gpu_profile=quantum", "allowed_cidr=0.0.0.0/0", "jupyter_access=public", "jupyter_cidr=0.0.0.0/0")
    given += ("gpu_market=auction", "max_hourly_usd=-1")
    run = deployment.play("provision", *(word for one in given for word in ("-e", one)))
    assert run.code != 0
    for words in (
        "gpu_profile is 'quantum', and only carnd-2017, dlnd-2018, modern are known",
        "opens SSH to the whole world",
        "opens the notebook to the whole world",
        "gpu_market is 'auction', and hosts are bought on-demand or spot",
        "max_hourly_usd is $-1, expected more than nothing",
    ):
        assert words in run.flat.replace("''", "'")
    asked = {call["action"] for call in deployment.cloud.calls()}
    assert asked <= {"DescribeInstances"}, "nothing of it is a question for AWS; the inventory has asked one"
    _nothing_was_written(deployment)


def test_no_type_below_the_price_cap(deployment: Deployment):
    run = deployment.play("provision", "-e", "max_hourly_usd=0.1")
    run.refused("g4dn.xlarge costs $0.542 an hour", "max_hourly_usd is $0.1", "-e max_hourly_usd=0.55")
    _nothing_was_written(deployment)


def test_a_key_file_that_is_no_key(deployment: Deployment, tmp_path: Path):
    key = tmp_path / "id_rsa"
    key.write_text("not a key at all\n")
    key.chmod(0o644)
    run = deployment.play("provision", "-e", f"gpu_key_file={key}")
    run.refused(f"{key} exists but is not a private key", "-e gpu_key_file=PATH")
    assert key.read_text() == "not a key at all\n"
    assert key.stat().st_mode & 0o777 == 0o644
    _nothing_was_written(deployment)


def _nothing_was_written(deployment: Deployment) -> None:
    assert deployment.cloud.writes() == []
    assert deployment.cloud.instances(deployment.name) == []
    assert not deployment.local.exists()
    assert not deployment.reports.exists()

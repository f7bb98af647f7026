"""Bad input ends provision.yml with one sentence, a code that is not zero, and before anything is written."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.playbook import Deployment

PROFILE_OF_2018 = ("p2.xlarge", "was retired by AWS", "does the same job for $", "-e gpu_profile=modern")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["aws_region=mars-north-1"], ["'mars-north-1' is not an AWS region", "-e aws_region=us-east-1"]),
        (
            ["gpu_profile=quantum"],
            ["gpu_profile is 'quantum'", "carnd-2017, dlnd-2018, modern", "-e gpu_profile=modern"],
        ),
        (["allowed_cidr=0.0.0.0/0"], ["opens SSH to the whole world", "-e allow_world=true"]),
        (
            ["jupyter_access=public", "jupyter_cidr=0.0.0.0/0"],
            ["opens the notebook to the whole world", "-e allow_world=true"],
        ),
        (['{"gpu_instance_types": ["p2.xlarge"]}'], PROFILE_OF_2018),
        (["gpu_profile=dlnd-2018"], PROFILE_OF_2018),
        (["gpu_profile=carnd-2017"], ["g2.2xlarge", "was retired by AWS", "-e gpu_profile=modern"]),
    ],
    ids=lambda value: value[0] if isinstance(value, list) and "=" in value[0] else None,
)
def test_a_value_that_cannot_be_meant(deployment: Deployment, arguments: list[str], words: list[str]):
    given = [word for argument in arguments for word in ("-e", argument)]
    deployment.play("provision", *given).refused(*words)
    _nothing_was_written(deployment)


def test_no_credentials(deployment: Deployment):
    run = deployment.play("provision", AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None)
    run.refused("No AWS credentials were found", "aws configure", "AWS_ACCESS_KEY_ID")
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


def test_a_key_file_that_differs_from_the_imported_key(deployment: Deployment, tmp_path: Path):
    mine, imported = tmp_path / "mine", tmp_path / "imported"
    for path in (mine, imported):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    before = mine.read_text()
    name = f"gpulab-{deployment.name}"
    deployment.cloud.ec2.import_key_pair(KeyName=name, PublicKeyMaterial=imported.with_suffix(".pub").read_bytes())
    deployment.cloud.forget()
    run = deployment.play("provision", "-e", f"gpu_key_file={mine}")
    run.refused(f"'{name}' exists and belongs to another key", str(mine), "-e deployment=NAME")
    assert mine.read_text() == before
    _nothing_was_written(deployment)


def test_two_live_hosts_of_one_name(deployment: Deployment):
    ids = sorted(deployment.cloud.launch(deployment.tags) for _ in range(2))
    deployment.cloud.forget()
    deployment.play("provision").refused("2 live instances are called", *ids, "there may be only one")
    assert deployment.cloud.writes() == []
    assert [deployment.cloud.state(one) for one in ids] == ["running", "running"]
    assert not deployment.local.exists()


def test_problems_that_need_no_question_are_told_together(deployment: Deployment):
    run = deployment.play("provision", "-e", "gpu_profile=quantum", "-e", "allowed_cidr=0.0.0.0/0")
    assert run.code != 0
    assert "gpu_profile is 'quantum'" in run.flat
    assert "opens SSH to the whole world" in run.flat
    _nothing_was_written(deployment)


def _nothing_was_written(deployment: Deployment) -> None:
    assert deployment.cloud.writes() == []
    assert deployment.cloud.instances(deployment.name) == []
    assert not deployment.local.exists()
    assert not deployment.reports.exists()

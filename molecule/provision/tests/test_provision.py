"""What provision.yml leaves behind: the host as its ssh config reaches it, and the account as boto3 reads it."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import boto3
import pytest
import testinfra

STATE = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"]) / ".cache/molecule/provision"
NAME = "molecule"


@pytest.fixture(scope="module")
def host() -> Any:
    return testinfra.get_host(f"ssh://{NAME}", ssh_config=str(STATE / "local/ssh_config"))


@pytest.fixture(scope="module")
def ec2() -> Any:
    """A client of this scenario's cloud; credentials and endpoint are given, never looked up."""
    return boto3.client(
        "ec2",
        endpoint_url=json.loads((STATE / "cloud/cloud.json").read_text())["url"],
        region_name="us-east-1",
        aws_access_key_id="molecule-access-key-id",
        aws_secret_access_key="molecule-secret-access-key",
    )


@pytest.fixture(scope="module")
def instance(ec2: Any) -> dict[str, Any]:
    """The one instance of the account."""
    (found,) = [i for r in ec2.describe_instances()["Reservations"] for i in r["Instances"]]
    return found


def ssh(*options: str) -> subprocess.CompletedProcess[str]:
    """Run `true` on the host with these options on top of the generated configuration."""
    command = ["ssh", "-F", STATE / "local/ssh_config", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", *options]
    return subprocess.run(
        [*command, NAME, "true"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def test_login_user_may_become_root_without_a_password(host: Any) -> None:
    assert host.check_output("id -un") == "ubuntu"
    assert host.check_output("sudo -n id -un") == "root"


def test_user_data_ran_at_first_boot(host: Any) -> None:
    assert "status: done" in host.run("cloud-init status").stdout
    # The user data as cloud-init got it, and what its bootcmd did before the baseline ever logged in.
    assert "apt-daily.timer" in host.check_output("sudo cat /var/lib/cloud/instance/user-data.txt")
    masked = float(host.check_output("stat --format %.Y /etc/systemd/system/apt-daily.timer"))
    booted = float(host.check_output("sudo stat --format %.Y /var/lib/cloud/instance/boot-finished"))
    assert masked < booted


def test_no_unit_failed(host: Any) -> None:
    assert host.check_output("systemctl --failed --plain --no-legend") == ""


def test_baseline_was_applied(host: Any) -> None:
    assert host.file("/etc/apt/apt.conf.d/99-gpulab-hold").exists
    assert host.run("systemctl is-enabled apt-daily-upgrade.timer").stdout.strip() == "masked"


def test_host_key_is_pinned_under_the_instance_id(instance: dict[str, Any]) -> None:
    names = {line.split()[0] for line in (STATE / "local/known_hosts").read_text().splitlines()}
    assert names == {instance["InstanceId"]}
    assert ssh().returncode == 0


def test_a_host_with_other_keys_is_refused(tmp_path: Path, instance: dict[str, Any]) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "other"], check=True)
    other = " ".join((tmp_path / "other.pub").read_text().split()[:2])
    (tmp_path / "known_hosts").write_text(f"{instance['InstanceId']} {other}\n")
    refused = ssh("-o", f"UserKnownHostsFile={tmp_path / 'known_hosts'}")
    assert refused.returncode == 255
    assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in refused.stderr


def test_an_unknown_host_is_refused(tmp_path: Path) -> None:
    refused = ssh("-o", f"UserKnownHostsFile={tmp_path / 'nothing'}")
    assert refused.returncode == 255
    assert "Host key verification failed" in refused.stderr


def test_private_key_is_its_owners_alone() -> None:
    assert stat.S_IMODE((STATE / "local/id_ed25519").stat().st_mode) == 0o600


def test_instance_is_closed_and_tagged(instance: dict[str, Any], ec2: Any) -> None:
    tags = {t["Key"]: t["Value"] for t in instance["Tags"]}
    assert (tags["gpulab:deployment"], tags["gpulab:host"], tags["gpulab:login"]) == (NAME, NAME, "ubuntu")
    assert instance["State"]["Name"] == "running"
    assert instance["InstanceType"] == "g4dn.xlarge"
    assert instance["MetadataOptions"]["HttpTokens"] == "required"
    volumes = ec2.describe_volumes()["Volumes"]
    assert [(v["Size"], v["VolumeType"], v["Encrypted"]) for v in volumes] == [(100, "gp3", True)]
    mine = [g["GroupId"] for g in instance["SecurityGroups"]]
    (group,) = ec2.describe_security_groups(GroupIds=mine)["SecurityGroups"]
    (rule,) = group["IpPermissions"]
    assert (rule["FromPort"], rule["ToPort"]) == (22, 22)
    assert [r["CidrIp"] for r in rule["IpRanges"]] == ["127.0.0.1/32"]


def test_checks_passed_and_only_our_key_is_there(instance: dict[str, Any], ec2: Any) -> None:
    (status,) = ec2.describe_instance_status(InstanceIds=[instance["InstanceId"]])["InstanceStatuses"]
    assert (status["SystemStatus"]["Status"], status["InstanceStatus"]["Status"]) == ("ok", "ok")
    assert [k["KeyName"] for k in ec2.describe_key_pairs()["KeyPairs"]] == [instance["KeyName"]]

"""What provision.yml makes in AWS and on the control machine, and that it makes it once."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from rehearsal import environment, settings
from tests.support.aws import tags_of
from tests.support.playbook import Deployment, Run


@pytest.fixture(scope="module")
def first(shared: Deployment) -> Run:
    """The first, talkative, provision.yml of the module's deployment."""
    shared.cloud.forget()
    return shared.provision("-vvv").ok()


@pytest.mark.usefixtures("first")
class TestWhatIsMade:
    """Read-only looks at one provisioned deployment."""

    def test_the_instance(self, shared: Deployment):
        (instance,) = shared.cloud.instances(shared.name)
        assert instance["InstanceType"] == "g4dn.xlarge"
        assert instance["MetadataOptions"]["HttpTokens"] == "required"
        assert instance["MetadataOptions"]["HttpPutResponseHopLimit"] == 1
        assert tags_of(instance).items() >= shared.tags.items()
        assert tags_of(instance)["Name"] == shared.name
        asked = {"InstanceId": instance["InstanceId"], "Attribute": "instanceInitiatedShutdownBehavior"}
        behaviour = shared.cloud.ec2.describe_instance_attribute(**asked)["InstanceInitiatedShutdownBehavior"]
        assert behaviour["Value"] == "stop"

    def test_the_volume(self, shared: Deployment):
        (volume,) = _volumes(shared)
        assert volume["Encrypted"]
        assert volume["VolumeType"] == "gp3"
        assert volume["Size"] == 100
        (instance,) = shared.cloud.instances(shared.name)
        (mapping,) = instance["BlockDeviceMappings"]
        assert mapping["Ebs"]["VolumeId"] == volume["VolumeId"]
        assert mapping["Ebs"]["DeleteOnTermination"]
        assert tags_of(volume).items() >= shared.tags.items()

    def test_all_is_tagged_by_the_call_that_makes_it(self, shared: Deployment):
        # Only what the guards write down is tagged later, and by one call for all hosts alike.
        (noted,) = shared.cloud.calls("CreateTags")
        assert "gpulab:deployment" not in str(noted["params"])
        (launch,) = shared.cloud.calls("RunInstances")
        kinds = {v for k, v in launch["params"].items() if k.endswith("ResourceType")}
        assert kinds >= {"instance", "volume"}

    def test_only_ssh_and_only_from_here(self, shared: Deployment):
        (instance,) = shared.cloud.instances(shared.name)
        (named,) = instance["SecurityGroups"]
        (group,) = shared.cloud.ec2.describe_security_groups(GroupIds=[named["GroupId"]])["SecurityGroups"]
        (rule,) = group["IpPermissions"]
        assert (rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) == ("tcp", 22, 22)
        assert [r["CidrIp"] for r in rule["IpRanges"]] == ["127.0.0.1/32"]
        assert [rule[other] for other in ("Ipv6Ranges", "UserIdGroupPairs", "PrefixListIds")] == [[], [], []]
        assert tags_of(group)["gpulab:deployment"] == shared.name

    def test_the_key(self, shared: Deployment):
        key = shared.local / "id_ed25519"
        assert key.stat().st_mode & 0o777 == 0o600
        assert shared.local.stat().st_mode & 0o777 == 0o700
        wanted = {"KeyNames": [f"gpulab-{shared.name}"], "IncludePublicKey": True}
        (pair,) = shared.cloud.ec2.describe_key_pairs(**wanted)["KeyPairs"]
        asked = ["ssh-keygen", "-y", "-P", "", "-f", str(key)]
        mine = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
        assert pair["PublicKey"].split()[:2] == mine.split()[:2]
        assert tags_of(pair)["gpulab:deployment"] == shared.name

    def test_no_secret_is_told(self, shared: Deployment, first: Run):
        secret = environment.variables(shared.cloud.url)["AWS_SECRET_ACCESS_KEY"]
        body = (shared.local / "id_ed25519").read_text().splitlines()[1]
        for text in (first.output, json.dumps(shared.cloud.calls()), *_readable_files(shared)):
            assert "PRIVATE KEY" not in text
            assert secret not in text
            assert body not in text

    def test_a_second_run_changes_nothing(self, shared: Deployment):
        (before,) = shared.cloud.instances(shared.name)
        assert shared.provision().ok().changed == {"localhost": 0}
        (after,) = shared.cloud.instances(shared.name)
        assert after["InstanceId"] == before["InstanceId"]
        assert len(shared.cloud.calls("RunInstances")) == 1


def test_the_rule_follows_the_caller_and_other_rules_stay(deployment: Deployment):
    instance, group = deployment.make()
    foreign = {
        "IpProtocol": "tcp",
        "FromPort": 8443,
        "ToPort": 8444,
        "IpRanges": [{"CidrIp": "198.51.100.0/24", "Description": "the lab next door"}],
    }
    deployment.cloud.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[foreign])
    moved = ("-e", "allowed_cidr=203.0.113.9/32")
    deployment.provision(*moved).ok()
    expected = {("203.0.113.9/32", 22, 22), ("198.51.100.0/24", 8443, 8444)}
    assert _rules(deployment, group) == expected
    assert deployment.provision(*moved).ok().changed == {"localhost": 0}
    assert _rules(deployment, group) == expected
    assert [i["InstanceId"] for i in deployment.cloud.instances(deployment.name)] == [instance]


def test_a_public_notebooks_port_is_opened_and_closed_again(deployment: Deployment):
    _instance, group = deployment.make()
    (ssh,) = _rules(deployment, group)
    run = deployment.provision("-e", "jupyter_access=public", "-e", "jupyter_cidr=203.0.113.0/24").ok()
    assert "Notebook (port 8888, TLS, token) only from 203.0.113.0/24." in run.output
    assert _rules(deployment, group) == {ssh, ("203.0.113.0/24", 8888, 8888)}
    deployment.provision().ok()
    assert _rules(deployment, group) == {ssh}


def test_ssh_by_name_is_arranged_when_asked(deployment: Deployment, tmp_path: Path):
    deployment.make()
    home = tmp_path / "another home"
    home.mkdir()
    deployment.play("start", "-e", "ssh_include=true", HOME=str(home)).ok()
    config = home / ".ssh/config"
    assert [path for path in home.rglob("*") if path.is_file()] == [config]
    assert config.stat().st_mode & 0o777 == 0o600
    (line,) = config.read_text().splitlines()
    assert line.startswith("Include ")
    (instance,) = deployment.cloud.instances(deployment.name)
    # ssh itself reads it, as it would when its user types `ssh NAME`.
    asked = ["ssh", "-F", str(config), "-G", deployment.name]
    told = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.splitlines()
    assert f"hostname {instance['PublicIpAddress']}" in told
    assert "stricthostkeychecking true" in told


def test_a_host_that_the_inventory_does_not_list_is_no_success(deployment: Deployment):
    deployment.make()
    # As where the deployment is named in a file that inventories do not read.
    run = deployment.play("provision", "-i", "inventory/control.yml")
    run.refused(f"Host {deployment.name} runs and costs money, but the inventory does not list it", "run this again")


def _volumes(deployment: Deployment) -> list[dict]:
    wanted = [{"Name": "tag:gpulab:deployment", "Values": [deployment.name]}]
    return deployment.cloud.ec2.describe_volumes(Filters=wanted)["Volumes"]


def _rules(deployment: Deployment, group: str) -> set[tuple[str, int, int]]:
    found = deployment.cloud.ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"]
    return {(r["CidrIp"], rule["FromPort"], rule["ToPort"]) for rule in found for r in rule["IpRanges"]}


def _readable_files(deployment: Deployment) -> list[str]:
    """What may be shown to others: every report there is, and what is in .gpulab beside the private key."""
    folders = (settings.ROOT / "reports", deployment.local)
    found = [path for folder in folders if folder.exists() for path in folder.rglob("*") if path.is_file()]
    return [path.read_text(errors="replace") for path in found if path.name != "id_ed25519"]

"""Many hosts at once are known by certificates of their launch, and not by fifty consoles."""

from __future__ import annotations

import json
import re
import subprocess

from rehearsal import seed
from tests.support.playbook import Deployment

THREE = ("-e", "gpu_host_count=3")
AT_MOST_TWO = ("-e", "ec2_gpu_host_consoles_at_most=2")


def test_a_launch_of_many_reads_no_console_and_tells_no_secret(deployment: Deployment):
    authority = deployment.local / "host_authority"
    # As a run leaves it that was killed while it launched: what is launched again has to be the same.
    deployment.local.mkdir(parents=True, mode=0o700)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(authority)], check=True)
    private, public = authority.read_text(), authority.with_suffix(".pub").read_text()

    run = deployment.provision(*THREE, *AT_MOST_TWO, "-vvv").ok()
    assert deployment.cloud.calls("GetConsoleOutput") == []
    ids = {one["InstanceId"] for one in deployment.cloud.instances(deployment.name)}
    pins = (deployment.local / "known_hosts").read_text()
    kind, body = public.split()[:2]
    assert set(re.findall(rf"^@cert-authority (i-\S+) {kind} {re.escape(body)} until=\S+$", pins, re.MULTILINE)) == ids
    assert len(pins.splitlines()) == 3

    given = deployment.cloud.ec2.describe_instance_attribute(InstanceId=min(ids), Attribute="userData")
    assert _indented(private) in seed.decode_user_data(given["UserData"]["Value"]).decode()
    assert not authority.exists(), "nobody needs it any more"
    secret = private.splitlines()[1]
    assert secret not in run.output
    assert secret not in json.dumps(deployment.cloud.calls())

    assert deployment.provision(*THREE, *AT_MOST_TWO).ok().changed == {"localhost": 0}
    assert deployment.cloud.calls("GetConsoleOutput") == []


def test_a_certificate_that_is_too_old_is_replaced_by_what_the_consoles_show(deployment: Deployment):
    deployment.provision(*THREE, *AT_MOST_TWO).ok()
    pins = deployment.local / "known_hosts"
    pins.write_text(re.sub(r"until=\d+", "until=2001", pins.read_text()))
    assert deployment.provision(*THREE, *AT_MOST_TWO).ok().changed == {"localhost": 1}
    assert len(deployment.cloud.calls("GetConsoleOutput")) == 3
    assert "@cert-authority" not in pins.read_text()
    assert len(pins.read_text().splitlines()) == 3


def test_an_ordinary_launch_has_no_secret_in_its_user_data(deployment: Deployment):
    deployment.provision().ok()
    (instance,) = deployment.cloud.instances(deployment.name)
    asked = {"InstanceId": instance["InstanceId"], "Attribute": "userData"}
    given = deployment.cloud.ec2.describe_instance_attribute(**asked)["UserData"]["Value"]
    text = seed.decode_user_data(given).decode()
    assert "gpulab-deadline" in text
    assert "PRIVATE KEY" not in text
    assert "ssh_deletekeys" not in text
    assert len(deployment.cloud.calls("GetConsoleOutput")) == 1


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.strip().splitlines())

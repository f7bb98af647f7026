"""The NoCloud seed says what EC2 would say."""

from __future__ import annotations

import base64
import json

import pytest

from rehearsal import seed

KEY = "ssh-ed25519 AAAAC3 me@laptop\n"


def test_meta_data_names_the_instance_and_its_keys() -> None:
    files = seed.seed("i-0abc", seed.hostname("172.31.4.5"), "ubuntu", [KEY], b"")
    assert json.loads(files["meta-data"]) == {
        "instance-id": "i-0abc",
        "local-hostname": "ip-172-31-4-5",
        "public-keys": ["ssh-ed25519 AAAAC3 me@laptop"],
    }


def test_the_login_user_may_sudo_and_nobody_needs_a_password() -> None:
    head, _, body = seed.seed("i-0abc", "h", "carnd", [KEY], b"")["vendor-data"].partition(b"\n")
    assert head == b"#cloud-config"
    vendor = json.loads(body)
    user = vendor["system_info"]["default_user"]
    assert (user["name"], user["sudo"], user["lock_passwd"]) == ("carnd", ["ALL=(ALL) NOPASSWD:ALL"], True)
    assert vendor["users"] == ["default"]
    assert vendor["ssh_pwauth"] is False
    assert vendor["locale"] == "C.UTF-8"


def test_user_data_arrives_byte_for_byte() -> None:
    data = b"\x1f\x8b\x00\xff#!/bin/sh\n"
    assert seed.decode_user_data(base64.b64encode(data).decode()) == data
    assert seed.seed("i", "h", "ubuntu", [], data)["user-data"] == data
    assert seed.decode_user_data("") == b""


def test_user_data_that_is_not_base64_is_refused_in_one_sentence() -> None:
    with pytest.raises(ValueError, match=r"^The user data is not base64 \(.*\): launch with"):
        seed.decode_user_data("#!/bin/sh")

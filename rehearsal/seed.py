"""The NoCloud seed of one host: what EC2's metadata service tells cloud-init, as three small files. Pure.

The files are mounted read-only at /var/lib/cloud/seed/nocloud, so real cloud-init makes the login user, installs the
public keys and runs the user data. JSON is YAML, so no YAML writer is needed and nothing can be quoted wrongly.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence

MOUNT = "/var/lib/cloud/seed/nocloud"


def hostname(private_address: str) -> str:
    """EC2's default host name: 172.31.4.5 gives ip-172-31-4-5."""
    return "ip-" + private_address.replace(".", "-")


def decode_user_data(encoded: str) -> bytes:
    """User data as the caller of RunInstances gave it.

    Raises ValueError with one sentence when it is not base64.
    """
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise ValueError(
            f"The user data is not base64 ({error}): launch with user data that the AWS API accepts."
        ) from error


def seed(instance: str, name: str, login: str, public_keys: Sequence[str], user_data: bytes) -> dict[str, bytes]:
    """File name to content. `instance` is the id that tells cloud-init a first boot; `name` the host name."""
    meta = {"instance-id": instance, "local-hostname": name, "public-keys": [key.strip() for key in public_keys]}
    vendor = {
        # cloud-init's own default, en_US.UTF-8, is not generated in the image and would end the boot in an error.
        "locale": "C.UTF-8",
        "users": ["default"],
        "system_info": {
            "default_user": {
                "name": login,
                "gecos": login,
                "groups": ["adm", "sudo"],
                "lock_passwd": True,
                "shell": "/bin/bash",
                "sudo": ["ALL=(ALL) NOPASSWD:ALL"],
            }
        },
        "ssh_pwauth": False,
        "package_update": False,
        "package_upgrade": False,
    }
    return {
        "meta-data": _json(meta),
        "user-data": user_data,
        "vendor-data": b"#cloud-config\n" + _json(vendor),
    }


def _json(value: object) -> bytes:
    return json.dumps(value, indent=1).encode() + b"\n"

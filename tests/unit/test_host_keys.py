"""host_keys: what cloud-init prints on a console, whole, torn and absent."""

from __future__ import annotations

from ansible_collections.gpulab.core.plugins.module_utils.host_keys import host_keys

BLOCK = """[   12.3] cloud-init[900]: ci-info: noise\r
-----BEGIN SSH HOST KEY KEYS-----\r
ecdsa-sha2-nistp256 AAAAE2VjZHNh root@ip-172-31-0-5\r
<14>Nov 22 02:34:51 cloud-init: ssh-ed25519 AAAAC3NzaC1l root@ip-172-31-0-5\r
ssh-rsa AAAAB3NzaC1y+/= root@ip\r
-----END SSH HOST KEY KEYS-----\r
"""


def test_all_keys_of_the_block():
    assert host_keys(BLOCK) == [
        "ecdsa-sha2-nistp256 AAAAE2VjZHNh",
        "ssh-ed25519 AAAAC3NzaC1l",
        "ssh-rsa AAAAB3NzaC1y+/=",
    ]


def test_the_last_boot_counts():
    assert host_keys(BLOCK + BLOCK.replace("AAAAC3NzaC1l", "AAAANEW"))[1] == "ssh-ed25519 AAAANEW"


def test_no_block_or_half_a_block_is_no_key():
    assert host_keys("") == []
    assert host_keys("login: ") == []
    assert host_keys(BLOCK.split("-----END")[0]) == []

"""Who may reach a notebook, who listens on its port, and what a certificate has to say."""

from __future__ import annotations

import os
import socket
import subprocess

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import (
    jupyter_access,
    jupyter_certificates,
    jupyter_host,
    jupyter_listeners,
)

PUBLIC = {"access": "public", "cidr": "203.0.113.0/24", "allow_world": False}
TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:22B8 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4242 1 0 100 0 0 10 0
   1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4243 1 0 100 0 0 10 0
   2: 0100007F:22B8 0100007F:D431 01 00000000:00000000 00:00000000 00000000  1000        0 4244 1 0 20 4 30 10 -1
"""
_TCP6_REST = "00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 1000 0"
TCP6 = f"""\
  sl  local_address remote_address st tx_queue rx_queue tr tm->when retrnsmt uid timeout inode
   0: 00000000000000000000000001000000:22B8 {_TCP6_REST} 4245 1
   1: 0000000000000000FFFF00000100007F:22B9 {_TCP6_REST} 4246 1
   2: 00000000000000000000000000000000:22BA {_TCP6_REST} 4247 1
"""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"access": "open"}, ["'open'", "tunnel or public"]),
        ({"cidr": ""}, ["jupyter_cidr is empty", "-e jupyter_cidr=203.0.113.7/32"]),
        ({"cidr": "0.0.0.0/0"}, ["0.0.0.0/0", "whole world", "-e allow_world=true"]),
        ({"cidr": "::/0"}, ["::/0", "whole world"]),
        ({"cidr": "home"}, ["'home'", "no network"]),
        ({"cidr": "203.0.113.7/24"}, ["host bits"]),
        ({"tls": False}, ["jupyter_server_tls is false", "token in clear"]),
    ],
)
def test_access_that_is_refused(changes: dict[str, object], words: list[str]) -> None:
    (problem,) = jupyter_access.problems(**PUBLIC | changes)
    assert [word for word in words if word not in problem] == []


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"cidr": "2001:db8::/32"},
        {"cidr": "0.0.0.0/0", "allow_world": True},
        {"access": "tunnel", "cidr": "", "tls": False},
        {"access": "tunnel", "cidr": "0.0.0.0/0"},
    ],
)
def test_access_that_is_granted(changes: dict[str, object]) -> None:
    assert jupyter_access.problems(**PUBLIC | changes) == []


def test_each_problem_is_told() -> None:
    assert len(jupyter_access.problems("public", "0.0.0.0/0", False, tls=False)) == 2


def test_the_word_that_permits_the_world_does_not_permit_clear_text() -> None:
    (problem,) = jupyter_access.problems("public", "0.0.0.0/0", True, tls=False)
    assert "jupyter_server_tls" in problem


def test_listening_sockets_of_the_kernels_tables() -> None:
    assert [s[:3] for s in jupyter_listeners.listeners(TCP, TCP6)] == [
        ("127.0.0.1", 8888, 1000),
        ("0.0.0.0", 22, 0),
        ("::1", 8888, 1000),
        ("127.0.0.1", 8889, 1000),
        ("::", 8890, 1000),
    ]
    assert [s.inode for s in jupyter_listeners.listeners(TCP)] == [4242, 4243]
    assert jupyter_listeners.listeners("", "") == []


@pytest.mark.parametrize(
    ("address", "loopback"),
    [("127.0.0.1", True), ("127.8.0.1", True), ("::1", True), ("0.0.0.0", False), ("::", False)],
)
def test_loopback(address: str, loopback: bool) -> None:
    assert jupyter_listeners.is_loopback(address) is loopback


def test_who_listens_is_found_on_this_machine() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        (holder,) = jupyter_host.holders(port)
        assert (holder["address"], holder["pid"]) == ("127.0.0.1", os.getpid())
        assert "python" in holder["program"] or "pytest" in holder["program"]
        assert [s.port for s in jupyter_host.listening_of(os.getpid()) if s.port == port] == [port]
    assert jupyter_host.holders(port) == []


def test_taken_port_is_one_sentence() -> None:
    holder = {"address": "0.0.0.0", "user": "ubuntu", "pid": 77, "program": "jupyter notebook --ip=0.0.0.0"}
    told = jupyter_listeners.taken(8888, [holder])
    assert "taken on 0.0.0.0 by process 77 (jupyter notebook --ip=0.0.0.0) of user ubuntu" in told
    assert "kill 77" in told
    assert "jupyter_server_port" in told
    unseen = jupyter_listeners.taken(8888, [holder | {"pid": 0, "program": ""}])
    assert "a process of user ubuntu that cannot be seen from here" in unseen
    assert "kill" not in unseen


def test_the_unit_of_a_machine_without_systemd_is_unknown() -> None:
    assert jupyter_host.unit(lambda _command: (1, "", "no systemd"), "x")["state"] == "unknown"


def test_the_key_is_read_from_the_running_process() -> None:
    environment = {**os.environ, jupyter_host.KEY: "0123abcd"}
    pipe = subprocess.PIPE
    with subprocess.Popen(["cat"], env=environment, stdin=pipe, stdout=pipe, bufsize=0) as process:
        assert process.stdin
        assert process.stdout
        # The kernel knows a process's environment once it runs, which is a moment after it was started.
        process.stdin.write(b"there\n")
        assert process.stdout.readline() == b"there\n"
        said = f"LoadState=loaded\nActiveState=active\nMainPID={process.pid}\nResult=success\n"
        unit = jupyter_host.unit(lambda _command: (0, said, ""), "x")
    assert unit == {"loaded": True, "state": "active", "pid": process.pid, "result": "success", "key": "0123abcd"}


def test_names_that_a_certificate_does_not_cover() -> None:
    text = """
        X509v3 Subject Alternative Name:
            DNS:lab.example, IP Address:203.0.113.7, IP Address:2001:DB8:0:0:0:0:0:1, DNS:localhost
    """
    covered = ["203.0.113.7", "2001:db8::1", "LAB.example", "localhost"]
    assert jupyter_certificates.missing([*covered, "127.0.0.1", "example"], text) == ["127.0.0.1", "example"]


def test_settings_of_a_certificate() -> None:
    settings = jupyter_certificates.settings(["203.0.113.7", "localhost", "2001:DB8::1"])
    assert "subjectAltName = IP:203.0.113.7, DNS:localhost, IP:2001:db8::1\n" in settings
    assert "CA:FALSE" in settings

"""What the role leaves on a host, seen over ssh by its own login user."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import testinfra

STATE = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"]) / ".cache/molecule/jupyter_server"
TOKEN_FILE = "/home/ubuntu/.local/share/gpulab/notebook-token"
CONTENTS = "curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:8888/api/contents"


@pytest.fixture(scope="module")
def host() -> Any:
    return testinfra.get_host("ssh://jupyter-server", ssh_config=str(STATE / "ssh_config"))


def test_service_runs_as_the_login_user_and_at_every_start(host: Any) -> None:
    service = host.service("gpulab-jupyter")
    assert service.is_running
    assert service.is_enabled
    pid = host.check_output("systemctl show gpulab-jupyter --property=MainPID --value")
    assert host.check_output(f"ps -o user= -p {pid}") == "ubuntu"


def test_service_is_started_again_a_bounded_number_of_times(host: Any) -> None:
    shown = host.check_output(
        "systemctl show gpulab-jupyter --property=Restart,StartLimitBurst,StartLimitIntervalUSec,OOMPolicy"
    )
    assert set(shown.splitlines()) == {
        "Restart=on-failure",
        "StartLimitBurst=3",
        "StartLimitIntervalUSec=2min",
        "OOMPolicy=continue",
    }


def test_it_listens_on_loopback_alone(host: Any) -> None:
    assert host.check_output("ss -Hltn 'sport = :8888'").split()[3] == "127.0.0.1:8888"


def test_the_token_opens_it_and_nothing_else_does(host: Any) -> None:
    assert host.check_output(CONTENTS) == "403"
    assert host.check_output(f'{CONTENTS}?token=$(printf "%048d" 0)') == "403"
    assert host.check_output(f"{CONTENTS}?token=$(cat {TOKEN_FILE})") == "200"


def test_token_is_private_and_hashed_in_the_settings(host: Any) -> None:
    token = host.file(TOKEN_FILE)
    assert (token.user, token.mode) == ("ubuntu", 0o600)
    settings = host.file("/etc/gpulab/jupyter/config.py")
    assert (settings.user, settings.mode) == ("root", 0o644)
    assert token.content_string.strip() not in settings.content_string
    assert 'hashed_password = "sha256:' in settings.content_string


def test_a_killed_server_comes_back(host: Any) -> None:
    shown = "systemctl show gpulab-jupyter --property=MainPID --value"
    before = host.check_output(shown)
    host.check_output(f"kill -9 {before}")
    again = f'until [ "$({CONTENTS})" = 403 ]; do sleep 0.5; done; {shown}'
    assert host.check_output(f"timeout 120 sh -c '{again}'".replace("'%{http_code}'", '"%{http_code}"')) not in (
        before,
        "0",
    )

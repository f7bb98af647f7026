"""The role jupyter_server on a real host: who reaches the notebook, where its token is, and what its failures say."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest

from tests.environment import conftest
from tests.environment.conftest import Host
from tests.environment.notebook import ENVIRONMENT, TOKEN_FILE, Notebook, call

CONTENTS = "/api/contents?content=0"
PUBLIC = {"jupyter_access": "public", "jupyter_cidr": "10.0.0.0/8"}
BROKEN = "/opt/gpulab/notebook-broken"
COMPUTE = """
import json, pathlib, time, urllib.request
from jupyter_client import BlockingKernelClient
token = pathlib.Path.home().joinpath("TOKEN_FILE").read_text().strip()
request = urllib.request.Request("http://127.0.0.1:8888/api/kernels", b"{}", {"Authorization": "token " + token})
kernel = json.load(urllib.request.urlopen(request))["id"]
client = BlockingKernelClient()
client.load_connection_file(str(pathlib.Path.home() / f".local/share/jupyter/runtime/kernel-{kernel}.json"))
client.start_channels(hb=False)  # the heart beats for the server
client.wait_for_ready(60)
client.execute("import time; time.sleep(600)")
ask = urllib.request.Request(request.full_url, headers=request.headers)
while "busy" not in [k["execution_state"] for k in json.load(urllib.request.urlopen(ask))]:
    time.sleep(0.1)
"""
"""Starts a kernel that computes for as long as the tests may need it, and waits until the server knows."""

pytestmark = [pytest.mark.hosts, pytest.mark.slow]


@pytest.fixture(scope="module")
def notebook(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Notebook:
    """The role run for the first time, with all that Ansible can tell of it kept."""
    found = Notebook(host, tmp_path_factory.mktemp("notebook"))
    assert found.play("--check").ok().changed == {host.name: 1}
    assert host.run("test -e /etc/gpulab/jupyter").returncode == 1
    found.install()
    assert found.play("--check").ok()
    assert host.run(f"test -e ~/{TOKEN_FILE} || test -e /etc/gpulab/jupyter").returncode == 1
    log = found.work / "ansible.log"
    with pytest.MonkeyPatch.context() as patch:
        # What the fixture's environment keeps of the caller's is not enough for this.
        plain = conftest.environment
        patch.setattr(conftest, "environment", lambda: plain() | {"ANSIBLE_LOG_PATH": str(log)})
        run = found.play("-vvv", "--diff").ok()
    (found.work / "output.log").write_text(run.output)
    return found


def test_the_token_is_in_no_log(notebook: Notebook) -> None:
    token = notebook.token
    assert re.fullmatch("[0-9a-f]{48}", token)
    assert notebook.status(f"/?token={token}") == 302
    kept = {name: (notebook.work / name).read_text() for name in ("output.log", "ansible.log", "run/result.json")}
    kept |= {"journal": notebook.journal, "settings": notebook.host.sh("cat /etc/gpulab/jupyter/config.py")}
    kept["service"] = notebook.host.sh("cat /etc/systemd/system/gpulab-jupyter.service; ps -eo args")
    assert {name: text for name, text in kept.items() if token in text} == {}
    assert "TASK [jupyter_server : tell | Write it]" in kept["ansible.log"]
    assert "/?token=[" in kept["journal"]


def test_only_its_owner_can_read_the_token(notebook: Notebook) -> None:
    assert notebook.host.sh(f"stat -c '%a %U' ~/{TOKEN_FILE} ~/.local/share/gpulab").split("\n")[:2] == [
        "600 ubuntu",
        "700 ubuntu",
    ]
    (file,) = notebook.local.iterdir()
    assert file.name == f"{notebook.host.name}.url"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text() == f"http://127.0.0.1:8888/?token={notebook.token}\n"


def test_the_host_alone_reaches_it_and_only_with_the_token(notebook: Notebook) -> None:
    assert notebook.listening() == ["127.0.0.1:8888"]
    assert notebook.status(CONTENTS) == 403
    assert notebook.status(f"{CONTENTS}&token={'0' * 48}") == 403
    assert notebook.status(f"{CONTENTS}&token={notebook.token}") == 200


def test_the_result_for_the_report(notebook: Notebook) -> None:
    result = conftest.result(notebook.work / "run")
    assert re.fullmatch(r"4\.\d+\.\d+", result.pop("version"))
    assert result == {
        "access": "tunnel",
        "url": "http://127.0.0.1:8888/",
        "port": 8888,
        "service": "gpulab-jupyter",
        "generation": "jupyterlab",
    }


def test_a_port_in_use_says_by_whom(notebook: Notebook) -> None:
    before = notebook.pid
    notebook.host.sh("setsid python3 -m http.server 8899 > /dev/null 2>&1 < /dev/null &\nsleep 2")
    pid = notebook.host.sh("pgrep -f 'http.server 8899' | head -n 1").strip()
    run = notebook.play(jupyter_server_port=8899)
    notebook.host.sh(f"kill {pid}")
    run.refused(f"Port 8899 is taken on 0.0.0.0 by process {pid} (python3 -m http.server 8899) of user ubuntu", "kill")
    assert notebook.pid == before
    assert "8899" not in notebook.host.sh("cat /etc/gpulab/jupyter/config.py")


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        (PUBLIC | {"jupyter_cidr": "0.0.0.0/0"}, ["whole world", "-e allow_world=true"]),
        (PUBLIC | {"jupyter_server_tls": False}, ["jupyter_server_tls is false", "token in clear"]),
        (PUBLIC | {"jupyter_server_tls_certificate": "/nowhere.pem"}, ["/nowhere.pem", "give both or none"]),
    ],
    ids=["the world", "no TLS", "half a certificate"],
)
def test_public_access_is_refused(notebook: Notebook, variables: dict[str, object], words: list[str]) -> None:
    before = notebook.pid
    notebook.play(**variables).refused(*words)
    assert notebook.listening() == ["127.0.0.1:8888"]
    assert notebook.pid == before


def test_public_access_is_encrypted_and_ends_with_the_tunnel(notebook: Notebook, tmp_path: Path) -> None:
    address = notebook.host.sh("hostname -I").split()[0]
    notebook.play(**PUBLIC, jupyter_server_public_name=address).ok()
    certificate = tmp_path / "certificate.pem"
    certificate.write_text(notebook.host.sh("cat /etc/gpulab/jupyter/certificate.pem"))
    url = f"https://{address}:8888{CONTENTS}"
    assert call(url, certificate) == 403
    assert call(f"{url}&token={notebook.token}", certificate) == 200
    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
        call(url)
    with pytest.raises(OSError, match=r"reset|disconnected|closed|Remote end"):
        call(url.replace("https", "http"))
    assert notebook.host.sh("stat -c '%a %U' /etc/gpulab/jupyter/key.pem").strip() == "400 ubuntu"
    assert notebook.play(**PUBLIC, jupyter_server_public_name=address).ok().changed == {notebook.host.name: 0}
    notebook.play().ok()
    assert notebook.listening() == ["127.0.0.1:8888"]


def test_what_computes_is_not_interrupted_unless_asked(notebook: Notebook) -> None:
    notebook.host.sh(f"{ENVIRONMENT}/bin/python - <<'END'\n{COMPUTE.replace('TOKEN_FILE', TOKEN_FILE)}\nEND")
    before, token = notebook.pid, notebook.token
    notebook.play(jupyter_server_rotate_token=True).refused("computes", "jupyter_server_interrupt=true")
    assert notebook.token == token
    notebook.play(jupyter_server_allow_sudo=False).refused("computes", "jupyter_server_interrupt=true")
    assert notebook.pid == before
    notebook.play(jupyter_server_rotate_token=True, jupyter_server_interrupt=True).ok()
    assert notebook.pid != before
    assert notebook.token != token
    assert notebook.status(f"{CONTENTS}&token={token}") == 403


def test_a_server_that_dies_shows_its_journal_and_the_next_run_starts_again(notebook: Notebook) -> None:
    site = f"{BROKEN}/lib/python3.11/site-packages"
    notebook.host.sh(f"sudo install -d -o ubuntu {BROKEN} && mkdir -p {BROKEN}/bin {site}")
    notebook.host.sh(f"mkdir {site}/jupyterlab-4.6.6.dist-info {site}/jupyter_server-2.21.1.dist-info")
    notebook.host.sh(f"printf '#!/bin/sh\\necho a plug is missing >&2\\nexit 3\\n' > {BROKEN}/bin/python")
    notebook.host.sh(f"chmod +x {BROKEN}/bin/python")
    run = notebook.play(jupyter_server_environment=BROKEN)
    run.refused("The notebook server does not stay up")
    assert run.flat.count("a plug is missing") >= 3
    assert "Start request repeated too quickly" in run.flat
    notebook.play().ok()
    assert notebook.status(CONTENTS) == 403

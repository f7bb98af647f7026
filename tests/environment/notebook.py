"""A notebook server on a test host: an environment that has JupyterLab, the role, and calls as a browser makes them."""

from __future__ import annotations

import shlex
import ssl
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import HTTPSHandler, ProxyHandler, build_opener

from tests.environment.conftest import Host
from tests.support.playbook import Run

ENVIRONMENT = "/opt/gpulab/notebook-test"
TOKEN_FILE = ".local/share/gpulab/notebook-token"
FORGOTTEN = "c.NotebookApp.ip = c.ServerApp.ip = '0.0.0.0'"
"""What a user of the course's page may still have in a settings file of ~/.jupyter."""
SETTINGS_FILES = (
    "jupyter_config.py",
    "jupyter_lab_config.py",
    "jupyter_notebook_config.py",
    "jupyter_server_config.py",
)


class Notebook:
    """The role jupyter_server on a host. `local`: where the role keeps the address on this machine."""

    def __init__(self, host: Host, work: Path) -> None:
        self.host, self.work, self.local = host, work, work / "local"

    def install(self) -> None:
        """Make the environment, once: Python's own, with the modern profile's wheels; conda is tested elsewhere."""
        if self.host.run(f"test -e {ENVIRONMENT}/bin/jupyter-lab").returncode == 0:
            return
        folder, pip = shlex.quote(ENVIRONMENT), f"{ENVIRONMENT}/bin/pip"
        server = self.host.mirror.split("/")[2].split(":")[0]
        source = f"--no-index --find-links={self.host.mirror}/wheels-modern/ --trusted-host={server}"
        self.host.sh(
            f"sudo install -d -o ubuntu {folder} && python3 -m venv {folder}"
            f" && {pip} install --quiet --no-compile --disable-pip-version-check {source} jupyterlab ipykernel"
        )
        self.host.sh("mkdir -p ~/.jupyter")
        for name in SETTINGS_FILES:
            self.host.sh(f'echo "{FORGOTTEN}" > ~/.jupyter/{name}')

    def play(self, *arguments: str, **variables: Any) -> Run:
        """Run the role."""
        given = {"jupyter_server_environment": ENVIRONMENT, "jupyter_server_local_dir": str(self.local)}
        return self.host.play("jupyter_server", self.work / "run", *arguments, **given | variables)

    @property
    def token(self) -> str:
        """The token, as its owner reads it on the host."""
        return self.host.sh(f"cat ~/{TOKEN_FILE}").strip()

    @property
    def pid(self) -> str:
        """The server's process."""
        return self.host.sh("systemctl show gpulab-jupyter --property=MainPID --value").strip()

    @property
    def journal(self) -> str:
        """All that the service has logged."""
        return self.host.sh("sudo journalctl --unit gpulab-jupyter --no-pager --output cat")

    def listening(self, port: int = 8888) -> list[str]:
        """Addresses that somebody listens on at a port, as ss prints them."""
        return sorted(line.split()[3] for line in self.host.sh(f"ss -Hltn 'sport = :{port}'").splitlines())

    def status(self, path: str) -> int:
        """The answer's status when the host itself calls its server."""
        return int(self.host.sh(f"curl -s -o /dev/null -w '%{{http_code}}' 'http://127.0.0.1:8888{path}'"))


def call(url: str, trusted: Path | None = None) -> int:
    """The status of a GET from this machine. trusted: the certificate (PEM) it has to meet. Raises OSError."""
    context = ssl.create_default_context(cafile=trusted)
    try:
        opener = build_opener(ProxyHandler({}), HTTPSHandler(context=context))
        return int(opener.open(url, timeout=20).status)
    except HTTPError as error:
        return error.code

"""A small environment for tests: Python, pip and a few pure packages, with the hashes of the real lock."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible_collections.gpulab.core.plugins.module_utils import environment_names

from tests.environment.conftest import REQUIREMENTS, ROOT, Host, result
from tests.support.playbook import Run

CONDA = ("python =3.11", "pip")
PIP = ("tqdm", "six")


class Small:
    """An environment `name` on a host, and the variables that make it; change them for another one."""

    def __init__(self, host: Host, work: Path, name: str, root: str = ROOT) -> None:
        self.host, self.work, self.name, self.root = host, work, name, root
        self.variables: dict[str, Any] = {"conda_env_imports": ["tqdm"], "conda_env_megabytes": 100}
        self.contains()

    @property
    def link(self) -> str:
        """The environment's name on the host."""
        return f"{self.root}/envs/{self.name}"

    def contains(self, conda: tuple[str, ...] = CONDA, pip: tuple[str, ...] = PIP) -> None:
        """Set what is to be in it: conda specs, and names of the real lock."""
        blocks = environment_names.blocks(REQUIREMENTS.read_text())
        self.requires("".join(blocks[name] for name in pip))
        self.work.mkdir(parents=True, exist_ok=True)
        (self.work / "environment.yml").write_text(json.dumps({"name": self.name, "dependencies": list(conda)}))
        self.variables["conda_env_file"] = str(self.work / "environment.yml")

    def requires(self, text: str) -> None:
        """Set pip's lock."""
        self.work.mkdir(parents=True, exist_ok=True)
        (self.work / "requirements.txt").write_text(text)
        self.variables["conda_env_requirements"] = str(self.work / "requirements.txt")

    def play(self, *arguments: str, **variables: Any) -> Run:
        """Run the role for it."""
        together = {"gpulab_environment": self.link, **self.variables, **variables}
        return self.host.play("conda_env", self.work / "run", *arguments, **together)

    @property
    def result(self) -> dict[str, Any]:
        """The fact conda_env_result of the last run that succeeded."""
        return result(self.work / "run")

    @property
    def target(self) -> str:
        """What the name stands for; it has to be an environment whose Python runs."""
        return self.host.sh(f"{self.link}/bin/python -c '' && readlink {self.link}").strip()

    @property
    def folders(self) -> list[str]:
        """All folders and links of environments of this name."""
        return self.host.sh(f"cd {self.root}/envs && ls -d {self.name} {self.name}-*").split()

    def version(self, package: str) -> str:
        """Version of a package in it, "" when it is not there."""
        code = f'from importlib.metadata import version; print(version("{package}"))'
        return self.host.run(f"{self.link}/bin/python -c '{code}'").stdout.strip()

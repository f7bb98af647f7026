"""The environment of the profile `modern` as the login user sees it, over ssh."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import testinfra

STATE = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"]) / ".cache/molecule/conda_env"
ENVS = "/opt/gpulab/conda/envs"


@pytest.fixture(scope="module")
def host() -> Any:
    return testinfra.get_host("ssh://conda-env", ssh_config=str(STATE / "ssh_config"))


@pytest.fixture(scope="module")
def result() -> Any:
    return json.loads((STATE / "result.json").read_text())


def test_the_courses_own_words_work(host: Any) -> None:
    code = "import torch, cv2, tqdm, matplotlib; print(torch.__version__)"
    said = host.check_output(f"bash -lc \"source activate carnd-term1 && python -c '{code}'\"")
    assert said == "2.13.0+cpu"


def test_the_role_says_what_imports(result: dict[str, Any]) -> None:
    assert {"torch", "cv2", "tqdm", "matplotlib", "pandas", "sklearn"} <= set(result["imports"])
    assert result["imports"]["torch"] == "2.13.0+cpu"
    assert (result["name"], result["profile"], result["build"]) == ("carnd-term1", "modern", "cpu")
    assert (result["extras"], result["fixed"]) == ([], [])
    assert result["packages"]["pip"] > 100


def test_the_name_is_a_link_to_one_whole_environment(host: Any) -> None:
    target = host.file(f"{ENVS}/carnd-term1").linked_to
    assert sorted(host.file(ENVS).listdir()) == ["carnd-term1", Path(target).name]
    marker = json.loads(host.file(f"{target}/gpulab.json").content_string)
    assert marker["key"].startswith(target.rsplit("-", 1)[-1])
    assert marker["pip"]["torch"] == "2.13.0+cpu"


def test_it_belongs_to_the_login_user(host: Any) -> None:
    assert host.file(f"{ENVS}/carnd-term1/lib").user == "ubuntu"
    assert host.run(f"{ENVS}/carnd-term1/bin/pip check").rc == 0


def test_what_is_not_needed_any_more_is_not_there(host: Any) -> None:
    # pip's cache would be a second copy of PyTorch.
    assert not host.file("/home/ubuntu/.cache/pip").exists


def test_command_that_makes_packages_is_for_all(host: Any) -> None:
    assert host.file("/opt/gpulab/conda/bin/micromamba").mode == 0o755
    assert host.file("/etc/profile.d/gpulab-conda.sh").user == "root"

"""The first host, and what it has measured."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import testinfra

STATE = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"]) / ".cache/molecule/gpu_benchmark"
FOLDER = "/opt/gpulab/benchmark"


@pytest.fixture(scope="session")
def host() -> Any:
    """The first host, over ssh."""
    return testinfra.get_host("ssh://gpu-benchmark", ssh_config=str(STATE / "ssh_config"))


@pytest.fixture(scope="session")
def results(host: Any) -> list[dict[str, Any]]:
    """What its trainings wrote: converge.yml's, and the one of prepare.yml that was cut off."""
    files = host.check_output(f"ls {FOLDER}/results/*.json").split()
    assert len(files) == 2
    return [json.loads(host.file(file).content_string) for file in files]


@pytest.fixture(scope="session")
def result(results: list[dict[str, Any]]) -> dict[str, Any]:
    """The only one that was not cut off."""
    (whole,) = (one for one in results if "interrupted" not in one)
    return whole

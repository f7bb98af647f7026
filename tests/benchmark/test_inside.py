"""The benchmark's tests that train: run by a Python that has PyTorch, file by file, none skipped."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from rehearsal import settings
from tests.benchmark import torch_environment

INSIDE = Path(__file__).parent / "inside"


@pytest.fixture(scope="module")
def python() -> Path:
    return torch_environment.interpreter()


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(path.name for path in INSIDE.glob("test_*.py")))
def test_with_torch(python: Path, name: str) -> None:
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "PYTHON"))}
    where = {
        "PYTHONPATH": f"{settings.ROOT / 'roles/gpu_benchmark/files'}:{settings.ROOT}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "GPUBENCH_DATA": str(settings.MIRROR / "mnist"),
    }
    # Its own rootdir and conftest: the project's need packages that this interpreter has not.
    options = ["-q", "-rs", "-p", "no:cacheprovider", "-c", os.devnull, f"--rootdir={INSIDE}", f"--confcutdir={INSIDE}"]
    done = subprocess.run(
        [python, "-W", "ignore", "-m", "pytest", *options, INSIDE / name],
        cwd=settings.ROOT,
        env=clean | where,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert re.search(r"^\d+ passed in ", done.stdout, flags=re.MULTILINE), done.stdout

"""The whole journey in a fresh clone with another Python, which goes on beside other tests."""

from __future__ import annotations

import platform
import subprocess

import pytest

from tests.end_to_end.test_rehearse import check
from tests.support.journey import Journey

pytestmark = [pytest.mark.hosts, pytest.mark.slow]


def test_a_fresh_clone_with_another_python(journey_with_another_python: Journey | None) -> None:
    if journey_with_another_python is None:
        pytest.skip("this machine has only one supported Python")
    output = journey_with_another_python.wait()
    check(journey_with_another_python.clone, output, epochs=1, labs={"LeNet-Lab"})
    ansible = journey_with_another_python.clone / ".venv/bin/ansible"
    versions = subprocess.run([ansible, "--version"], capture_output=True, text=True, check=True).stdout
    assert f"python version = {platform.python_version()} " not in versions
    print(versions.splitlines()[0])

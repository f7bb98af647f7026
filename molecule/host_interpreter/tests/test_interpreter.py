"""A host whose own Python is too old has the pinned one beside it, and nothing else of it has changed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import testinfra

SSH_CONFIG = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"]) / ".cache/molecule/host_interpreter/ssh_config"


@pytest.fixture(scope="module")
def host() -> Any:
    return testinfra.get_host("ssh://host-interpreter", ssh_config=str(SSH_CONFIG))


def test_the_python_that_was_brought_works(host: Any) -> None:
    assert host.run("/opt/gpulab/python/bin/python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))'").rc == 0


def test_the_hosts_own_python_is_as_it_was(host: Any) -> None:
    assert host.run("/usr/bin/python3 -c pass").rc == 1


def test_no_download_is_left(host: Any) -> None:
    assert host.check_output("ls -d /tmp/tmp.*/archive 2>/dev/null | wc -l") == "0"

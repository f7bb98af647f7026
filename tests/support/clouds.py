"""Fixtures for playbooks: an embedded AWS without hosts, and deployments that do not know of each other.

tests/conftest.py hands them out, so that all folders of tests share one cloud.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal import session
from tests.support.aws import Cloud
from tests.support.playbook import Deployment


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """One for all tests: they are kept apart by the names of their deployments."""
    state = tmp_path_factory.mktemp("cloud") / "state"
    yield Cloud(session.up(state=state, hosts=False)["url"])
    session.down(state)


@pytest.fixture(scope="module")
def shared(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """One deployment for all tests of a module."""
    yield from deployed(cloud, tmp_path_factory.mktemp("home"))


@pytest.fixture
def deployment(cloud: Cloud, tmp_path: Path) -> Iterator[Deployment]:
    """A deployment of the test's own, a log without calls, and no faults."""
    home = tmp_path / "home"
    home.mkdir()
    cloud.forget()
    yield from deployed(cloud, home)
    cloud.forget()


def deployed(cloud: Cloud, home: Path) -> Iterator[Deployment]:
    """Yield a deployment of a new name; its files are removed in the end."""
    made = Deployment(f"test-{uuid.uuid4().hex[:8]}", cloud, home)
    yield made
    made.remove_files()
    # Every test that plays a playbook is also the test that none writes to the user's home folder.
    assert sorted(home.rglob("*")) == []

"""--check changes nothing: not in AWS, not in the clone."""

from __future__ import annotations

import pytest

from tests.support.playbook import Deployment


def test_provision_on_an_empty_account(deployment: Deployment):
    run = deployment.play("provision", "--check").ok()
    assert run.changed["localhost"] > 0, "it should tell what a real run would do"
    assert "$0.5" in run.flat
    assert "an hour" in run.flat
    assert deployment.cloud.writes() == []
    assert not deployment.local.exists()
    assert not deployment.reports.exists()


@pytest.fixture(scope="module")
def made(shared: Deployment) -> Deployment:
    """A deployment with a running host."""
    shared.make()
    return shared


@pytest.mark.parametrize("book", ["provision", "status", "start", "stop", "teardown"])
def test_on_a_deployment_that_exists(made: Deployment, book: str):
    before = _files(made)
    made.cloud.forget()
    run = made.play(book, "--check", *(["--limit", "localhost"] if book == "provision" else [])).ok()
    assert made.cloud.calls("DescribeInstances")
    assert made.cloud.writes() == []
    assert _files(made) == before
    assert not made.reports.exists()
    # The host is up and as it should be, so only these have something to do (and provision writes its ssh config).
    assert (run.changed["localhost"] > 0) is (book in ("provision", "stop", "teardown"))


def _files(deployment: Deployment) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in deployment.local.iterdir()}

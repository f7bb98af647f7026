"""Fixtures: the embedded AWS, with and without a reconciler to wait for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.rehearsal.lab import Lab, serve


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A cloud whose instances are up as soon as they run."""
    yield from serve(with_hosts=False)


@pytest.fixture
def hosted() -> Iterator[Lab]:
    """A cloud that waits for a reconciler's reports; the test plays the reconciler."""
    yield from serve(with_hosts=True)

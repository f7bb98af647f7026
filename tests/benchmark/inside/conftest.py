"""Real MNIST, in small helpings."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from gpubench.courses import COURSES, Split


@pytest.fixture(scope="session")
def mnist() -> Path:
    """The folder with the four files."""
    return Path(os.environ["GPUBENCH_DATA"])


@pytest.fixture(scope="session")
def some(mnist: Path) -> Callable[[str, int], Split]:
    """The first images of a course's training set."""
    whole = {name: course.load(mnist)["train"] for name, course in COURSES.items()}
    return lambda name, count: Split(whole[name].images[:count].clone(), whole[name].labels[:count].clone())


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Threads that wait for each other would make these tests depend on what else runs."""
    torch.set_num_threads(1)

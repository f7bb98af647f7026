"""The order of the tests, what is built beside them, and the option --vm."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.checkers import SlowCheckers

# Fixtures: pytest finds them by being imported here, and nothing names them.
from tests.support.clouds import cloud, deployment, shared  # noqa: F401
from tests.support.journey import Journey, another_python
from tests.support.planning import deployment_without_quota  # noqa: F401

# How long an example takes is this machine's business, and no reason to fail.
settings.register_profile("gpulab", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("gpulab")

ROOT = Path(__file__).resolve().parents[1]
# What fails in seconds comes first, then what measures speed, while nothing else runs; what waits for the driver hosts'
# images, minutes of compiling, comes last.
ORDER = ("unit", "lint", "benchmark", "playbooks", "faults", "crash", "end_to_end")
ORDER += ("molecule", "environment", "driver", "vm")
# Goes on beside the tests between, which wait for hosts more than they compute.
BACKGROUND = "test_another_python.py"
# Nothing that this journey is for depends on how long the host trains. As talkative as can be, it also shows that no
# playbook tells a secret.
SHORT = ("-vvv", "-e", "gpu_benchmark_epochs=1", "-e", '{"course_labs_only": ["LeNet-Lab"]}')


def folder(item: pytest.Item) -> str:
    """The folder below tests/ that a test is in."""
    return item.path.relative_to(ROOT / "tests").parts[0]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option; without it the tests in a virtual machine are skipped: they take minutes and need QEMU."""
    parser.addoption("--vm", action="store_true", help="also run the tests in a virtual machine (bin/test --vm)")


def pytest_configure() -> None:
    """Let what the tests start be ended by SIGINT, also where a shell's background has made this process ignore it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the tests in order, and skip what is marked `vm` unless it was asked for."""
    items.sort(key=lambda item: ORDER.index(folder(item)) + 10 * (item.path.name == BACKGROUND))
    if config.getoption("--vm"):
        return
    for item in items:
        if item.get_closest_marker("vm"):
            item.add_marker(pytest.mark.skip(reason="needs a virtual machine, for minutes: bin/test --vm"))


@pytest.fixture(scope="session")
def slow_checkers() -> Iterator[SlowCheckers]:
    """ansible-lint and mypy, under way."""
    checkers = SlowCheckers()
    yield checkers
    checkers.end()


@pytest.fixture(autouse=True)
def _beside_the_unit_tests(request: pytest.FixtureRequest) -> None:
    """Begin the slow checkers with the unit tests, which use one core."""
    if folder(request.node) == "unit" and "lint" in {folder(item) for item in request.session.items}:
        request.getfixturevalue("slow_checkers")


@pytest.fixture(scope="session")
def images_of_driver_hosts(request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[bytes] | None]:
    """Build the driver hosts' images beside the tests that come before theirs, with what the processors have to spare.

    Whoever needs an image waits for the lock of this build, and says why when it fails.
    """
    folders = {folder(item) for item in request.session.items}
    if not {"driver", "playbooks"} <= folders:
        yield None
        return
    command = ["nice", "-n", "19", sys.executable, "-m", "tests.driver.image"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as build:
        yield build
        build.terminate()


@pytest.fixture(scope="session")
def journey_with_another_python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey | None]:
    """A journey in a fresh clone, under way; None where this machine has only one supported Python."""
    python = another_python()
    journey = Journey(tmp_path_factory.mktemp("another"), python, *SHORT) if python else None
    yield journey
    if journey:
        journey.end()


@pytest.fixture(autouse=True)
def _beside_the_journey(request: pytest.FixtureRequest) -> None:
    """Begin the journey with the molecule scenarios: nothing else looks at what is on this machine then."""
    chosen = {item.path.name for item in request.session.items}
    if folder(request.node) == "molecule" and BACKGROUND in chosen:
        request.getfixturevalue("journey_with_another_python")


@pytest.fixture(autouse=True)
def _beside_the_build(request: pytest.FixtureRequest) -> None:
    """Begin the build with the playbook tests, which wait more than they compute; end it before the end-to-end tests.

    Those look for what is left on this machine, and some unit tests for what is left in the cache.
    """
    if folder(request.node) in ("playbooks", "end_to_end"):
        build = request.getfixturevalue("images_of_driver_hosts")
        if build and folder(request.node) == "end_to_end":
            build.wait()

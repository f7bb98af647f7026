"""docs/faults.md tells which test shows each fault, and each of these tests exists."""

from __future__ import annotations

import ast
import re

from rehearsal import settings

PROMISED = range(1, 30)
# What needs a host is tested where there is one.
PLACES = ("tests/faults/test_*.py", "molecule/*/tests/test_*.py")


def written() -> set[str]:
    """The names of all test functions that are named after a fault."""
    found: set[str] = set()
    for path in (path for place in PLACES for path in settings.ROOT.glob(place)):
        functions = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)]
        found |= {f"{path.name}::{node.name}" for node in functions if node.name.startswith("test_fault_")}
    return found


def listed() -> dict[int, set[str]]:
    """The tests that docs/faults.md names in the row of each fault."""
    rows = re.findall(r"^\| (\d+) \|(.*)$", (settings.ROOT / "docs/faults.md").read_text(), re.MULTILINE)
    return {int(number): set(re.findall(r"`(test_\w+\.py::test_\w+)`", row)) for number, row in rows}


def test_every_fault_has_a_test_and_the_page_names_it() -> None:
    assert sorted(listed()) == list(PROMISED)
    assert set().union(*listed().values()) == written()
    for number, tests in listed().items():
        assert tests, f"no test for fault {number}"
        assert all(f"::test_fault_{number:02}_" in test for test in tests), tests

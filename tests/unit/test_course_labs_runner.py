"""The program that executes notebooks: the parts that need no Jupyter, and the notebooks that ship with the role."""

from __future__ import annotations

import ast
import importlib.util
import json
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

FILES = Path(__file__).resolve().parents[2] / "roles/course_labs/files"
NOTEBOOKS = sorted(FILES.glob("labs/*.ipynb"))


@pytest.fixture(scope="module")
def runner() -> ModuleType:
    spec = importlib.util.spec_from_file_location("run_notebook", FILES / "run_notebook.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def cell(kind: str, source: str, *tags: str, outputs: tuple[Any, ...] = ()) -> SimpleNamespace:
    return SimpleNamespace(
        cell_type=kind, source=source, metadata={"tags": list(tags)} if tags else {}, outputs=outputs
    )


class Output(SimpleNamespace):
    def __contains__(self, name: str) -> bool:
        return hasattr(self, name)


@pytest.mark.parametrize(
    ("source", "head"),
    [
        ("\n# Load the data\n%matplotlib inline\nx = 1\ny = 2", "x = 1"),
        ("# only a comment", "# only a comment"),
        ("!ls", "!ls"),
        ("", ""),
    ],
)
def test_head_is_the_first_line_of_code(runner: ModuleType, source: str, head: str) -> None:
    assert runner.head(source) == head


def test_parameters_become_assignments_that_python_reads_back(runner: ModuleType) -> None:
    given = {"epochs": 3, "rate": 0.1, "name": 'it\'s "quoted"', "flag": True, "nothing": None, "deep": {"a": [1]}}
    namespace: dict[str, Any] = {}
    exec(runner.parameter_source(given), namespace)
    assert {name: namespace[name] for name in given} == given


def test_parameter_that_is_no_name_is_refused(runner: ModuleType) -> None:
    with pytest.raises(ValueError, match="is no name of a Python variable"):
        runner.parameter_source({"x; import os": 1})


def test_parameters_go_behind_the_tagged_cell(runner: ModuleType) -> None:
    notebook = SimpleNamespace(
        cells=[cell("code", "import"), cell("code", "epochs = 1", "parameters"), cell("code", "go")]
    )
    runner.inject(notebook, cell("code", "new"))
    assert [c.source for c in notebook.cells] == ["import", "epochs = 1", "new", "go"]


def test_without_a_tag_they_go_before_the_first_code_cell(runner: ModuleType) -> None:
    notebook = SimpleNamespace(cells=[cell("markdown", "# Title"), cell("code", "go")])
    runner.inject(notebook, cell("code", "new"))
    assert [c.source for c in notebook.cells] == ["# Title", "new", "go"]


def test_shown_text_is_streams_and_results_without_colours(runner: ModuleType) -> None:
    outputs = (
        Output(output_type="stream", text="\x1b[1mloss\x1b[0m 1\n"),
        Output(output_type="execute_result", data={"text/plain": "0.5"}),
        Output(output_type="error", ename="E"),
    )
    assert runner.shown_text([cell("markdown", "x"), cell("code", "y", outputs=outputs)]) == "loss 1\n\n0.5"


@pytest.mark.parametrize(
    ("text", "pattern", "value"),
    [
        ("Test Accuracy = 0.987", r"Test Accuracy = ([0-9.]+)", 0.987),
        ("acc 0.1\nacc 0.2", r"acc ([0-9.]+)", 0.2),
        ("Test Accuracy (Overall): 98% (9831/10000)", r"\(Overall\): +\d+% \( *(\d+)/ *(\d+)\)", 0.9831),
    ],
)
def test_value_is_the_last_match_or_a_quotient(runner: ModuleType, text: str, pattern: str, value: float) -> None:
    assert runner.find_values(text, {"accuracy": pattern}) == {"accuracy": value}


def test_value_that_is_not_shown_is_left_out(runner: ModuleType) -> None:
    assert runner.find_values("nothing", {"accuracy": "acc (1)"}) == {}


@pytest.mark.parametrize(
    ("values", "limits", "missed"),
    [
        ({"a": 0.98}, {"minimum": 0.98}, []),
        ({"a": 0.97}, {"minimum": 0.98}, ["a is 0.97, expected at least 0.98"]),
        ({"a": 2.0}, {"maximum": 1}, ["a is 2, expected at most 1"]),
        ({"a": float("nan")}, {"minimum": 0.98}, ["a is nan, expected at least 0.98"]),
        ({}, {"minimum": 0.98}, ["no output gives a"]),
    ],
)
def test_assertions(runner: ModuleType, values: dict[str, float], limits: dict[str, float], missed: list[str]) -> None:
    assert runner.judge(values, {"a": limits}) == missed


@pytest.mark.parametrize("file", sorted(FILES.glob("*.py")), ids=lambda file: file.name)
def test_programs_are_written_for_python_3_6(file: Path) -> None:
    ast.parse(file.read_text(), feature_version=(3, 6))


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.name)
def test_shipped_notebook_is_clean_and_small(file: Path) -> None:
    notebook = json.loads(file.read_text())
    code = [c for c in notebook["cells"] if c["cell_type"] == "code"]
    assert {(str(c["outputs"]), c["execution_count"]) for c in code} == {("[]", None)}
    assert [c for c in code if "parameters" in c["metadata"].get("tags", [])]
    assert len({c["id"] for c in notebook["cells"]}) == len(notebook["cells"])
    assert max(len(c["source"]) for c in code) <= 30, "long cells teach little"
    assert file.stat().st_size < 20_000
    for c in code:
        ast.parse("".join(line for line in c["source"] if not line.startswith("%")))


def test_both_labs_ship() -> None:
    assert [file.name for file in NOTEBOOKS] == ["LeNet-Lab.ipynb", "MNIST-MLP.ipynb"]

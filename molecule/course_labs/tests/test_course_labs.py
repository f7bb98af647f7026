"""What the role leaves on a host, and on the control machine."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import testinfra

STATE = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"]) / ".cache/molecule/course_labs"
NOTEBOOKS = "/home/ubuntu/notebooks"
LABS = {"LeNet-Lab": 0.98, "MNIST-MLP": 0.97}


@pytest.fixture(scope="module")
def host() -> Any:
    return testinfra.get_host("ssh://course-labs", ssh_config=str(STATE / "ssh_config"))


@pytest.mark.parametrize("lab", LABS)
def test_lab_was_executed_and_its_accuracy_read(host: Any, lab: str) -> None:
    result = json.loads(host.file(f"/opt/gpulab/labs/{lab}/result.json").content_string)
    assert result["passed"] is True
    assert LABS[lab] <= result["values"]["accuracy"] < 1
    notebook = json.loads(host.file(f"{NOTEBOOKS}/{lab}/outputs/{lab}.ipynb").content_string)
    ran = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in ran] == list(range(1, result["cells"] + 1))
    shown = "".join(str(output.get("text", "")) for cell in ran for output in cell["outputs"])
    assert f"Test Accuracy = {result['values']['accuracy']:.4f}" in shown


@pytest.mark.parametrize("lab", LABS)
def test_users_notebook_is_clean_and_the_users(host: Any, lab: str) -> None:
    file = host.file(f"{NOTEBOOKS}/{lab}/{lab}.ipynb")
    cells = json.loads(file.content_string)["cells"]
    assert [cell for cell in cells if cell.get("outputs")] == []
    assert file.user == host.file(f"{NOTEBOOKS}/{lab}/outputs").user == "ubuntu"


@pytest.mark.parametrize("lab", LABS)
def test_pages_and_notebooks_were_fetched(lab: str) -> None:
    page = (STATE / f"reports/{lab}.html").read_text()
    assert page.count("data:image/png;base64,") >= 2
    assert "Test Accuracy = " in page
    assert json.loads((STATE / f"reports/{lab}.ipynb").read_text())["nbformat"] == 4


def test_labs_share_one_copy_of_the_data(host: Any) -> None:
    for lab in LABS:
        link = host.file(f"{NOTEBOOKS}/{lab}/data/train-images-idx3-ubyte")
        assert link.linked_to == "/opt/gpulab/labs/mnist/train-images-idx3-ubyte"


def test_nothing_runs_on(host: Any) -> None:
    assert host.run("pgrep --full 'run_notebook|ipykernel'").stdout == ""

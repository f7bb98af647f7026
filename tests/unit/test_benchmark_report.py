"""The module benchmark_report, run as Ansible runs it, on hand-made fake documents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.gpulab.core.plugins.module_utils.benchmark_picture import picture
from ansible_collections.gpulab.core.plugins.modules import benchmark_report

from tests.unit.benchmark_documents import both, cpu_only, document, run


@pytest.fixture
def asked(tmp_path: Path) -> dict[str, Any]:
    """Parameters of a host in AWS that should have a GPU."""
    return {"dest": str(tmp_path / "reports/gpu-1-benchmark.json"), "gpu_expected": True, "real": True}


def report(capsys: pytest.CaptureFixture[str], parameters: dict[str, Any], check: bool = False) -> dict[str, Any]:
    with patch_module_args(parameters | {"_ansible_check_mode": check}), pytest.raises(SystemExit):
        benchmark_report.main()
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def test_it_writes_report_and_picture_once(capsys: pytest.CaptureFixture[str], asked: dict[str, Any]) -> None:
    asked["result"] = both()
    told = report(capsys, asked)
    assert (told["changed"], told["verdict"]) == (True, "verified")
    assert Path(told["picture"]) == Path(asked["dest"]).with_suffix(".svg")
    assert Path(told["picture"]).read_text() == picture(both())
    written = json.loads(Path(told["report"]).read_text())
    assert written["benchmark"] == both()
    assert {name: written[name] for name in ("verdict", "reasons", "sentence")} == {
        name: told[name] for name in ("verdict", "reasons", "sentence")
    }
    assert report(capsys, asked)["changed"] is False
    assert {file.name for file in Path(asked["dest"]).parent.iterdir()} == {
        "gpu-1-benchmark.json",
        "gpu-1-benchmark.svg",
    }


def test_check_mode_judges_and_writes_nothing(capsys: pytest.CaptureFixture[str], asked: dict[str, Any]) -> None:
    told = report(capsys, asked | {"result": both()}, check=True)
    assert (told["changed"], told["verdict"]) == (True, "verified")
    assert not Path(asked["dest"]).parent.exists()


def test_another_result_changes_the_report(capsys: pytest.CaptureFixture[str], asked: dict[str, Any]) -> None:
    report(capsys, asked | {"result": both()})
    again = both() | {"finished": "2026-11-23T13:40:00Z"}
    assert report(capsys, asked | {"result": again})["changed"] is True


def test_least_speed_up_and_price_are_the_callers(capsys: pytest.CaptureFixture[str], asked: dict[str, Any]) -> None:
    told = report(capsys, asked | {"result": both(), "min_speedup": {"lenet": 5.1}})
    assert told["verdict"] == "failed"
    assert told["sentence"] == told["reasons"][0]
    priced = report(capsys, asked | {"result": both(), "usd_per_hour": 0.526})
    assert priced["sentence"].endswith(", for $0.526 an hour: worth it.")


def test_a_wrong_least_speed_up_is_one_sentence(capsys: pytest.CaptureFixture[str], asked: dict[str, Any]) -> None:
    told = report(capsys, asked | {"result": both(), "min_speedup": {"lenet": "fast"}})
    assert told["msg"].startswith("The least speed-up of 'lenet' is 'fast', expected a number above 0")


def test_no_result_is_failed_and_has_no_picture(capsys: pytest.CaptureFixture[str], asked: dict[str, Any]) -> None:
    told = report(capsys, asked)
    assert (told["verdict"], told["picture"]) == ("failed", "")
    assert json.loads(Path(asked["dest"]).read_text())["benchmark"] == {}


def test_not_a_number_is_written_as_null(capsys: pytest.CaptureFixture[str], asked: dict[str, Any]) -> None:
    lost = document(lenet={"cpu": run("lenet", 2.0, loss=float("nan"), losses=[0.4, float("nan")])})
    assert report(capsys, asked | {"result": lost})["verdict"] == "failed"
    assert "NaN" not in Path(asked["dest"]).read_text()


def test_a_folder_that_cannot_be_written_to_is_one_sentence(
    capsys: pytest.CaptureFixture[str], asked: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "reports").write_text("a file where the folder should be")
    told = report(capsys, asked | {"result": cpu_only()})
    assert told["failed"] is True
    assert "expected a folder to write to: set gpulab_reports_dir." in told["msg"]

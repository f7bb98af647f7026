"""The benchmark's history: what it keeps, what it compares with, and when it calls a difference a change."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

FILES = Path(__file__).parents[2] / "roles/gpu_benchmark/files"
STEADY = [2.00, 2.01, 2.02, 2.00, 2.01]


@pytest.fixture
def history(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(FILES))
    return importlib.import_module("gpubench.history")


def run(walls: list[float], **changed: Any) -> dict[str, Any]:
    """A run as the result document has it, with the fields that the history reads."""
    seconds = {"seconds_per_epoch": min(walls), "images_per_second": 55000 / min(walls), "walls": walls}
    return {"style": "direct", "epochs": len(walls), "threads": 2, "reliable": True} | seconds | changed


def document(finished: str = "2026-11-22T13:40:00Z", gpu: str | None = None, **nets: Any) -> dict[str, Any]:
    found = {"cuda": gpu is not None, "name": gpu, "count": int(gpu is not None)}
    about = {"version": 2, "torch": "2.13.0+cpu", "cpu_model": "Made-up CPU", "finished": finished}
    gpus = [{"name": gpu, "driver": "580.95.05"}] if gpu else []
    return {**about, "device_found": found, "gpus": gpus, **nets}


def lenet(walls: list[float], finished: str = "2026-11-22T13:40:00Z", **changed: Any) -> dict[str, Any]:
    return document(finished, lenet={"cpu": run(walls, **changed)})


def scaled(walls: list[float], factor: float) -> list[float]:
    return [wall * factor for wall in walls]


def only(found: list[dict[str, Any]]) -> dict[str, Any]:
    (change,) = found
    return change


def test_the_first_result_has_nothing_before_it_and_the_second_has(history: Any, tmp_path: Path) -> None:
    file = tmp_path / "folder/history.jsonl"
    first = lenet(STEADY, "2026-11-20T08:00:00Z")
    history.note(file, first)
    assert first["history"] == {"previous": None, "changes": []}
    second = lenet(scaled(STEADY, 1.3))
    history.note(file, second)
    before = {"finished": "2026-11-20T08:00:00Z", "seconds_per_epoch": {"lenet": {"cpu": 2.0}}}
    assert second["history"]["previous"] == before
    change = only(second["history"]["changes"])
    assert (change["net"], change["device"], change["beyond_noise"]) == ("lenet", "cpu", True)
    assert change["ratio"] == pytest.approx(1.3)
    assert change["sentence"].startswith(
        "LeNet-5 on the CPU takes 1.30 times as long per epoch as on 2026-11-20 (2.6 s now, 2 s then): see with top"
    )
    assert "changed" not in change["sentence"]  # the program is the same
    assert [line["finished"] for line in history.read(file)] == ["2026-11-20T08:00:00Z", "2026-11-22T13:40:00Z"]
    assert sorted(path.name for path in file.parent.iterdir()) == ["history.jsonl", "history.jsonl.lock"]


def test_a_faster_run_is_said_without_advice(history: Any) -> None:
    before = history.entry(lenet(STEADY, "2026-11-20T08:00:00Z"), "v")
    change = only(history.changes(before, lenet(scaled(STEADY, 0.5)), "v"))
    assert change["beyond_noise"]
    said = "LeNet-5 on the CPU takes 0.50 of the time per epoch of the run on 2026-11-20 (1 s now, 2 s then)."
    assert change["sentence"] == said


@pytest.mark.parametrize(
    ("then", "now", "beyond"),
    [
        (STEADY, scaled(STEADY, 1.04), False),  # quiet, but below the least noise
        (STEADY, scaled(STEADY, 1.08), True),
        (STEADY, scaled(STEADY, 0.92), True),
        ([2.0, 2.2, 2.4, 2.1, 2.3], scaled(STEADY, 1.2), False),  # the first spread as much itself
        (STEADY, [2.4, 2.9, 2.5, 2.7, 2.8], False),  # the second did
        (STEADY, scaled([*STEADY[:4], 9.0], 1.2), True),  # one slow epoch hides nothing
        ([2.0], [2.3], False),  # nothing is known of the spread of one epoch
        ([2.0], [2.6], True),
    ],
)
def test_a_change_is_what_the_spread_of_both_runs_does_not_explain(
    history: Any, then: list[float], now: list[float], beyond: bool
) -> None:
    change = only(history.changes(history.entry(lenet(then), "v"), lenet(now), "v"))
    assert change["beyond_noise"] is beyond
    assert ("takes as long per epoch, within" in change["sentence"]) is not beyond


def test_noise_is_never_under_five_percent_and_grows_with_either_spread(history: Any) -> None:
    assert history.noise([2.0] * 5, [2.0] * 5) == 0.05
    one = history.noise([2.0] * 5, [2.0, 2.2, 2.1, 2.3, 2.2])
    assert one > 0.05
    assert one == history.noise([2.0, 2.2, 2.1, 2.3, 2.2], [2.0] * 5)


def test_what_changed_besides_is_named_first(history: Any) -> None:
    before = history.entry(document(gpu="Tesla T4", mlp={"cuda": run(STEADY, threads=None)}), "old")
    now = document(gpu="Tesla T4", mlp={"cuda": run(scaled(STEADY, 2), threads=None)}) | {"torch": "2.14.0+cu130"}
    now["gpus"][0]["driver"] = "595.45.04"
    said = only(history.changes(before, now, "new"))["sentence"]
    assert "The MLP on the GPU takes 2.00 times as long" in said
    assert "PyTorch 2.13.0+cpu became 2.14.0+cu130, driver 580.95.05 became 595.45.04 and the training" in said
    assert "program changed meanwhile; if that is not why, see with nvidia-smi" in said


@pytest.mark.parametrize(
    ("then", "now"),
    [
        ({"reliable": False}, {}),
        ({}, {"reliable": False}),
        ({"seconds_per_epoch": float("nan")}, {}),
        ({}, {"seconds_per_epoch": None}),
        ({"seconds_per_epoch": 0.0}, {}),
    ],
)
def test_what_cannot_be_trusted_is_shown_and_not_judged(
    history: Any, tmp_path: Path, then: dict[str, Any], now: dict[str, Any]
) -> None:
    before, after = lenet(STEADY, "before", **then), lenet(scaled(STEADY, 3), **now)
    history.append(tmp_path / "h", before)
    history.note(tmp_path / "h", after)
    assert after["history"]["previous"]["finished"] == "before"
    assert after["history"]["changes"] == []


@pytest.mark.parametrize("then", [{"style": "eager"}, {"epochs": 1}])
def test_other_work_is_not_compared(history: Any, tmp_path: Path, then: dict[str, Any]) -> None:
    before, after = lenet(STEADY, **then), lenet(scaled(STEADY, 3))
    assert history.changes(history.entry(before, "v"), after, "v") == []
    history.append(tmp_path / "h", before)
    assert history.previous(tmp_path / "h", after) is None


def test_the_entry_before_is_the_latest_of_the_same_machine_that_can_be_judged(history: Any, tmp_path: Path) -> None:
    file = tmp_path / "h"
    for number, other in enumerate(
        [
            lenet(STEADY, "sound"),
            lenet(STEADY, "busy", reliable=False),
            lenet(STEADY, "other CPU") | {"cpu_model": "Another CPU"},
            document("with a GPU", "Tesla T4", lenet={"cpu": run(STEADY)}),
            document("other net", mlp={"cpu": run(STEADY)}),
        ]
    ):
        history.append(file, other)
        assert len(history.read(file)) == number + 1
    assert history.previous(file, lenet(STEADY))["finished"] == "sound"
    assert history.previous(file, lenet(STEADY, reliable=False))["finished"] == "busy"
    assert history.previous(file, document(gpu="A10G", lenet={"cpu": run(STEADY)})) is None


def test_one_device_may_be_judged_where_the_other_cannot(history: Any) -> None:
    before = document(gpu="Tesla T4", lenet={"cpu": run(STEADY), "cuda": run([0.05] * 5)})
    now = document(gpu="Tesla T4", lenet={"cpu": run(STEADY, reliable=False), "cuda": run([0.1] * 5), "speedup": 20.0})
    change = only(history.changes(history.entry(before, "v"), now, "v"))
    assert (change["device"], change["beyond_noise"]) == ("cuda", True)


def test_the_file_is_bounded_and_bad_lines_are_passed_over(history: Any, tmp_path: Path) -> None:
    file = tmp_path / "h"
    old = [history.entry(lenet(STEADY, f"run {n}"), "v") for n in range(history.MOST_ENTRIES)]
    lines = [json.dumps(one) for one in old]
    file.write_text("\n".join(["not JSON", "[]", '{"runs": 3}', *lines, '{"half a li']))
    history.append(file, lenet(STEADY, "newest"))
    kept = history.read(file)
    assert len(kept) == len(file.read_text().splitlines()) == history.MOST_ENTRIES
    assert (kept[0]["finished"], kept[-1]["finished"]) == ("run 1", "newest")


def test_a_history_that_cannot_be_kept_loses_no_result(
    history: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a file").write_text("")
    for path, why in ((tmp_path, "Is a directory"), (tmp_path / "a file/history", "Not a directory")):
        measured = lenet(STEADY)
        history.note(path, measured)
        assert measured["history"] == {"previous": None, "changes": []}
        assert capsys.readouterr().err.startswith(f"The history {path} cannot be kept ({why}), expected a file")


def test_an_entry_keeps_no_losses(history: Any) -> None:
    kept = history.entry(lenet(STEADY, losses=[0.5] * 5, naive={}), "v")["runs"]["lenet"]["cpu"]
    assert set(kept) == set(history.KEPT)


def test_a_changed_program_has_another_version(history: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("one")
    monkeypatch.setattr(history, "__file__", str(tmp_path / "history.py"))
    before = history.program()
    assert history.program() == before
    (tmp_path / "a.py").write_text("two")
    assert history.program() != before

"""The whole journey as a newcomer types it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import jsonschema
import pytest

from rehearsal import environment, podman, settings
from tests.support import journey

ROOT = settings.ROOT
STAGES = ["account", "provision", "report", "login", "notebook", "provision again", "configure"]
STAGES += ["benchmark", "status", "stop", "start", "deadline", "teardown", "secrets", "down"]
# Where programs leave things. What people and their other programs work on is not looked at: it changes meanwhile.
LOOKED_AT = ("/etc", "/opt", "/run", "/srv", "/usr", "/var/cache", "/var/lib", "/var/spool", "/var/tmp")

pytestmark = [pytest.mark.hosts, pytest.mark.slow]


def files_outside(clone: Path) -> set[str]:
    """Return every file under LOOKED_AT and in the home folder's hidden folders, less what is in the clone."""
    hidden = [str(folder) for folder in Path.home().glob(".*")]
    found: set[str] = set()
    for top in (*LOOKED_AT, *hidden):
        if Path(top).is_file():
            found.add(top)
        for folder, folders, files in os.walk(top):
            folders[:] = [f for f in folders if f != "__pycache__" and Path(folder, f) != clone]
            found.update(str(Path(folder, f)) for f in files)
    return found


def rehearse(clone: Path) -> str:
    """Run bin/rehearse in a clone and return its output; the test fails with its last lines when it does not exit 0."""
    done = subprocess.run(
        ["bin/rehearse"],
        cwd=clone,
        env=journey.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, "\n".join((done.stdout + done.stderr).splitlines()[-80:])
    return done.stdout


def check(clone: Path, output: str, epochs: int, labs: set[str]) -> None:
    """Check what issue and README promise of a rehearsal's output and report."""
    for stage in STAGES:
        assert re.search(rf"^--- {stage}: \d+\.\d s\.", output, re.MULTILINE), (
            f"stage {stage} has no line with its seconds"
        )
    assert "=== Summary ===" in output
    report = json.loads((clone / "reports/rehearsal/rehearsal.json").read_text())
    jsonschema.validate(report, json.loads((clone / "roles/proof_report/files/report.schema.json").read_text()))
    assert report["verdict"] == "rehearsed"
    assert report["benchmark"]["gates"]["passed"] is True
    for net in ("lenet", "mlp"):
        run = report["benchmark"][net]["cpu"]
        assert run["epochs"] == len(run["losses"]) == epochs
        assert run["style"] == "direct"
    # The sentence names the figures only where they are to be trusted.
    assert report["sentence"]
    assert report["environment"]["imports"].keys() >= {"torch", "cv2", "tqdm", "matplotlib"}
    assert {lab["name"] for lab in report["labs"] if lab["passed"]} == labs
    for lab in report["labs"]:
        executed = clone / f"reports/rehearsal/rehearsal-labs/{lab['name']}"
        assert json.loads(executed.with_suffix(".ipynb").read_text())["cells"]
        assert f"{lab['values']['accuracy']:.4f}"[:5] in executed.with_suffix(".html").read_text()
    assert report["notebook"]["access"] == "tunnel"
    assert report["price"]["usd_per_hour"] > 0
    assert report["stand_ins"]
    receipt = json.loads((clone / "reports/rehearsal/teardown.json").read_text())
    assert {r["type"] for r in receipt["removed"]} >= {"instance", "volume", "security-group", "key-pair"}
    assert receipt["remaining"] == []
    page = (clone / "reports/rehearsal/rehearsal.html").read_text()
    assert report["instance_id"] in page
    picture = (clone / "reports/rehearsal/rehearsal-benchmark.svg").read_text()
    assert picture.startswith("<svg")
    assert picture[picture.index("<title") :].strip() in page
    assert json.loads((clone / "reports/rehearsal/rehearsal-benchmark.json").read_text())["verdict"] == "rehearsed"
    assert not (clone / ".rehearsal").exists()
    secret = environment.variables("")["AWS_SECRET_ACCESS_KEY"]
    for text in (output, page, json.dumps(report), json.dumps(receipt)):
        assert secret not in text
        assert "PRIVATE KEY" not in text
        assert not re.search(r"token=\w", text)


def test_the_whole_journey_in_this_clone_leaves_nothing_outside_it():
    shutil.rmtree(ROOT / "reports/rehearsal", ignore_errors=True)
    subprocess.run(["bin/setup"], cwd=ROOT, check=True)  # what set-up installs is not the journey's
    before = files_outside(ROOT)
    output = rehearse(ROOT)
    check(ROOT, output, epochs=10, labs={"LeNet-Lab", "MNIST-MLP"})
    assert sorted(files_outside(ROOT) - before) == []
    assert podman.leftovers(settings.STATE) == []
    processes = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    # Another test's cloud may live beside it, until the session ends.
    assert [line for line in processes.splitlines() if f"{settings.STATE}" in line] == []

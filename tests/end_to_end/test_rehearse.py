"""The whole journey as a newcomer types it: in this clone, and in a fresh clone with another Python."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

import jsonschema
import pytest

from rehearsal import environment, podman, settings

ROOT = settings.ROOT
STAGES = ["account", "provision", "report", "login", "provision again", "status", "stop", "start", "teardown", "down"]
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


def rehearse(clone: Path, **environment: str) -> str:
    """Run bin/rehearse in a clone and return its output; the test fails with its last lines when it does not exit 0."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "GPULAB_", "ANSIBLE_"))}
    done = subprocess.run(
        ["bin/rehearse"],
        cwd=clone,
        env=inherited | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, "\n".join((done.stdout + done.stderr).splitlines()[-80:])
    return done.stdout


def check(clone: Path, output: str) -> None:
    """Check what issue and README promise of a rehearsal's output and report."""
    for stage in STAGES:
        assert re.search(rf"^--- {stage}: \d+\.\d s\.", output, re.MULTILINE), (
            f"stage {stage} has no line with its seconds"
        )
    assert "=== Summary ===" in output
    report = json.loads((clone / "reports/rehearsal/rehearsal.json").read_text())
    jsonschema.validate(report, json.loads((clone / "roles/proof_report/files/report.schema.json").read_text()))
    assert report["verdict"] == "rehearsed"
    run = report["benchmark"]["lenet"]["cpu"]
    assert run["epochs"] == 10
    assert run["accuracy"] >= 0.98
    assert report["price"]["usd_per_hour"] > 0
    assert report["stand_ins"]
    receipt = json.loads((clone / "reports/rehearsal/teardown.json").read_text())
    assert {r["type"] for r in receipt["removed"]} >= {"instance", "volume", "security-group", "key-pair"}
    assert receipt["remaining"] == []
    page = (clone / "reports/rehearsal/rehearsal.html").read_text()
    assert report["instance_id"] in page
    assert "<polyline" in page
    assert not (clone / ".rehearsal").exists()
    secret = environment.variables("")["AWS_SECRET_ACCESS_KEY"]
    for text in (output, page, json.dumps(report), json.dumps(receipt)):
        assert secret not in text
        assert "PRIVATE KEY" not in text


def test_the_whole_journey_in_this_clone_leaves_nothing_outside_it():
    shutil.rmtree(ROOT / "reports/rehearsal", ignore_errors=True)
    subprocess.run(["bin/setup"], cwd=ROOT, check=True)  # what set-up installs is not the journey's
    before = files_outside(ROOT)
    output = rehearse(ROOT)
    check(ROOT, output)
    assert sorted(files_outside(ROOT) - before) == []
    assert podman.leftovers(settings.STATE) == []
    processes = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert not re.search(r"rehearsal\.(cloud|hosts|served)|conmon", processes)


def another_python() -> str | None:
    """Return an interpreter of another supported minor version than this one, newest first; None when there is none."""
    mine = platform.python_version()
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for minor in ("3.13", "3.12", "3.11"):
        candidates = [f"python{minor}", *(str(p) for p in sorted(versions.glob(f"{minor}.*/bin/python")))]
        for candidate in [] if mine.startswith(minor + ".") else candidates:
            try:
                done = subprocess.run([candidate, "-c", "import ensurepip"], capture_output=True, check=False)
            except OSError:
                continue
            if done.returncode == 0:
                return candidate
    return None


def test_a_fresh_clone_with_another_python(tmp_path: Path):
    python = another_python()
    if python is None:
        pytest.skip("this machine has only one supported Python")
    clone = tmp_path / "clone"
    # The working tree as git would clone it after a commit; images and wheels are shared, keyed by their recipe.
    listed = subprocess.run(
        ["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True
    ).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).exists():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, clone / name)
    (clone / ".cache").symlink_to(settings.CACHE)
    check(clone, rehearse(clone, PYTHON=python))
    versions = subprocess.run(
        [clone / ".venv/bin/ansible", "--version"], capture_output=True, text=True, check=True
    ).stdout
    print(versions.splitlines()[0])

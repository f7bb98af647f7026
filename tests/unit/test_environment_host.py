"""What is seen of environments in folders of this machine, and the module that marks, switches and removes."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import environment_commands, environment_host
from ansible_collections.gpulab.core.plugins.modules import conda_env_switch

from tests.support.fake_host import run_module

KEY = "a" * 64


class Root:
    """A folder of environments named `x`."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "root"
        (self.path / "envs").mkdir(parents=True)
        self.link = self.path / "envs/x"

    def prefix(self, number: int, built: bool = True, marker: dict[str, Any] | None = None) -> Path:
        """A prefix with one conda package, one of pip from a lock, and one of pip that somebody added."""
        path = self.path / f"envs/x-{number:012x}"
        site = path / "lib/python3.11/site-packages"
        (path / "conda-meta").mkdir(parents=True)
        record = {"name": "python", "version": "3.11.7", "files": []}
        (path / "conda-meta/python-3.11.7-0.json").write_text(json.dumps(record))
        for name in ("tqdm-4.70.1", "mine-1.0"):
            (site / f"{name}.dist-info").mkdir(parents=True)
            (site / f"{name}.dist-info/INSTALLER").write_text("pip\n")
            (site / f"{name}.dist-info/RECORD").touch()
        (site / "mine-1.0.dist-info/REQUESTED").touch()
        (path / environment_commands.BASE).write_text("history\npython-3.11.7-0.json\n")
        if built:
            (path / environment_commands.BUILT).write_text(KEY + "\n")
        if marker:
            (path / environment_host.MARKER).write_text(json.dumps(marker))
        return path

    def names(self) -> list[str]:
        return sorted(path.name for path in (self.path / "envs").iterdir())


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root(tmp_path)


@pytest.fixture
def worker(root: Root) -> Iterator[tuple[Path, int]]:
    """A prefix on which a process works, and that process."""
    path = root.prefix(9)
    with subprocess.Popen([sys.executable, "-c", "input()", str(path)], stdin=subprocess.PIPE) as process:
        yield path, process.pid
        process.communicate()


def prefixes(root: Root) -> dict[str, dict[str, Any]]:
    return {Path(p["path"]).name: p for p in environment_host.prefixes(str(root.path), "x")}


def test_prefixes_are_ours_by_their_names(root: Root) -> None:
    root.prefix(1, built=False)
    root.prefix(2)
    root.prefix(3, built=False, marker={"key": KEY})
    for other in ("x-", "x-1", "xy-000000000001", "x-000000000001-more", "X-000000000001"):
        (root.path / "envs" / other).mkdir()
    root.link.symlink_to(root.path / "envs/x-000000000002")
    (root.path / "envs/x-000000000004").symlink_to(root.link)
    found = prefixes(root)
    assert {name: p["key"] for name, p in found.items()} == {
        "x-000000000001": "",
        "x-000000000002": KEY,
        "x-000000000003": KEY,
    }
    assert [p["marker"] for p in found.values()] == [None, None, {"key": KEY}]


def test_damaged_marker_is_none(root: Root) -> None:
    path = root.prefix(1, built=False)
    (path / environment_host.MARKER).write_text('{"key": "a')
    assert prefixes(root)[path.name]["marker"] is None


def test_process_that_works_on_a_prefix_is_seen(root: Root, worker: tuple[Path, int]) -> None:
    path, pid = worker
    idle = root.prefix(1)
    assert f"process {pid} (" in prefixes(root)[path.name]["busy"]
    assert prefixes(root)[idle.name]["busy"] == ""


def test_process_whose_program_lies_in_a_prefix_is_seen(root: Root) -> None:
    path = root.prefix(1)
    (path / "bin").mkdir()
    program = path / "bin/sleep"
    program.write_bytes(Path("/bin/sleep").read_bytes())
    program.chmod(0o755)
    root.link.symlink_to(path)
    with subprocess.Popen([root.link / "bin/sleep", "60"]) as process:
        assert str(process.pid) in prefixes(root)[path.name]["busy"]
        process.kill()


def test_link(root: Root) -> None:
    assert environment_host.link(str(root.link)) == {"path": str(root.link), "kind": "none", "target": ""}
    root.link.symlink_to("nowhere")
    assert environment_host.link(str(root.link))["target"] == ""
    root.link.unlink()
    root.link.mkdir()
    assert environment_host.link(str(root.link))["kind"] == "folder"


def test_packages_and_what_they_were_made_of(root: Root) -> None:
    path = root.prefix(1)
    found = environment_host.packages(str(path))
    assert {name: p["requested"] for name, p in found["pip"].items()} == {"tqdm": False, "mine": True}
    made_of = {"conda": {"python": "3.11.7"}, "pip": {"tqdm": "4.70.1"}}
    assert environment_host.base(str(path), ["tqdm", "six"]) == made_of


def test_python_of_a_prefix(root: Root) -> None:
    path = root.prefix(1)
    assert "No such file" in environment_host.python(str(path))["error"]
    (path / "bin").mkdir()
    (path / "bin/python").symlink_to(sys.executable)
    assert environment_host.python(str(path)) == {"version": platform.python_version(), "error": ""}


def test_environment_of_another_conda_is_found(root: Root, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert environment_host.elsewhere(str(root.path), "x-none") == ""
    theirs = tmp_path / "anaconda3/envs/x-none"
    for part in ("conda-meta", "bin/python"):
        (theirs / part).mkdir(parents=True)
    assert environment_host.elsewhere(str(root.path), "x-none") == str(theirs)
    theirs.rename(tmp_path / "x-none")
    (tmp_path / ".conda").mkdir()
    (tmp_path / ".conda/environments.txt").write_text(f"{root.path}/envs/x-none\n{tmp_path}/x-none\n")
    assert environment_host.elsewhere(str(root.path), "x-none") == str(tmp_path / "x-none")


def test_condas_of_the_host_are_found_where_installers_put_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / "miniconda3/bin"
    folder.mkdir(parents=True)
    for name, script in (("conda", "echo conda 24.1.2"), ("mamba", "exit 1")):
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    found = {tool["path"]: tool["version"] for tool in environment_host.tools()}
    assert found[str(folder / "conda")] == "conda 24.1.2"
    assert str(folder / "mamba") not in found


def test_free_megabytes_of_a_folder_that_is_not_yet_there(tmp_path: Path) -> None:
    there = environment_host.free_megabytes(str(tmp_path))
    assert there > 0
    assert abs(environment_host.free_megabytes(str(tmp_path / "a/b")) - there) < 1000


# The module conda_env_switch


def switch(root: Root, prefix: Path, capsys: pytest.CaptureFixture[str], **options: Any) -> dict[str, Any]:
    given = {"link": str(root.link), "prefix": str(prefix), "marker": {"key": KEY}, "locked": ["tqdm"]}
    return run_module(conda_env_switch, capsys, given | options)


def marker(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((path / environment_host.MARKER).read_text())
    return content


def test_switch_marks_points_and_removes_the_old(root: Root, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = root.prefix(1, marker={"key": "b" * 64}), root.prefix(2)
    root.link.symlink_to(old)
    for name in (old.name, f"{old.name}.job", new.name):
        (root.path / "build" / name).mkdir(parents=True)
    (root.path / f"build/{old.name}.sh").touch()
    result = switch(root, new, capsys)
    assert [path.name for path in (root.path / "build").iterdir()] == [new.name]
    assert (result["changed"], result["removed"], result["kept"]) == (True, [str(old)], {})
    assert root.link.resolve() == new
    assert root.names() == ["x", new.name]
    assert marker(new) == {"key": KEY, "conda": {"python": "3.11.7"}, "pip": {"tqdm": "4.70.1"}, "replaced": {}}
    assert switch(root, new, capsys)["changed"] is False


def test_old_one_in_use_stays(root: Root, worker: tuple[Path, int], capsys: pytest.CaptureFixture[str]) -> None:
    old, pid = worker
    result = switch(root, root.prefix(2), capsys)
    assert list(result["kept"]) == [str(old)]
    assert f"process {pid}" in result["kept"][str(old)]
    assert old.is_dir()
    assert root.link.resolve().name == "x-000000000002"


def test_check_mode_changes_nothing(root: Root, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = root.prefix(1), root.prefix(2)
    root.link.symlink_to(old)
    assert switch(root, new, capsys, _ansible_check_mode=True)["changed"] is True
    assert (root.names(), root.link.resolve()) == (["x", old.name, new.name], old)
    assert not (new / environment_host.MARKER).exists()


def test_what_took_a_packages_place_is_neither_missed_nor_an_addition(
    root: Root, capsys: pytest.CaptureFixture[str]
) -> None:
    path = root.prefix(1)
    switch(root, path, capsys)
    assert switch(root, path, capsys, replaced={"tqdm": "mine"})["changed"] is True
    assert marker(path)["pip"] == {"mine": "1.0"}
    assert switch(root, path, capsys)["changed"] is False
    assert marker(path)["replaced"] == {"tqdm": "mine"}


def test_environment_of_others_is_not_marked_and_ours_kept_beside(
    root: Root, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours, half = root.prefix(1), root.prefix(2, built=False)
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    result = switch(root, theirs, capsys, foreign=True)
    assert (root.link.resolve(), list(theirs.iterdir()), result["removed"]) == (theirs, [], [str(half)])
    assert ours.is_dir()


def test_folder_in_the_names_place_is_refused(root: Root, capsys: pytest.CaptureFixture[str]) -> None:
    root.link.mkdir()
    result = switch(root, root.prefix(1), capsys)
    assert result["failed"] is True
    assert "is a folder, expected a symbolic link of ours: move it away" in result["msg"]

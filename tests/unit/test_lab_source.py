"""A lab's files: real git clones in folders of their own, and copies beside the user's changes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import lab_plan, lab_source

WHO = {"GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@example.org", "GIT_CONFIG_GLOBAL": os.devnull}
CLEAN = os.environ | WHO | {"GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@example.org", "LC_ALL": "C"}


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, env=CLEAN, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit(folder: Path, text: str) -> str:
    (folder / "lab.ipynb").write_text(text)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", text)
    return git(folder, "rev-parse", "HEAD")


def run(argv: list[str], cwd: str) -> tuple[int, str, str]:
    done = subprocess.run(argv, cwd=cwd, env=CLEAN, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    folder = tmp_path / "origin"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    return folder


def clone(origin: Path, wanted: str, folder: Path) -> lab_source.Git:
    return lab_source.Git(run, str(folder), f"file://{origin}", wanted)


def test_clone_is_at_its_commit_though_the_branch_went_on(origin: Path, tmp_path: Path) -> None:
    first = commit(origin, "one")
    commit(origin, "two")
    lab = clone(origin, first, tmp_path / "lab")
    assert lab.look() == lab_plan.Clone(False, False, "", [])
    lab.clone()
    assert (tmp_path / "lab/lab.ipynb").read_text() == "one"
    assert lab.look() == lab_plan.Clone(True, True, first, [])
    assert git(tmp_path / "lab", "rev-parse", "--abbrev-ref", "HEAD") == "lab"
    assert not (tmp_path / "lab.part").exists()


def test_outputs_and_data_are_no_changes_and_edits_are(origin: Path, tmp_path: Path) -> None:
    lab = clone(origin, commit(origin, "one"), tmp_path / "lab")
    lab.clone()
    (tmp_path / "lab/outputs").mkdir()
    (tmp_path / "lab/outputs/lab.html").touch()
    assert git(tmp_path / "lab", "status", "--porcelain") == ""
    (tmp_path / "lab/lab.ipynb").write_text("my own")
    assert lab.look().changed == ["lab.ipynb"]
    assert lab.show("lab.ipynb") == b"one"


def test_checkout_goes_on_to_another_commit(origin: Path, tmp_path: Path) -> None:
    clone(origin, commit(origin, "one"), tmp_path / "lab").clone()
    second = commit(origin, "two")
    clone(origin, second, tmp_path / "lab").checkout()
    assert (tmp_path / "lab/lab.ipynb").read_text() == "two"


def test_server_that_gives_no_single_commits_is_asked_for_all(origin: Path, tmp_path: Path) -> None:
    first = commit(origin, "one")
    commit(origin, "two")
    asked = []

    def choosy(argv: list[str], cwd: str) -> tuple[int, str, str]:
        asked.append(argv)
        return (128, "", "error: not our ref") if "--depth" in argv else run(argv, cwd)

    lab_source.Git(choosy, str(tmp_path / "lab"), f"file://{origin}", first).clone()
    assert [argv for argv in asked if "fetch" in argv and "--depth" not in argv]
    assert (tmp_path / "lab/lab.ipynb").read_text() == "one"


def test_leftover_of_a_killed_clone_is_no_obstacle(origin: Path, tmp_path: Path) -> None:
    (tmp_path / "lab.part/.git").mkdir(parents=True)
    (tmp_path / "lab").mkdir()
    clone(origin, commit(origin, "one"), tmp_path / "lab").clone()
    assert (tmp_path / "lab/lab.ipynb").read_text() == "one"


def test_missing_commit_repository_and_notebook_are_sentences(origin: Path, tmp_path: Path) -> None:
    first = commit(origin, "one")
    with pytest.raises(lab_plan.LabError, match=f"has no commit {'f' * 40}"):
        clone(origin, "f" * 40, tmp_path / "a").clone()
    with pytest.raises(lab_plan.LabError, match=r"none cannot be fetched \(.*check the address and the network"):
        clone(tmp_path / "none", first, tmp_path / "b").clone()
    assert not (tmp_path / "a").exists()
    lab = clone(origin, first, tmp_path / "c")
    lab.clone()
    with pytest.raises(lab_plan.LabError, match=r"has no other.ipynb, expected one of its notebooks \(lab.ipynb\)"):
        lab.show("other.ipynb")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "state/source/pictures"
    folder.mkdir(parents=True)
    (folder / "net.svg").write_text("net")
    (folder.parent / "lab.ipynb").write_text("one")
    return folder.parent


def place(source: Path, tmp_path: Path, dry: bool = False) -> tuple[bool, list[str]]:
    placed: tuple[bool, list[str]] = lab_source.place(str(source), str(tmp_path / "mine"), str(source.parent), dry)
    return placed


def test_files_are_put_there_once(source: Path, tmp_path: Path) -> None:
    assert place(source, tmp_path, dry=True) == (True, [])
    assert not (tmp_path / "mine").exists()
    assert place(source, tmp_path) == (True, [])
    assert (tmp_path / "mine/pictures/net.svg").read_text() == "net"
    assert place(source, tmp_path) == (False, [])


def test_new_version_replaces_the_old_one_and_never_the_users(source: Path, tmp_path: Path) -> None:
    place(source, tmp_path)
    (source / "lab.ipynb").write_text("two")
    assert place(source, tmp_path) == (True, [])
    assert (tmp_path / "mine/lab.ipynb").read_text() == "two"
    (tmp_path / "mine/lab.ipynb").write_text("my own")
    (source / "lab.ipynb").write_text("three")
    for _ in range(2):
        assert place(source, tmp_path) == (False, ["lab.ipynb"])
    assert (tmp_path / "mine/lab.ipynb").read_text() == "my own"


def test_file_of_the_users_own_from_before_stays(source: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/lab.ipynb").write_text("my own")
    assert place(source, tmp_path) == (True, ["lab.ipynb"])
    assert (tmp_path / "mine/lab.ipynb").read_text() == "my own"


def test_hash_of_a_folder_follows_names_and_content(source: Path) -> None:
    hashes = {lab_source.content_of(str(source))}
    (source / "lab.ipynb").write_text("two")
    hashes.add(lab_source.content_of(str(source)))
    (source / "lab.ipynb").rename(source / "new.ipynb")
    hashes.add(lab_source.content_of(str(source)))
    assert len(hashes) == 3

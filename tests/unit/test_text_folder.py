"""The module text_folder, run as Ansible runs it, on folders of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.gpulab.core.plugins.modules import text_folder

FILES = {"__init__.py": "", "__main__.py": "print('ä {{ x }}')\n", "peaks.json": "{}\n"}


def run(capsys: pytest.CaptureFixture[str], path: Path, check: bool = False, **files: str) -> dict[str, Any]:
    arguments = {"path": str(path), "files": files or FILES, "_ansible_check_mode": check}
    with patch_module_args(arguments | {"_ansible_remote_tmp": str(path.parent)}), pytest.raises(SystemExit):
        text_folder.main()
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def texts(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in folder.iterdir() if file.is_file()}


def test_files_are_written_once(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = tmp_path / "a/b"
    first = run(capsys, folder)
    assert (first["changed"], first["written"], first["removed"]) == (True, sorted(FILES), [])
    assert texts(folder) == FILES
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o644}
    second = run(capsys, folder)
    assert (second["changed"], second["written"], second["removed"]) == (False, [], [])


def test_what_differs_is_replaced_and_what_is_not_named_goes(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run(capsys, tmp_path / "p")
    (tmp_path / "p/__main__.py").write_text("old")
    (tmp_path / "p/gone.py").write_text("not part of it any more")
    (tmp_path / "p/link.py").symlink_to("nowhere")
    (tmp_path / "p/__pycache__").mkdir()
    told = run(capsys, tmp_path / "p")
    assert (told["written"], told["removed"]) == (["__main__.py"], ["gone.py", "link.py"])
    assert texts(tmp_path / "p") == FILES
    assert sorted(file.name for file in (tmp_path / "p").iterdir()) == sorted([*FILES, "__pycache__"])


def test_a_link_in_the_place_of_a_file_is_replaced_not_followed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "target").write_text("of somebody else")
    (tmp_path / "p/peaks.json").symlink_to(tmp_path / "target")
    run(capsys, tmp_path / "p")
    assert texts(tmp_path / "p") == FILES
    assert (tmp_path / "target").read_text() == "of somebody else"


def test_check_mode_writes_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    told = run(capsys, tmp_path / "p", check=True)
    assert (told["changed"], told["written"]) == (True, sorted(FILES))
    assert not (tmp_path / "p").exists()


def test_a_name_is_no_path(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run(capsys, tmp_path / "p", **{"../escaped.py": "x"})
    assert texts(tmp_path / "p") == {"escaped.py": "x"}
    assert not (tmp_path / "escaped.py").exists()


def test_a_folder_that_cannot_be_is_one_sentence(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    told = run(capsys, tmp_path / "file/p")
    assert told["failed"]
    assert told["msg"].startswith(f"{tmp_path / 'file/p'} cannot be made to hold the 3 files (Not a dir")

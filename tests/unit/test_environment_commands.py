"""Command lines, and the script that runs them: run here for real, with small programs in place of conda and pip."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import environment_commands as commands

MICROMAMBA = {"kind": "micromamba", "path": "/r/bin/micromamba"}
FILES = {"requirements.txt": "it's ${not} `a` \\\n    template\n", "environment.yml": "{}"}
WRITES = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
CONDA = {"kind": "conda", "path": "/opt/conda/bin/conda"}


def test_micromamba_reads_a_file_in_a_root_of_its_own() -> None:
    argv = commands.create(MICROMAMBA, "/r", "/r/envs/x-1", ["http://m/conda"], ["python", "pip"], "/r/build/x", False)
    begin = "/r/bin/micromamba create -y -q -r /r -p /r/envs/x-1 --override-channels -c http://m/conda"
    assert " ".join(argv) == f"{begin} -f /r/build/x/environment.yml"
    explicit = commands.create(MICROMAMBA, "/r", "/r/envs/x-1", ["http://m/conda"], ["python"], "/r/build/x", True)
    assert " ".join(explicit) == f"{begin} -f /r/build/x/explicit.lock"


def test_conda_gets_the_specs_themselves() -> None:
    argv = commands.create(CONDA, "/r", "/p", ["a", "b"], ["python >=3.11", "pip"], "/f", False)
    begin = [CONDA["path"], "create", "-y", "-q", "-p", "/p", "--override-channels", "-c", "a", "-c", "b"]
    assert argv == [*begin, "python >=3.11", "pip"]


def test_pip_takes_a_mirror_alone_and_pytorchs_index_beside_its_own() -> None:
    mirror = commands.pip_sources("http://10.1.2.3:8181/wheels-modern/", "http://torch", "cpu")
    assert mirror == ["--no-index", "--find-links", "http://10.1.2.3:8181/wheels-modern/", "--trusted-host", "10.1.2.3"]
    assert commands.pip_sources("", "http://torch", "cpu") == ["--extra-index-url", "http://torch"]
    assert commands.pip_sources("", "http://torch", "cuda") == []


def test_what_is_installed_from_the_lock_has_to_have_its_hash() -> None:
    argv = commands.pip_install("/p", ["--no-index"]) + commands.locked("/f")
    assert argv[:4] == ["/p/bin/python", "-m", "pip", "install"]
    assert "--no-input" in argv
    assert argv[-4:] == ["--require-hashes", "--no-deps", "--requirement", "/f/requirements.txt"]


def test_environment_file_is_yaml_without_a_pip_section() -> None:
    file = json.loads(commands.environment_file("x", ["conda-forge"], ["python >=3.11", "pip"]))
    assert file == {"name": "x", "channels": ["conda-forge"], "dependencies": ["python >=3.11", "pip"]}


class Script:
    """A script over a folder with a blank in its name."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "the root"
        self.prefix = self.root / "envs/x-1"
        self.prefix.parent.mkdir(parents=True)

    def text(
        self,
        *steps: tuple[str, list[str]],
        fresh: bool = True,
        leftovers: tuple[str, ...] = (),
        imports: tuple[str, ...] = (),
    ) -> str:
        where = (str(self.root), str(self.prefix), str(self.root / "build/x-1"))
        text: str = commands.script(*where, FILES, steps, fresh, "key", leftovers, imports)
        return text

    def run(self, *steps: tuple[str, list[str]], fresh: bool = True, leftovers: tuple[str, ...] = ()) -> list[str]:
        text = self.text(*steps, fresh=fresh, leftovers=leftovers)
        done = subprocess.run(["sh"], input=text, capture_output=True, text=True, check=False)
        assert done.stderr == ""
        return [*done.stdout.splitlines(), f"rc {done.returncode}"]

    def make(self) -> tuple[str, list[str]]:
        """A step that stands for conda's: it makes a prefix with one record."""
        meta = self.prefix / "conda-meta"
        return "create", ["sh", "-c", 'mkdir -p "$1" && touch "$1/python-3.11-0.json"', "sh", str(meta)]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    return Script(tmp_path)


def test_fresh_prefix_is_marked_when_all_steps_have_succeeded(script: Script) -> None:
    said = script.run(script.make(), ("pip", ["echo", "it's in"]))
    assert said == ["gpulab: create", "gpulab: pip", "it's in", "gpulab: done", "rc 0"]
    assert (script.prefix / commands.BUILT).read_text() == "key\n"
    assert (script.prefix / commands.BASE).read_text() == "python-3.11-0.json\n"


def test_fresh_prefix_is_removed_when_a_step_fails(script: Script) -> None:
    said = script.run(script.make(), ("pip", ["sh", "-c", "exit 3"]), ("never", ["echo", "never"]))
    assert said == ["gpulab: create", "gpulab: pip", "gpulab: pip ended with exit code 3", "rc 3"]
    assert list(script.prefix.parent.iterdir()) == []


def test_files_are_written_as_they_are(script: Script) -> None:
    script.run(fresh=False)
    folder = script.root / "build/x-1"
    # Ansible's file lookup takes the last line's end away.
    assert {file.name: file.read_text() for file in folder.iterdir()} == FILES | {"environment.yml": "{}\n"}


def test_leftovers_of_killed_runs_go_first(script: Script) -> None:
    old = script.prefix.with_name("x-0")
    for folder in (old, script.prefix):
        (folder / "half").mkdir(parents=True)
    script.run(script.make(), leftovers=(str(old),))
    assert not old.exists()
    assert not (script.prefix / "half").exists()


def test_what_another_run_has_made_meanwhile_is_kept(script: Script) -> None:
    script.run(script.make())
    assert script.run(("create", ["false"])) == ["gpulab: another run has made it meanwhile", "rc 0"]
    assert (script.prefix / commands.BUILT).exists()


def test_repair_in_place_removes_nothing(script: Script) -> None:
    script.run(script.make())
    assert script.run(("pip", ["false"]), fresh=False)[-1] == "rc 1"
    assert (script.prefix / commands.BUILT).exists()


def test_steps_of_two_runs_do_not_meet(script: Script) -> None:
    """The lock is also held by a child that outlives its script."""
    holder = script.text(("create", ["sh", "-c", "echo $$; exec sleep 60"]), fresh=False)
    with subprocess.Popen(["sh", "-c", holder], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "gpulab: create\n"
        child = int(process.stdout.readline())
        process.kill()
        process.wait()
        probe = ["flock", "--nonblock", str(script.root / "lock"), "true"]
        assert subprocess.run(probe, check=False).returncode == 1
        subprocess.run(["kill", str(child)], check=True)
        process.stdout.read()
        assert subprocess.run(probe, check=False).returncode == 0


def test_users_own_packages_do_not_count(script: Script) -> None:
    assert "1" in script.run(("create", ["sh", "-c", "echo $PYTHONNOUSERSITE"]), fresh=False)


def test_what_is_imported_is_compiled_and_what_does_not_import_is_no_failure(script: Script, tmp_path: Path) -> None:
    code = tmp_path / "code"
    code.mkdir()
    (code / "good.py").touch()
    (code / "bad.py").write_text("import sys; print('noise'); sys.exit(3)")
    python = script.prefix / "bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nPYTHONPATH={code} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    text = script.text(fresh=False, imports=("bad", "no_such_module", "good"))
    done = subprocess.run(["sh"], input=text, capture_output=True, text=True, check=False, env=WRITES)
    assert (done.returncode, done.stdout, done.stderr) == (0, "gpulab: compile\ngpulab: done\n", "")
    assert [file.name.split(".")[0] for file in code.glob("__pycache__/good.*")] == ["good"]

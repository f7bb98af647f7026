"""Imports that are really tried, in this Python and others: what crashes, hangs, ends itself, or is damaged."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import environment_check, environment_cuda, environment_probe
from ansible_collections.gpulab.core.plugins.modules import python_imports

from rehearsal import conda_channel
from tests.support.fake_host import run_module

MODULES = {
    "good": "__version__ = '1.2'\nprint('noise')",
    "plain": "VERSION = (1, 2)",
    "crashes": "import os, signal\nprint('last words', flush=True)\nos.kill(os.getpid(), signal.SIGSEGV)",
    "illegal": "import os, signal\nos.kill(os.getpid(), signal.SIGILL)",
    "quits": "import sys\nsys.exit(3)",
    "vanishes": "import os\nos._exit(3)",
    "hangs": "import time\ntime.sleep(600)",
    "library": "import ctypes\nctypes.CDLL('libnobody.so.1')",
    "needs": "import nobody.at_home",
    "torchlike": "class version:\n    cuda = '13.0'\n__version__ = '2.13.0'",
}


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of modules that Python finds, with a distribution, a damaged library, and a library that misses one."""
    for name, text in MODULES.items():
        (tmp_path / f"{name}.py").write_text(text)
    (tmp_path / "damaged.so").write_bytes(b"\x7fELF")
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked/__init__.py").write_text("from . import inner")
    (tmp_path / "Some_Package-1.2.3.dist-info").mkdir()
    (tmp_path / "old-0.1-py3.6.egg-info").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


def seen(*names: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = environment_check.probe(sys.executable, list(names))["imports"]
    return found


def kinds(*names: str) -> dict[str, str]:
    _case, findings = environment_check.gather(sys.executable, list(names), "cpu")
    return {finding.module: finding.kind for finding in findings}


def test_what_imports_tells_its_version_and_file(modules: Path) -> None:
    found = seen("good", "plain", "torchlike", "json.decoder")
    assert found["good"] == {"version": "1.2", "file": str(modules / "good.py"), "cuda": ""}
    assert found["plain"]["version"] == ""
    assert found["torchlike"]["cuda"] == "13.0"
    assert "error" not in found["json.decoder"]


def test_one_that_fails_hides_no_other(modules: Path) -> None:
    assert kinds("crashes", "good", "illegal", "quits", "vanishes", "library", "needs", "damaged", "nope") == {
        "crashes": "crash",
        "illegal": "instructions",
        "quits": "other",
        "vanishes": "other",
        "library": "system_library",
        "needs": "dependency",
        "damaged": "damaged",
        "nope": "missing",
    }
    assert seen("crashes")["crashes"] == {
        "error": "last words",
        "signal": 11,
        "folder": str(modules / "crashes.py"),
    }


@pytest.mark.usefixtures("modules")
def test_import_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment_check, "SECONDS", 1)
    assert kinds("hangs", "good") == {"hangs": "slow"}


def test_nothing_is_written(modules: Path) -> None:
    before = sorted(modules.rglob("*"))
    assert kinds("good", "nope") == {"nope": "missing"}
    assert sorted(modules.rglob("*")) == before


def test_libraries_that_the_loader_misses_are_named(modules: Path) -> None:
    source = modules / "inner.c"
    source.write_text("int inner;")
    for name, options in (
        ("libabsent.so.1", []),
        ("libabsent2.so.1", []),
        ("linked/inner.so", ["-labsent", "-labsent2"]),
    ):
        link = [f"-L{modules}", "-Wl,--no-as-needed", f"-Wl,-soname,{name}", *options]
        subprocess.run(["cc", "-shared", "-o", str(modules / name), str(source), *link], check=True)
        if name.startswith("lib"):
            (modules / name.removesuffix(".1")).symlink_to(name)
    for library in modules.glob("libabsent*"):
        library.unlink()
    _case, (finding,) = environment_check.gather(sys.executable, ["linked"], "cpu")
    assert (finding.kind, finding.names) == ("system_library", ("libabsent.so.1", "libabsent2.so.1"))


@pytest.mark.usefixtures("modules")
def test_distributions_by_their_folders() -> None:
    found = environment_check.probe(sys.executable, [])["distributions"]
    assert (found["some-package"], found["old"]) == ("1.2.3", "0.1")
    assert found["pytest"] == pytest.__version__


def test_python_that_does_not_start(tmp_path: Path) -> None:
    found = environment_check.look(str(tmp_path / "bin/python"), ["torch", "cv2"], "cpu")
    assert [finding["module"] for finding in found["findings"]] == ["torch", "cv2"]
    assert "cannot be run: No such file or directory" in found["findings"][0]["sentence"]
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").write_text(
        "#!/bin/sh\necho 'python: error while loading shared libraries: libpython3.6m.so.1.0: cannot open shared "
        "object file: No such file or directory' >&2\nexit 127\n"
    )
    (tmp_path / "bin/python").chmod(0o755)
    found = environment_check.look(str(tmp_path / "bin/python"), ["torch"], "cpu")
    assert found["findings"][0]["names"] == ["libpython3.6m.so.1.0"]


@pytest.mark.usefixtures("modules")
def test_other_pythons_run_the_probe_too() -> None:
    for interpreter in conda_channel.interpreters().values():  # 3.6 among them, where this machine has it
        found = environment_check.probe(str(interpreter.executable), ["good", "crashes", "nope"])
        assert found["imports"]["good"]["version"] == "1.2"
        assert found["imports"]["crashes"]["signal"] == 11
        assert "No module named 'nope'" in found["imports"]["nope"]["error"]


def test_host_is_looked_at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    for name in ("libcudart.so.8.0", "libcudnn.so.5", "libz.so.1"):
        (tmp_path / "lib" / name).write_text("")
    told = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  367.57  Mon Oct  3 20:37:01 PDT 2016\nGCC version: 5\n"
    monkeypatch.setattr(
        environment_check.environment_host, "read", lambda path: told if path == "/proc/driver/nvidia/version" else ""
    )
    host = environment_check.host(str(tmp_path))
    assert isinstance(host, environment_cuda.Host)
    assert host.driver == "367.57"
    assert host.libraries["libcudart.so.8.0"] == str(tmp_path / "lib")
    assert "libz.so.1" not in host.libraries


def test_driver_of_the_open_module_is_read_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build  (dvs-builder@U22)\n"
    monkeypatch.setattr(environment_check.environment_host, "read", lambda _path: told)
    assert environment_check.host(str(tmp_path)).driver == "580.95.05"


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("version.txt", "CUDA Version 8.0.61\n"),
        ("version.json", '{\n   "cuda" : {\n      "name" : "CUDA SDK",\n      "version" : "8.0.61"\n   }\n}'),
    ],
)
def test_toolkits_tell_their_version(file: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    places = {f"/usr/local/cuda-8.0/{file}": text}
    monkeypatch.setattr(environment_check.glob, "glob", lambda _pattern: ["/usr/local/cuda", "/usr/local/cuda-8.0"])
    monkeypatch.setattr(environment_check.environment_host, "read", lambda path: places.get(path, ""))
    assert environment_check.toolkits() == {"8.0": "8.0.61"}


def test_probe_is_old_python() -> None:
    """It runs in environments of Python 3.5: nothing newer may be in it."""
    tree = ast.parse(Path(environment_probe.__file__).read_text(), feature_version=(3, 5))
    assert [node.lineno for node in ast.walk(tree) if isinstance(node, ast.JoinedStr | ast.AnnAssign)] == []


@pytest.mark.usefixtures("modules")
def test_module_returns_what_is_wrong_and_what_to_try(capsys: pytest.CaptureFixture[str]) -> None:
    pip = [sys.executable, "-m", "pip", "install"]
    given = {"python": sys.executable, "modules": ["good", "needs"], "pip": pip}
    first = run_module(python_imports, capsys, given)
    assert first["changed"] is False
    assert [finding["kind"] for finding in first["findings"]] == ["dependency"]
    assert first["fix"]["id"] == "pip:nobody"
    assert first["fix"]["would"] == (
        "import needs fails: nobody, which it needs, is not in the environment; install nobody with pip."
    )
    assert first["fix"]["sentence"].endswith("; installed nobody with pip.")
    assert run_module(python_imports, capsys, given | {"tried": ["pip:nobody"]})["fix"] is None

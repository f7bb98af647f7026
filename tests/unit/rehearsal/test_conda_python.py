"""Which interpreter becomes the channel's Python, and how it is made fit to be moved. No network."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from rehearsal import conda_channel, conda_package, conda_python
from rehearsal.conda_python import Interpreter
from rehearsal.making import MirrorError

LDD = """\
/a/bin/python3.11:
\tlinux-vdso.so.1 (0x00007f7486d46000)
\tlibpython3.11.so.1.0 => /a/lib/libpython3.11.so.1.0 (0x00007f7486600000)
\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f748641e000)
\tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f7486c4f000)
\tlibcrypt.so.1 => /lib/x86_64-linux-gnu/libcrypt.so.1 (0x00007f7486c4f000)
\tlibgone.so.1 => not found
\t/lib64/ld-linux-x86-64.so.2 (0x00007f7486d48000)
/a/lib-dynload/_ssl.so:
\tlibssl.so.3 => /lib/x86_64-linux-gnu/libssl.so.3 (0x00007f7486c4f000)
"""


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def answering(version: str) -> str:
    """A program that answers as an interpreter of that version does."""
    answer = f'{{"executable": "/x/bin/python", "prefix": "/x", "version": "{version}", "standard_library": "/x/lib"}}'
    return f"#!/bin/sh\necho '{answer}'\n"


def test_libraries_beyond_glibc_are_taken_along() -> None:
    assert conda_python.libraries(LDD) == {
        "libpython3.11.so.1.0": Path("/a/lib/libpython3.11.so.1.0"),
        "libcrypt.so.1": Path("/lib/x86_64-linux-gnu/libcrypt.so.1"),
        "libssl.so.3": Path("/lib/x86_64-linux-gnu/libssl.so.3"),
    }


def test_pyenv_comes_before_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYENV_ROOT", raising=False)
    for version in ("3.11.7", "3.11.4", "3.10.1"):
        script(tmp_path / f".pyenv/versions/{version}/bin/python{version.rpartition('.')[0]}", "")
    found = list(conda_python.candidates("3.11", "/first:/second", tmp_path))
    assert [str(path.relative_to(tmp_path)) for path in found[:2]] == [
        ".pyenv/versions/3.11.7/bin/python3.11",
        ".pyenv/versions/3.11.4/bin/python3.11",
    ]
    assert found[2:] == [Path("/first/python3.11"), Path("/second/python3.11")]


def test_the_first_that_works_and_is_what_it_is_called_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "none"))
    # A version manager's command without a version behind it, and one that is really another.
    script(tmp_path / "1/python3.11", "#!/bin/sh\necho 'pyenv: python3.11: command not found' >&2\nexit 127\n")
    script(tmp_path / "2/python3.11", answering("3.12.0"))
    script(tmp_path / "3/python3.11", answering("3.11.9"))
    monkeypatch.setenv("PATH", os.pathsep.join(str(tmp_path / name) for name in "0123") + ":/bin:/usr/bin")
    found = conda_python.find("3.11")
    assert found is not None
    assert (found.version, found.name) == ("3.11.9", "python3.11")


def test_an_interpreter_that_lacks_a_module_is_none(tmp_path: Path) -> None:
    lacking = "#!/bin/sh\necho \"ModuleNotFoundError: No module named '_ssl'\" >&2\nexit 1\n"
    assert conda_python.ask(script(tmp_path / "python3.11", lacking)) is None
    assert conda_python.ask(tmp_path / "nothing") is None


def test_the_running_python_says_what_it_is() -> None:
    found = conda_python.ask(Path(sys.executable))
    assert found is not None
    assert found.version == "{}.{}.{}".format(*sys.version_info)
    assert (found.standard_library / "os.py").is_file()


def test_without_the_needed_python_the_channel_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conda_python, "find", lambda _minor: None)
    with pytest.raises(MirrorError, match=r"no python3\.11 with ssl.*install python3\.11, then run bin/setup again"):
        conda_channel.interpreters()


def test_the_key_of_the_channel_follows_the_interpreter(tmp_path: Path) -> None:
    binary = script(tmp_path / "python3.11", "one")
    python = Interpreter(binary, tmp_path, "3.11.7", tmp_path)
    first = conda_channel.key({"3.11": python})
    assert first == conda_channel.key({"3.11": python})
    assert first != conda_channel.key({"3.11": python._replace(version="3.11.8")})
    assert first != conda_channel.key({"3.11": python, "3.6": python})
    os.utime(binary, ns=(1, 1))
    assert first != conda_channel.key({"3.11": python})


def test_debians_python_keeps_packages_where_everybodys_does(tmp_path: Path) -> None:
    for name in conda_python.DEBIAN_ONLY:
        (tmp_path / name).touch()
    theirs, usual = conda_python.DEBIAN_SCHEME
    (tmp_path / "sysconfig.py").write_text(f"before\n    {theirs}\nafter\n")
    conda_python.undo_debian(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"sysconfig.py", "dist-packages"}
    assert (tmp_path / "sysconfig.py").read_text() == f"before\n    {usual}\nafter\n"
    # site.py runs lines of .pth files that begin with `import`.
    assert (tmp_path / "dist-packages/site-packages.pth").read_text().startswith("import site")


def test_another_debian_is_refused_and_no_debian_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "sysconfig.py").write_text("whatever\n")
    conda_python.undo_debian(tmp_path)
    assert (tmp_path / "sysconfig.py").read_text() == "whatever\n"
    (tmp_path / "_distutils_system_mod.py").touch()
    with pytest.raises(MirrorError, match=r"Debian's sysconfig\.py has no line .*posix_local"):
        conda_python.undo_debian(tmp_path)


def test_the_placeholder_takes_the_prefix_in_text_only(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("prefix = '/opt/python/lib'\n")
    (tmp_path / "binary").write_bytes(b"/opt/python\0\1")
    (tmp_path / "other").write_text("nothing\n")
    conda_python.put_placeholder(tmp_path, "/opt/python")
    assert (tmp_path / "text").read_text() == f"prefix = '{conda_package.PLACEHOLDER}/lib'\n"
    assert (tmp_path / "binary").read_bytes() == b"/opt/python\0\1"
    assert (tmp_path / "other").read_text() == "nothing\n"

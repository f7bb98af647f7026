"""bin/notebook and the callback that shows addresses: what they say, and where. ssh is a stand-in program here."""

from __future__ import annotations

import os
import signal
import subprocess
import types
from pathlib import Path

import pytest
from ansible_collections.gpulab.core.plugins.callback import notebook_url

from tests.support.playbook import wait_until

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "0123456789abcdef" * 3
SSH = """\
#!/bin/sh
# A stand-in for ssh: a connection is a process that sleeps, a host is what $FAKE says.
echo "$*" >>"$FAKE/calls"
case "$*" in
*" -M "*)
    [ -e "$FAKE/unreachable" ] && exit 255
    touch "$FAKE/up"
    exec sleep 60
    ;;
*"-O check"*) [ -e "$FAKE/up" ] ;;
*"-O forward"*) case "$*" in *"-L 127.0.0.1:8888:"*) [ ! -e "$FAKE/taken" ] ;; esac ;;
*) [ -e "$FAKE/said" ] && cat "$FAKE/said" ;;
esac
"""
"""Answers like OpenSSH's client to the five ways in which bin/notebook calls it."""


@pytest.fixture
def fake(tmp_path: Path) -> Path:
    """The stand-in's folder, first in PATH, and an ssh configuration of one host."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/ssh").write_text(SSH)
    (tmp_path / "bin/ssh").chmod(0o755)
    (tmp_path / "ssh_config").write_text("# by hand\n\nHost lab\n    HostName 127.0.0.1\n")
    (tmp_path / "said").write_text(f"{TOKEN}\nhttp 8888\n")
    (tmp_path / "tmp").mkdir()
    return tmp_path


def start(fake: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """bin/notebook, with the stand-in."""
    path = {"PATH": f"{fake / 'bin'}:{os.environ['PATH']}", "FAKE": str(fake), "TMPDIR": str(fake / "tmp")}
    return subprocess.Popen(
        [ROOT / "bin/notebook", *arguments],
        env=os.environ | {"HOME": str(fake)} | path | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def refused(fake: Path, *arguments: str, **environment: str) -> str:
    """Run it to its end, which has to be a failure; the last line that it says."""
    process = start(fake, *arguments, **environment)
    out, err = process.communicate()
    assert process.returncode not in (0, 130)
    assert TOKEN not in out + err
    assert list((fake / "tmp").iterdir()) == []
    return err.splitlines()[-1]


def first_line(process: subprocess.Popen[str]) -> str:
    """The first line of its output; it is ended as by Ctrl-C after that, and leaves nothing."""
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    os.killpg(process.pid, signal.SIGINT)
    process.communicate()
    assert process.returncode == 130
    return line


def test_it_prints_the_address_and_ends_with_its_tunnel(fake: Path) -> None:
    process = start(fake, "-F", str(fake / "ssh_config"), "--print")
    assert first_line(process) == f"http://127.0.0.1:8888/?token={TOKEN}"
    assert list((fake / "tmp").iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    assert TOKEN not in (fake / "calls").read_text()


def test_a_taken_port_is_passed_over(fake: Path) -> None:
    (fake / "taken").touch()
    assert first_line(start(fake, "-F", str(fake / "ssh_config"), "--print")).startswith("http://127.0.0.1:8889/?")
    assert "-L 127.0.0.1:8889:127.0.0.1:8888" in (fake / "calls").read_text()


def test_the_browser_is_opened(fake: Path) -> None:
    browser = fake / "bin/my-browser"
    browser.write_text('#!/bin/sh\necho "$1" >"$FAKE/opening"; mv "$FAKE/opening" "$FAKE/opened"\n')
    browser.chmod(0o755)
    line = first_line(start(fake, "-F", str(fake / "ssh_config"), "lab", BROWSER=str(browser)))
    assert line == "The notebook of lab is open in your browser, through 127.0.0.1:8888. Ctrl-C ends the tunnel."
    # It is not waited for.
    wait_until((fake / "opened").exists)
    assert (fake / "opened").read_text() == f"http://127.0.0.1:8888/?token={TOKEN}\n"


def test_without_a_host_it_says_how_to_make_one(fake: Path) -> None:
    told = refused(fake, GPULAB_DEPLOYMENT="no-such-deployment")
    assert "There is no host yet (" in told
    assert "ansible-playbook provision.yml" in told


def test_with_two_hosts_it_asks_which(fake: Path) -> None:
    (fake / "ssh_config").write_text("Host one\nHost two\n")
    told = refused(fake, "-F", str(fake / "ssh_config"))
    assert "say which one" in told
    assert "(one two" in told


def test_a_host_that_does_not_answer(fake: Path) -> None:
    (fake / "unreachable").touch()
    assert "There is no connection to lab" in refused(fake, "-F", str(fake / "ssh_config"))


def test_a_host_without_a_notebook(fake: Path) -> None:
    (fake / "said").unlink()
    assert "lab serves no notebook yet" in refused(fake, "-F", str(fake / "ssh_config"))


@pytest.mark.parametrize("arguments", [["--what"], ["one", "two"], ["-F"]])
def test_usage(fake: Path, arguments: list[str]) -> None:
    assert refused(fake, *arguments).startswith("Usage: ")


def result(host: str, **facts: str) -> types.SimpleNamespace:
    """What Ansible gives a callback for a task that set facts."""
    return types.SimpleNamespace(host=types.SimpleNamespace(get_name=lambda: host), result={"ansible_facts": facts})


def test_addresses_are_shown_on_the_terminal_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(notebook_url, "TERMINAL", str(tmp_path / "terminal"))
    (tmp_path / "lab.url").write_text(f"http://127.0.0.1:8888/?token={TOKEN}\n")
    callback = notebook_url.CallbackModule()
    callback.v2_runner_on_ok(result("lab", other="fact"))
    callback.v2_runner_on_ok(result("lab", **{notebook_url.FACT: str(tmp_path / "lab.url")}))
    callback.v2_playbook_on_stats(None)
    shown = (tmp_path / "terminal").read_text()
    assert f"Notebook of lab:  http://127.0.0.1:8888/?token={TOKEN}\n" in shown
    assert "bin/notebook lab" in shown
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("terminal", ["", "/nowhere/terminal"])
def test_without_a_terminal_or_a_notebook_nothing_is_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, terminal: str, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(notebook_url, "TERMINAL", terminal or str(tmp_path / "terminal"))
    callback = notebook_url.CallbackModule()
    if terminal:
        (tmp_path / "lab.url").write_text(f"http://127.0.0.1:8888/?token={TOKEN}\n")
        callback.v2_runner_on_ok(result("lab", **{notebook_url.FACT: str(tmp_path / "lab.url")}))
    callback.v2_playbook_on_stats(None)
    assert not (tmp_path / "terminal").exists()
    assert capfd.readouterr() == ("", "")

"""When a host counts as idle: the decision, and what processes, GPUs and the notebook server are taken for."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from rehearsal.settings import ROOT

MINUTE = 60
WINDOW, GRACE = 60 * MINUTE, 5 * MINUTE


@pytest.fixture(autouse=True)
def program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "roles/host_baseline/files/idle"))


def part(name: str) -> Any:
    return importlib.import_module(f"gpulab_idle.{name}")


def looks(*signs_by_minute: list[tuple[str, float]]) -> list[tuple[int, str, str]]:
    """(minute, action, what was told) of every look that had one of the two; a look a minute, for 75 minutes."""
    decision, state, said = part("decision"), {}, []
    for minute in range(75):
        seen = signs_by_minute[minute] if minute < len(signs_by_minute) else []
        signs = [decision.Sign(what, age) for what, age in seen]
        step = decision.decide(state, signs, minute * MINUTE, WINDOW, GRACE)
        state = step.state
        if step.action or step.told:
            said.append((minute, step.action, step.told))
        if step.action == "stop":
            break
    return said


def test_a_host_that_nobody_uses_is_warned_of_and_then_stopped() -> None:
    assert looks() == [
        (0, "", "in use: it has just started"),
        (2, "", "quiet; before that it has just started"),
        (60, "warn", "idle for 60 minutes, stops in 5; before that it has just started"),
        (65, "stop", "idle for 65 minutes, stops now; before that it has just started"),
    ]


def test_use_after_the_warning_keeps_the_host() -> None:
    said = looks(*[[]] * 62, [("somebody typed in /dev/pts/0", 20)])
    assert [(minute, action) for minute, action, _told in said] == [(0, ""), (2, ""), (60, "warn"), (62, ""), (64, "")]
    assert said[3][2] == "in use: somebody typed in /dev/pts/0"


def test_use_between_two_looks_counts_from_when_it_was() -> None:
    # Seen at minute 30, but 20 minutes old then: the window ends at minute 70.
    assert [m for m, action, _told in looks(*[[]] * 30, [("kernel computed", 20 * MINUTE)]) if action == "warn"] == [70]


def test_an_older_sign_does_not_bring_the_end_nearer() -> None:
    signs = [("GPU 0 is used to 99%", 0.0), ("kernel computed", 59.0 * MINUTE)]
    assert not [action for _minute, action, _told in looks(*[signs] * 75) if action]


def test_a_sign_at_the_last_moment_beats_the_stop() -> None:
    assert [a for _m, a, _t in looks(*[[]] * 65, [("programs use 1.0 cores", 0)]) if a] == ["warn"]


def process(key: str, ticks: int, uid: int = 1000, terminal: bool = False, words: str = "python train.py") -> Any:
    return part("processes").Process(key, ticks, uid, terminal, words.split())


def test_a_training_on_the_cpu_is_use_and_an_idle_server_is_not() -> None:
    processes = part("processes")
    before = {"at": 0, "ticks": {"7:1": 100, "8:1": 5000}}
    # 60 s of 100 ticks: 1.2 cores, and 0.02.
    training = processes.cpu_signs(before, {"7:1": 7300, "8:1": 5000}, 60, 100)
    assert [(sign.what, sign.age) for sign in training] == [("programs use 1.2 cores", 0)]
    assert processes.cpu_signs(before, {"7:1": 220, "8:1": 5000}, 60, 100) == []
    assert processes.cpu_signs(None, {"7:1": 9999}, 60, 100) == []


def test_a_process_id_that_is_used_again_is_another_process() -> None:
    before = {"at": 0, "ticks": {"7:1": 9000}}
    assert part("processes").cpu_signs(before, {"7:55": 3000}, 60, 100)[0].what == "programs use 0.5 cores"


def test_whose_processes_count() -> None:
    mine, daemon, typed = process("1:1", 5), process("2:1", 6, uid=0), process("3:1", 7, uid=0, terminal=True)
    nobody = process("4:1", 8, uid=65534)
    assert part("processes").people_ticks([mine, daemon, typed, nobody]) == {"1:1": 5, "3:1": 7}


def test_parse_stat_of_a_name_with_parentheses() -> None:
    line = "42 (a (b) c) S 1 42 42 34816 42 4194304 1 2 3 4 10 20 30 40 20 0 1 0 98765 1 1 1"
    assert part("processes").parse_stat(line) == (98765, 100, True)


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["/usr/bin/apt-get", "install"], "apt-get is at work"),
        (["/opt/conda/bin/python3.12", "/opt/conda/bin/conda", "install"], "conda is at work"),
        (["python3", "-m", "pip", "install"], "pip is at work"),
        (["/bin/sh", "-c", "echo BECOME-SUCCESS-abc ; python3"], "Ansible is at work"),
        (["/usr/bin/python3", "/home/u/.ansible/tmp/ansible-tmp-1-2/AnsiballZ_copy.py"], "Ansible is at work"),
    ],
)
def test_installing_is_use(words: list[str], name: str) -> None:
    processes = part("processes")
    found = processes.work_signs([processes.Process("1:1", 0, 0, False, words)])
    assert [(sign.what, sign.age) for sign in found] == [(name, 0)]


@pytest.mark.parametrize(
    "words", [[""], ["vim", "apt"], ["python", "train.py", "conda"], ["sshd: ubuntu@notty"], ["sh"]]
)
def test_other_programs_are_not(words: list[str]) -> None:
    processes = part("processes")
    assert processes.work_signs([processes.Process("1:1", 0, 0, False, words)]) == []


def test_gpu_use_is_utilisation_and_not_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    devices = part("devices")
    monkeypatch.setattr(devices.subprocess, "check_output", lambda *_args, **_kwargs: b"0\n97\n[N/A]\n4\n")
    assert [sign.what for sign in devices.gpu_signs()] == ["GPU 1 is used to 97%"]


@pytest.mark.parametrize(("error", "signs"), [("no program", 0), ("no driver", 0), ("hangs", 1)])
def test_a_gpu_that_cannot_be_asked(monkeypatch: pytest.MonkeyPatch, error: str, signs: int) -> None:
    devices = part("devices")
    errors = {
        "no program": FileNotFoundError(),
        "no driver": devices.subprocess.CalledProcessError(9, "nvidia-smi"),
        "hangs": devices.subprocess.TimeoutExpired("nvidia-smi", 30),
    }

    def fail(*_args: Any, **_kwargs: Any) -> bytes:
        raise errors[error]

    monkeypatch.setattr(devices.subprocess, "check_output", fail)
    assert len(devices.gpu_signs()) == signs


NOW = 1_800_000_000  # 2027-01-15T08:00:00Z


@pytest.mark.parametrize(
    ("kernel", "signs"),
    [
        ({"execution_state": "busy", "last_activity": "2027-01-15T07:00:00.000000Z"}, [0]),
        ({"execution_state": "starting", "last_activity": "2027-01-15T07:00:00.000000Z"}, [0]),
        ({"execution_state": "idle", "last_activity": "2027-01-15T07:50:00.123456Z"}, [600]),
        # A host whose clock was set back.
        ({"execution_state": "idle", "last_activity": "2027-01-15T09:00:00.000000Z"}, [0]),
        ({"execution_state": "dead", "last_activity": "2027-01-15T07:50:00.000000Z"}, []),
        # notebook 4 says neither.
        ({}, [0]),
    ],
)
def test_kernels(kernel: dict[str, str], signs: list[int]) -> None:
    found = part("notebook").kernel_signs([dict(kernel, id="0123456789")], NOW)
    assert [sign.age for sign in found] == signs


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    """A stand-in for a notebook server: it knows /api/kernels, and one token."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            allowed = self.headers["Authorization"] == "token " + "s" * 48
            self.send_response(403 if not allowed else 200 if self.path == "/api/kernels" else 404)
            self.end_headers()
            if allowed and self.path == "/api/kernels":
                self.wfile.write(b'[{"id": "k", "execution_state": "busy", "last_activity": "2027-01-15T07:00:00Z"}]')

        def log_message(self, *_args: Any) -> None:
            return

    made = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch, server: HTTPServer) -> Any:
    """The module, on a host whose service runs as root and answers where the stand-in does."""
    notebook = part("notebook")
    texts = {notebook.SETTINGS: f"# x\n# gpulab: http {server.server_port}\n"}
    monkeypatch.setattr(notebook, "shown", lambda _unit: {"ActiveState": "active", "User": "root"})
    monkeypatch.setattr(notebook, "text_of", lambda path: texts.get(path, "s" * 48 + "\n"))
    return notebook


def test_a_notebook_that_computes(notebook: Any) -> None:
    assert [(sign.what, sign.age) for sign in notebook.signs(NOW)] == [("kernel k of a notebook is busy", 0)]


def test_a_server_that_runs_and_does_not_answer_is_no_idle_one(notebook: Any, server: HTTPServer) -> None:
    server.shutdown()
    server.server_close()
    (sign,) = notebook.signs(NOW)
    assert sign.age == 0
    assert "cannot be asked" in sign.what


def test_a_token_that_the_server_refuses_is_never_told(notebook: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ask = notebook.ask
    monkeypatch.setattr(notebook, "ask", lambda address, _token, **rest: ask(address, "w" * 48, **rest))
    (sign,) = notebook.signs(NOW)
    assert (sign.what, sign.age) == ("the notebook server cannot be asked (it answers 403)", 0)


@pytest.mark.parametrize("state", ["inactive", "failed", "deactivating"])
def test_a_server_that_does_not_run_says_nothing(notebook: Any, monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    monkeypatch.setattr(notebook, "shown", lambda _unit: {"ActiveState": state, "User": "ubuntu"})
    assert notebook.signs(NOW) == []


def test_terminals_in_the_browser_count_where_they_tell_when(notebook: Any) -> None:
    terminals = [{"name": "1", "last_activity": "2027-01-15T07:58:00Z"}, {"name": "2"}]
    assert [sign.age for sign in notebook.terminal_signs(terminals, NOW)] == [120]

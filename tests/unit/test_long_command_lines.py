"""What a long command printed, as lines: cleaned, kept, chosen to be shown; and the sentences about its end."""

from __future__ import annotations

import base64
import itertools
import subprocess
from pathlib import Path

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import long_command_lines as lines_of
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain", "plain"),
        ("windows\r", "windows"),
        ("10 %\r20 %\r30 %", "30 %"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b[2K\x1b[1Gpip\x1b[?25l", "pip"),
        ("bell\x07", "bell"),
        ("trailing   ", "trailing"),
        ("x" * 600, "x" * 500),
    ],
)
def test_line_is_what_a_terminal_ends_up_showing(raw: str, shown: str) -> None:
    assert lines_of.clean(raw) == shown


@given(st.text(alphabet="aé€\n\r", max_size=60), st.lists(st.integers(0, 120), max_size=5))
def test_lines_do_not_depend_on_how_the_output_was_cut(text: str, cuts: list[int]) -> None:
    raw = text.encode()
    places = sorted({0, len(raw), *(cut for cut in cuts if cut < len(raw))})
    whole, pieces = lines_of.Lines(), lines_of.Lines()
    expected = whole.feed(raw, final=True)
    got = [line for start, end in itertools.pairwise(places) for line in pieces.feed(raw[start:end])] + pieces.feed(
        b"", final=True
    )
    assert got == expected


def test_newest_is_the_state_of_a_progress_bar() -> None:
    lines = lines_of.Lines()
    assert lines.newest == ""
    assert lines.feed(b"Collecting torch\n 10 %\r 55 %") == ["Collecting torch"]
    assert lines.newest == " 55 %"
    assert lines.last == ["Collecting torch"]


def test_only_the_last_lines_are_kept() -> None:
    lines = lines_of.Lines()
    lines.feed("".join(f"{number}\n" for number in range(200)).encode())
    assert lines.last == [str(number) for number in range(150, 200)]


def test_matching_lines_are_shown_at_once() -> None:
    ticker = lines_of.Ticker(10, r"^cell", 0)
    assert ticker.choose(["cell 1", "noise", "cell 2"], "cell 2", 0.1) == ["cell 1", "cell 2"]
    assert ticker.choose(["noise"], "noise", 5) == []
    assert ticker.choose([], "noise", 11) == ["noise"]


def test_without_a_pattern_the_newest_line_is_shown_every_so_often_and_once() -> None:
    ticker = lines_of.Ticker(10, None, 0)
    assert ticker.choose(["a", "b"], "b", 1) == []
    assert ticker.choose(["c"], "c", 10) == ["c"]
    assert ticker.choose([], "c", 30) == []
    assert ticker.choose(["d"], "d", 31) == ["d"]


def test_answer_is_found_behind_what_a_login_prints() -> None:
    packed = base64.b64encode(b"hello\n").decode()
    answer = lines_of.read_answer(f"Welcome!\r\ngpulab-job ended 3 1.5 exit\r\n{packed}\r\n")
    assert answer == lines_of.Answer("ended", 3, 1.5, "exit", b"hello\n")
    assert lines_of.read_answer("gpulab-job running\n\n") == lines_of.Answer("running", None, None, None, b"")
    assert lines_of.read_answer("Welcome!\n") is None


@pytest.fixture
def job(tmp_path: Path) -> Path:
    folder = tmp_path / "a job"
    folder.mkdir()
    (folder / "pid").write_text("999999999 1")
    (folder / "log").write_bytes(b"0123456789")
    return folder


def ask(folder: Path, identity: str, offset: int = 0) -> lines_of.Answer | None:
    script = lines_of.poll_script(f"'{folder}'", identity, offset, 0)
    return lines_of.read_answer(subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout)


def test_script_tells_a_job_that_is_gone(job: Path) -> None:
    assert ask(job, "999999999 1", 4) == lines_of.Answer("gone", None, None, None, b"456789")


def test_script_tells_a_job_that_ended(job: Path) -> None:
    (job / "exit").write_text("-9 2.0 exit")
    assert ask(job, "999999999 1", 10) == lines_of.Answer("ended", -9, 2.0, "exit", b"")


def test_script_tells_a_job_of_somebody_else(job: Path) -> None:
    (job / "exit").write_text("0 2.0 exit")
    answer = ask(job, "4711 1")
    assert answer is not None
    assert answer.state == "replaced"


def test_script_says_nothing_of_a_folder_that_is_gone(tmp_path: Path) -> None:
    assert ask(tmp_path / "none", "1 1") is None


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (("ended", 0, 1.0, "exit"), None),
        (("ended", 3, 1.0, "exit"), "pip ended with exit code 3 after 1 seconds"),
        (("ended", -9, 61.0, "exit"), "pip was killed by signal 9 after 61 seconds"),
        (("ended", 124, 30.0, "timeout"), "pip was stopped after its limit of 30 seconds"),
        (("gone", None, None, None), "pip is gone without an exit code"),
    ],
)
def test_failure_is_a_sentence_with_the_log_and_the_last_lines(
    answer: tuple[str, int, float, str], sentence: str | None
) -> None:
    told = lines_of.failure("pip", lines_of.Answer(*answer, b""), ["one", "two"], "/j/log", 30)
    if sentence is None:
        assert told is None
    else:
        assert told.startswith(sentence)
        assert told.endswith(" (its whole output is in /j/log on the host); its last lines are:\none\ntwo")


def test_secret_lines_are_not_in_the_sentence() -> None:
    told = lines_of.failure("pip", lines_of.Answer("ended", 1, 1.0, "exit", b""), None, "/j/log", 30)
    assert told == "pip ended with exit code 1 after 1 seconds (its whole output is in /j/log on the host)"

"""Labs on a real host: one that fails, ones from a folder and from Git, a clone that the user changed; and a job whose
connection breaks."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rehearsal import settings
from tests.environment.conftest import Host, environment
from tests.environment.small import Small
from tests.support.playbook import Run, wait_until

pytestmark = [pytest.mark.hosts, pytest.mark.slow]

JUPYTER = (
    "asttokens",
    "attrs",
    "beautifulsoup4",
    "bleach",
    "comm",
    "debugpy",
    "defusedxml",
    "executing",
    "fastjsonschema",
    "ipykernel",
    "ipython",
    "ipython-pygments-lexers",
    "jedi",
    "jinja2",
    "jsonschema",
    "jsonschema-specifications",
    "jupyter-client",
    "jupyter-core",
    "jupyterlab-pygments",
    "markupsafe",
    "matplotlib-inline",
    "mistune",
    "nbclient",
    "nbconvert",
    "nbformat",
    "nest-asyncio2",
    "packaging",
    "pandocfilters",
    "parso",
    "pexpect",
    "platformdirs",
    "prompt-toolkit",
    "psutil",
    "ptyprocess",
    "pure-eval",
    "pygments",
    "python-dateutil",
    "pyzmq",
    "referencing",
    "rpds-py",
    "six",
    "soupsieve",
    "stack-data",
    "tinycss2",
    "tornado",
    "traitlets",
    "typing-extensions",
    "wcwidth",
    "webencodings",
)
"""nbclient, nbconvert, ipykernel and all that they need."""
ORIGIN = "/home/ubuntu/origin"


def notebook(*cells: str) -> str:
    """A notebook of these code cells."""
    code = [{"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": c} for c in cells]
    return json.dumps({"cells": code, "metadata": {}, "nbformat": 4, "nbformat_minor": 4})


@pytest.fixture(scope="module")
def labs(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Run]:
    """A function that runs the role course_labs with these labs, in an environment that can execute notebooks."""
    jupyter = Small(host, tmp_path_factory.mktemp("jupyter"), "labs")
    jupyter.contains(pip=JUPYTER)
    jupyter.variables |= {"conda_env_imports": ["nbclient", "nbconvert", "ipykernel"]}
    jupyter.play().ok()
    work = tmp_path_factory.mktemp("labs")

    def play(*labs: dict[str, Any], arguments: tuple[str, ...] = (), **variables: Any) -> Run:
        given = {"course_labs_labs": list(labs), "course_labs_environment": jupyter.link}
        return host.play("course_labs", work, *arguments, **given, **variables)

    return play


def local(folder: Path, *cells: str, **more: Any) -> dict[str, Any]:
    """A lab in a folder of this machine, which has one notebook of these cells."""
    folder.mkdir(exist_ok=True)
    (folder / "lab.ipynb").write_text(notebook(*cells))
    return {"name": folder.name, "repository": str(folder), "notebook": "lab.ipynb", **more}


def shown(host: Host, lab: str) -> list[str]:
    """What each cell of the notebook that was kept shows: its streams, and the names of its errors."""
    cells = json.loads(host.sh(f"cat ~/notebooks/{lab}/outputs/lab.ipynb"))["cells"]
    return ["".join("".join(o.get("text", o.get("ename", ""))) for o in cell["outputs"]) for cell in cells]


def test_lab_from_a_folder_runs_once(host: Host, labs: Callable[..., Run], tmp_path: Path) -> None:
    folder = tmp_path / "from-a-folder"
    folder.mkdir()
    (folder / "helper.py").write_text("ANSWER = 0.97\n")
    lab = local(folder, "import helper", "n = 1", "print('accuracy', helper.ANSWER + n / 100)")
    lab |= {"values": {"accuracy": "accuracy ([0-9.]+)"}, "assertions": {"accuracy": {"minimum": 0.98}}}
    assert labs(lab, arguments=("--check",)).ok().changed[host.name] > 0
    assert host.run("ls ~/notebooks/from-a-folder").returncode != 0
    labs(lab).ok()
    result = json.loads(host.sh("cat /opt/gpulab/labs/from-a-folder/result.json"))
    assert (result["passed"], result["values"], result["cells"]) == (True, {"accuracy": 0.98}, 3)
    assert "accuracy 0.98" in host.sh("cat ~/notebooks/from-a-folder/outputs/lab.html")
    assert labs(lab).ok().changed == {host.name: 0}


@pytest.fixture(scope="module")
def failures(labs: Callable[..., Run], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of labs with a cell that fails, a low accuracy and a cell that takes too long, and one behind them."""
    folder = tmp_path_factory.mktemp("failures")
    accuracy = {"values": {"accuracy": "accuracy ([0-9.]+)"}, "assertions": {"accuracy": {"minimum": 0.98}}}
    return labs(
        local(folder / "failing", "print('first')", "# Divide\nprint('second')\n1 / 0", "print('third')"),
        local(folder / "poor", "print('accuracy 0.5')", **accuracy),
        local(folder / "slow", "print('begun', flush=True)", "import time; time.sleep(60)", cell_timeout=2),
        local(folder / "behind-them", "print('fine')"),
    )


def test_failing_cell_is_told_with_its_traceback_and_what_was_shown_is_kept(host: Host, failures: Run) -> None:
    failures.refused("The lab failing: cell 2 (print('second')) failed: ZeroDivisionError: division by zero")
    assert "notebooks/failing/outputs/lab.ipynb" in failures.output
    assert shown(host, "failing") == ["first\n", "second\nZeroDivisionError", ""]
    assert "ZeroDivisionError" in host.sh("cat ~/notebooks/failing/outputs/lab.html")
    cell = json.loads(host.sh("cat /opt/gpulab/labs/failing/result.json"))["failed_cell"]
    assert cell["number"] == 2
    assert "----> 3 1 / 0" in cell["traceback"]


def test_missed_assertion_is_told(failures: Run) -> None:
    failures.refused("The lab poor: accuracy is 0.5, expected at least 0.98")


def test_time_limit_of_a_cell_is_told_and_what_was_shown_is_kept(host: Host, failures: Run) -> None:
    time_up = "TimeoutError: it ran longer than its limit of 2 seconds"
    failures.refused(f"The lab slow: cell 2 (import time; time.sleep(60)) failed: {time_up}")
    assert shown(host, "slow")[0] == "begun\n"


@pytest.mark.usefixtures("failures")
def test_other_labs_have_their_turn(host: Host) -> None:
    assert shown(host, "behind-them") == ["fine\n"]


@pytest.fixture(scope="module")
def origin(host: Host) -> dict[str, Any]:
    """A lab in a Git repository, which git's own server gives out on the host."""
    host.sh("sudo apt-get -qq update && sudo apt-get -qq install --no-install-recommends git > /dev/null")
    host.sh(
        f"git init -q -b main {ORIGIN} && cd {ORIGIN}\n"
        "git config user.email t@example.org && git config user.name t\n"
        "setsid git daemon --listen=127.0.0.1 --base-path=$HOME --export-all --reuseaddr > /dev/null 2>&1 < /dev/null &"
    )
    return {"name": "cloned", "repository": "git://127.0.0.1/origin", "notebook": "part/lab.ipynb"}


def commit(host: Host, text: str) -> str:
    """A commit of the lab whose notebook prints this; its id."""
    script = f"mkdir -p {ORIGIN}/part && cd {ORIGIN} && cat > part/lab.ipynb <<'E'\n{notebook(f'print({text!r})')}\nE\n"
    return host.sh(f"{script}git add -A && git commit -q -m x && git rev-parse HEAD").strip()


def test_lab_from_git_is_run_at_its_commit_and_the_users_changes_stay(
    host: Host, labs: Callable[..., Run], origin: dict[str, Any]
) -> None:
    first, second = commit(host, "one"), commit(host, "two")
    labs(origin | {"commit": first}).ok()
    assert shown(host, "cloned") == ["one\n"]
    assert labs(origin | {"commit": first}).ok().changed == {host.name: 0}
    labs(origin | {"commit": second}).ok()
    assert shown(host, "cloned") == ["two\n"]
    assert host.sh("cd ~/notebooks/cloned && git rev-parse HEAD && git status --porcelain").split() == [second]

    host.sh("echo mine > ~/notebooks/cloned/part/lab.ipynb")
    told = labs(origin | {"commit": second}).ok()
    assert "has changes of your own (part/lab.ipynb), which stay" in told.flat
    told = labs(origin | {"commit": first}).ok()
    assert "so it is left alone and not run at" in told.flat
    assert host.sh("cd ~/notebooks/cloned && git rev-parse HEAD && cat part/lab.ipynb").split() == [second, "mine"]


def test_unknown_commit_is_one_sentence(host: Host, labs: Callable[..., Run], origin: dict[str, Any]) -> None:
    commit(host, "three")
    labs(origin | {"name": "unknown", "commit": "f" * 40}).refused(f"git://127.0.0.1/origin has no commit {'f' * 40}")
    assert host.run("ls -d ~/notebooks/unknown").returncode != 0


def test_job_outlives_its_connection(host: Host, tmp_path: Path) -> None:
    script = "echo begun; while [ ! -e /tmp/go ]; do sleep 0.1; done; echo ended"
    task = {"argv": ["sh", "-c", script], "job": "/tmp/job", "progress": "^(begun|ended)", "label": "long"}
    play = {"hosts": "all", "gather_facts": False, "tasks": [{"name": "Run", "gpulab.core.long_command": task}]}
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    command = [settings.ROOT / ".venv/bin/ansible-playbook", f"--inventory={host.state / 'hosts.yml'}"]
    process = subprocess.Popen(
        [*command, tmp_path / "play.yml"],
        cwd=settings.ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    wait_until(lambda: host.run("cat /tmp/job/log").stdout == "begun\n")
    host.run("sudo pkill --signal KILL --full '^sshd: ubuntu'")
    time.sleep(1)
    assert process.poll() is None
    host.sh("touch /tmp/go")
    output, _none = process.communicate()
    assert process.returncode == 0, output
    assert [line for line in output.splitlines() if " | long: " in line] == [
        f"{host.name} | long: begun",
        f"{host.name} | long: ended",
    ]

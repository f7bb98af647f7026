"""Start and stop the embedded cloud of this clone, and talk to it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from rehearsal import environment, settings

START_SECONDS = 30


def request(url: str, path: str, method: str = "GET", body: Any = None) -> Any:
    """Call the cloud's control interface (`path` like "calls") and return the decoded answer."""
    data = None if body is None else json.dumps(body).encode()
    query = urllib.request.Request(
        f"{url}/_rehearsal/{path}", data, {"Content-Type": "application/json"}, method=method
    )
    with urllib.request.urlopen(query, timeout=30) as answer:
        return json.loads(answer.read() or b"null")


def running(state: Path = settings.STATE) -> dict[str, Any] | None:
    """Return cloud.json of a cloud that answers, else None."""
    try:
        cloud: dict[str, Any] = json.loads((state / "cloud.json").read_text())
        request(cloud["url"], "ready")
    except (OSError, ValueError):
        return None
    return cloud


def up(state: Path = settings.STATE, hosts: bool = True, real_hosts: int | None = None) -> dict[str, Any]:
    """Start the cloud unless it runs already; write `env` beside it; return cloud.json.

    real_hosts: how many instances get a host at most; None is all.
    Raises SystemExit with the end of the log when it does not come up.
    """
    found = running(state)
    if found:
        return found
    down(state)
    state.mkdir(parents=True, mode=0o700, exist_ok=True)
    command = [sys.executable, "-m", "rehearsal.cloud", "--state", str(state)] + ([] if hosts else ["--without-hosts"])
    command += [] if real_hosts is None else ["--real-hosts", str(real_hosts)]
    with (state / "cloud.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=settings.ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    deadline = time.monotonic() + START_SECONDS
    while not (found := running(state)):
        if process.poll() is not None or time.monotonic() > deadline:
            tail = "\n".join((state / "cloud.log").read_text(errors="replace").splitlines()[-15:])
            sys.exit(f"The embedded cloud did not start; the end of {state / 'cloud.log'} says:\n{tail}")
        time.sleep(0.05)
    env = state / "env"
    env.touch(mode=0o600)
    env.write_text(environment.shell(found["url"]))
    return found


def down(state: Path = settings.STATE) -> None:
    """Stop the cloud and remove its hosts and its state folder; safe to call when any of it is gone or half there."""
    try:
        pid = json.loads((state / "cloud.json").read_text())["pid"]
    except (OSError, ValueError):
        pid = None
    if pid and _is_cloud(pid):
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + 30
        while _is_cloud(pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        if _is_cloud(pid):
            os.kill(pid, signal.SIGKILL)
    if state.exists():
        subprocess.run(
            [sys.executable, "-m", "rehearsal.hosts", "remove", "--state", str(state)], cwd=settings.ROOT, check=True
        )
        shutil.rmtree(state)
    if state == settings.ROOT / ".rehearsal":
        # Its deployment's key and pinned hosts mean nothing without it; they are not another folder's.
        shutil.rmtree(settings.ROOT / ".gpulab" / environment.DEPLOYMENT, ignore_errors=True)


def _is_cloud(pid: int) -> bool:
    """Tell whether `pid` is (still) a cloud of ours.

    Pids are used again, and a child that ended stays listed until it is waited for.
    """
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        return b"rehearsal.cloud" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False

"""`bin/rehearse --iam-policy`: the policy alone on stdout, and only after playbooks that went well."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from rehearsal import __main__, journey, settings

CALLS = [
    {"service": "ec2", "action": "StopInstances", "iam": "ec2:StopInstances", "params": {}, "write": True},
    {"service": "pricing", "action": "GetProducts", "iam": "pricing:GetProducts", "params": {}, "write": False},
]
# Playbooks that print as the real ones do, in this process and in a child of it, and fail if they are told to.
STAND_IN = """
import subprocess, sys
from rehearsal import __main__, everyday
def record(extra):
    print("progress", extra)
    subprocess.run(["echo", "progress of a child"], check=True)
    if {code}:
        sys.exit({code})
    return {calls}
everyday.record = record
sys.exit(__main__.main(["--iam-policy", "-e", "a=b"]))
"""


@pytest.mark.parametrize("code", [0, 1])
def test_stdout_has_the_policy_alone(code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STAND_IN.format(code=code, calls=CALLS)],
        cwd=settings.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert done.stderr == "progress ['a=b']\nprogress of a child\n"
    if code:
        assert done.stdout == ""
    else:
        actions = [one["Action"] for one in json.loads(done.stdout)["Statement"]]
        assert actions == [["pricing:GetProducts"], ["ec2:StopInstances"]]


@pytest.mark.parametrize("what", ["up", "down"])
def test_a_policy_has_a_cloud_of_its_own(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        __main__.main([what, "--iam-policy"])
    assert caught.value.code == 2
    assert f"leave out {what}" in capsys.readouterr().err


def test_a_journey_as_ever_is_asked_for_no_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def run(*given: Any) -> int:
        seen.append(given)
        return 7

    monkeypatch.setattr(journey, "run", run)
    assert __main__.main(["-e", "a=b", "-e", "c=d", "-vvv"]) == 7
    assert seen == [(["a=b", "c=d"], 3)]

"""AWS's refusals of a launch are told at once, and are no riddle."""

from __future__ import annotations

import pytest

from tests.support.playbook import Deployment


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("UnauthorizedOperation", "these credentials may not do that (RunInstances): ask the account's administrator"),
        ("ExpiredToken", "the credentials have expired: renew them and run the same command again"),
        ("VcpuLimitExceeded", "the account's vCPU quota for this family is used up: request more"),
    ],
)
def test_a_refused_launch_is_told_at_once(shared: Deployment, code: str, words: str):
    shared.cloud.forget()
    shared.cloud.refuse("RunInstances", code)
    shared.provision().refused(f"While launching the host, AWS answered {code}: {words}")
    assert [c["error"] for c in shared.cloud.calls("RunInstances")] == [code]
    assert shared.cloud.instances(shared.name) == []

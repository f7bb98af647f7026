"""No playbook that talks to AWS tells a secret, however talkative it is asked to be."""

from __future__ import annotations

import json

from rehearsal import everyday as journey
from tests.playbooks.conftest import Everyday


def test_no_secret_is_told_at_vvv(everyday: Everyday) -> None:
    assert [book for book, _ in everyday.said] == [book for book, _ in journey.STEPS]
    assert len(everyday.secrets) == 3
    for book, output in everyday.said:
        assert "module_args:" in output, f"{book} was not talkative"
        assert "PRIVATE KEY" not in output
        told = [secret[:12] for secret in everyday.secrets if secret in output]
        assert told == [], f"{book}.yml tells secrets that begin so"
    log = json.dumps(everyday.calls)
    assert not any(secret in log for secret in everyday.secrets)

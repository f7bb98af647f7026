"""No playbook tells a secret, however talkative it is asked to be."""

from __future__ import annotations

import inspect
import json
import re

from rehearsal import journey
from rehearsal.everyday import STEPS
from rehearsal.settings import ROOT
from tests.conftest import SHORT
from tests.driver import test_packages
from tests.playbooks.conftest import Everyday


def test_no_secret_is_told_at_vvv(everyday: Everyday) -> None:
    assert [book for book, _ in everyday.said] == [book for book, _ in STEPS]
    assert len(everyday.secrets) == 3
    for book, output in everyday.said:
        assert "module_args:" in output, f"{book} was not talkative"
        assert "PRIVATE KEY" not in output
        told = [secret[:12] for secret in everyday.secrets if secret in output]
        assert told == [], f"{book}.yml tells secrets that begin so"
    log = json.dumps(everyday.calls)
    assert not any(secret in log for secret in everyday.secrets)


def test_there_is_no_playbook_that_is_not_asked() -> None:
    # Those that configure a host are played by the journey with another Python, which looks for secrets in the end.
    assert "-vvv" in SHORT
    assert journey.STAGES["secrets"] is journey.Journey.secrets
    by_the_journey = set(re.findall(r'self\.playbook\("([\w-]+)"', inspect.getsource(journey.Journey)))
    # What repairs drivers is played on a host that needs it, once to a stop and once to the end.
    repairs = inspect.getsource(test_packages.test_process_that_holds_the_gpu_is_named_and_not_ended)
    assert repairs.count('play("-vvv", ') == 2
    assert "assert_no_secret_is_told(" in repairs
    asked = {book for book, _ in STEPS} | by_the_journey | {"repair-drivers"}
    assert asked == {file.stem for file in ROOT.glob("playbooks/*.yml")}

# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Action gpulab.core.long_command: the module starts a job on the host, this waits for it and shows its lines."""

from __future__ import annotations

import re
import shlex
import time

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.gpulab.core.plugins.module_utils import long_command_lines as lines_of

FIRST_WAIT, LONGEST_WAIT = 0.5, 3.0
"""Seconds that one question to the host may last: short ones first, for short commands."""
RECONNECT_SECONDS = 300
"""How long a host may be out of reach while its job runs on."""
UNANSWERED = 5
"""Answers without the job's state before it is given up."""

display = Display()


class ActionModule(ActionBase):
    """The action gpulab.core.long_command."""

    TRANSFERS_FILES = False

    def run(self, tmp=None, task_vars=None):
        """Start or attach, wait, show, report."""
        result = super().run(tmp, task_vars)
        if self._task.check_mode:
            return result | {"skipped": True, "msg": "a command that changes things is not run in check mode"}
        given = self._task.args
        every, progress = int(given.get("every", 10)), given.get("progress")
        try:
            re.compile(progress or "")
        except re.error as error:
            raise AnsibleActionFail(
                f"progress is no regular expression ({error}): give one, or leave it out."
            ) from error
        begun = self._execute_module(module_name="gpulab.core.long_command", module_args=given, task_vars=task_vars)
        if begun.get("failed") or "identity" not in begun:
            return result | begun
        label = given.get("label") or given["argv"][0].rsplit("/", 1)[-1]
        log = f"{begun['job']}/log"
        if begun["attached"]:
            self._show(label, ["runs already, waiting for its end"], task_vars)
        lines = lines_of.Lines()
        ticker = lines_of.Ticker(every, progress, time.monotonic())
        answer = self._wait(begun, lines, lambda new: self._tick(ticker, label, new, lines.newest, task_vars))
        lines.feed(b"", final=True)
        result |= {"changed": True, "attached": begun["attached"], "log": log, "stdout_lines": lines.last}
        if answer.state == "ended":
            result |= {"rc": answer.rc, "seconds": answer.seconds}
        # Ansible shows a failure's sentence even where the task keeps its result secret.
        told = None if self._task.no_log else lines.last
        failed = lines_of.failure(label, answer, told, log, int(given.get("timeout", 3600)))
        return result | ({"failed": True, "msg": failed} if failed else {})

    def _wait(self, begun, lines, tick):
        """Ask until the job is over and its whole log was read; the last Answer."""
        offset, wait, unanswered = 0, FIRST_WAIT, 0
        while True:
            answer = self._ask(begun, offset, wait)
            if answer is None:
                unanswered += 1
                if unanswered > UNANSWERED:
                    raise AnsibleActionFail(
                        f"The host no longer tells about the job in {begun['job']}: "
                        "see whether that folder is still there, then run this again."
                    )
                time.sleep(wait)
                continue
            unanswered, offset = 0, offset + len(answer.output)
            tick(lines.feed(answer.output))
            if len(answer.output) == lines_of.CHUNK:
                wait = 0
            elif answer.state != "running":
                return answer
            else:
                wait = min(LONGEST_WAIT, max(FIRST_WAIT, wait * 1.5))

    def _ask(self, begun, offset, wait):
        """One question to the host, repeated while it is out of reach; the Answer, None when it made no sense."""
        script = lines_of.poll_script(shlex.quote(begun["job"]), begun["identity"], offset, wait)
        lost = None
        while True:
            try:
                return lines_of.read_answer(self._low_level_execute_command(script)["stdout"])
            except AnsibleConnectionFailure as error:
                lost = lost or time.monotonic()
                if time.monotonic() - lost > RECONNECT_SECONDS:
                    raise
                display.warning(f"The connection is lost; the command runs on, and the host is tried again ({error})")
                time.sleep(LONGEST_WAIT)

    def _tick(self, ticker, label, new, newest, task_vars):
        self._show(label, ticker.choose(new, newest, time.monotonic()), task_vars)

    def _show(self, label, lines, task_vars):
        """Show lines, at once and in whole, unless the task keeps them secret."""
        if lines and not self._task.no_log:
            host = (task_vars or {}).get("inventory_hostname", "")
            display.display("\n".join(f"{host} | {label}: {line}" for line in lines))

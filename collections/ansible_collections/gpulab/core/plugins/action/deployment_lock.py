# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Action gpulab.core.deployment_lock: one playbook at a time works on a deployment.

Options: C(path), the lock's file, and C(deployment), the name to speak of. Holds until this ansible-playbook has ended,
however it ends; other playbooks of this machine are refused with a sentence meanwhile. The folder of the lock
is made for its owner alone, which is what C(changed) tells. In check mode nothing is locked. Returns C(run), the run's
id. An action and no module, because a module has ended before the next task begins.
"""

from __future__ import annotations

import os
import secrets
import socket
import time
from pathlib import Path

from ansible import context
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.gpulab.core.plugins.module_utils import run_lock


class ActionModule(ActionBase):
    """The action gpulab.core.deployment_lock."""

    TRANSFERS_FILES = False
    _VALID_ARGS = frozenset({"path", "deployment"})

    def run(self, tmp=None, task_vars=None):
        """Take the lock for the process that runs the whole playbook, the parent of this task's worker."""
        result = super().run(tmp, task_vars)
        given = self._task.args
        if self._task.check_mode:
            return result | {"changed": not run_lock.folder_ready(given["path"]), "run": ""}
        pid = os.getppid()
        books = [Path(book).name for book in context.CLIARGS.get("args") or ()]
        me = {
            "pid": pid,
            "began": run_lock.began(pid),
            "machine": socket.gethostname(),
            "run": secrets.token_hex(4),
            "command": " ".join(["ansible-playbook", *books]),
            "since": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
        }
        try:
            ready = run_lock.folder_ready(given["path"])
            found = run_lock.take(given["path"], me)
        except OSError as error:
            raise AnsibleActionFail(
                f"The lock {given['path']} cannot be written ({error.strerror}), expected a folder of your own: "
                "correct its owner, or give another with -e gpulab_local_dir=FOLDER."
            ) from error
        if found:
            raise AnsibleActionFail(run_lock.sentence(given["deployment"], found))
        return result | {"changed": not ready, "run": me["run"]}

# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Run a module of this collection inside Ansible's own worker where that is the machine it is for anyway.

A module on the control machine otherwise costs a second before it does anything: it is packed, unpacked, and a new
Python imports boto3 again, which the inventory has imported already. The links beside this file are the modules whose
action it is; on any connection but a local one, or as another user, they run as modules do.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json

from ansible.module_utils import basic
from ansible.module_utils.common.json import Direction, get_module_encoder
from ansible.plugins.action import ActionBase

PROFILE = "legacy"
"""How arguments and results are written; the one that core's modules use."""
MODULES = "ansible_collections.gpulab.core.plugins.modules"


class ActionModule(ActionBase):
    """The action of every module that has a link to this file."""

    def run(self, tmp=None, task_vars=None):
        """Do what the module does and return what it returns."""
        result = super().run(tmp, task_vars)
        if self._connection.transport != "local" or self._play_context.become or any(self._task.environment or ()):
            return result | self._execute_module(task_vars=task_vars)
        name = self._task.action.rpartition(".")[2]
        given = dict(self._task.args)
        self._update_module_args(name, given, task_vars)
        module = importlib.import_module(f"{MODULES}.{name}")
        encoder = get_module_encoder(PROFILE, Direction.CONTROLLER_TO_MODULE)
        # The worker is a process of the task's own: nobody else sees these.
        basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": given}, cls=encoder).encode()
        basic._ANSIBLE_PROFILE = PROFILE
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
            module.main()
        return result | self._parse_returned_data({"stdout": said.getvalue()}, PROFILE)

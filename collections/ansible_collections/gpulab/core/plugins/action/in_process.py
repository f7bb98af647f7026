# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Run a module inside Ansible's own worker where that is the machine it is for anyway.

A module on the control machine otherwise costs a second before it does anything: it is packed, unpacked, and a new
Python imports boto3 again, which the inventory has imported already. The links beside this file are modules of this
collection whose action it is; those of other collections are named, as in modules/in_process.py. On any connection but
a local one, or as another user, they run as modules do.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import json

from ansible.errors import AnsibleActionFail
from ansible.module_utils import basic
from ansible.module_utils.common.json import Direction, get_module_encoder
from ansible.plugins.action import ActionBase

PROFILE = "legacy"
"""How arguments and results are written; the one that core's modules use."""
OURS = "gpulab.core"

# What our modules share. This file is read before workers are forked, each of which would compile that anew.
with contextlib.suppress(ImportError):
    importlib.import_module("ansible_collections.amazon.aws.plugins.module_utils.modules")


class ActionModule(ActionBase):
    """The action of every module that has a link to this file."""

    def run(self, tmp=None, task_vars=None):
        """Do what the module does and return what it returns."""
        result = super().run(tmp, task_vars)
        name, given = self._wanted()
        if self._connection.transport != "local" or self._play_context.become or any(self._task.environment or ()):
            return result | self._execute_module(module_name=name, module_args=given, task_vars=task_vars)
        self._update_module_args(name, given, task_vars)
        # A fork has all that Ansible has loaded; each collection of garbage would walk through it, and so copy it.
        gc.freeze()
        module = importlib.import_module(_python_name(name))
        encoder = get_module_encoder(PROFILE, Direction.CONTROLLER_TO_MODULE)
        # The worker is a process of the task's own: nobody else sees these.
        basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": given}, cls=encoder).encode()
        basic._ANSIBLE_PROFILE = PROFILE
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
            module.main()
        parsed = self._parse_returned_data({"stdout": said.getvalue(), "stderr": ""}, PROFILE)
        # From ansible-core 2.21 on it is an object.
        return result | (parsed if isinstance(parsed, dict) else parsed.as_result_dict(for_round_trip=True))

    def _wanted(self):
        """Return the full name of the module and its arguments."""
        name, given = self._task.action.rpartition(".")[2], dict(self._task.args)
        if name != "in_process":
            return f"{OURS}.{name}", given
        try:
            return given["module"], dict(given["arguments"])
        except (KeyError, TypeError, ValueError):
            raise AnsibleActionFail(
                f"{OURS}.in_process got {', '.join(sorted(given)) or 'nothing'}, expected module (a full name) and "
                "arguments (a dictionary): see ansible-doc gpulab.core.in_process."
            ) from None


def _python_name(name):
    """Return what a module is called as a Python module."""
    namespace, collection, module = name.split(".")
    if (namespace, collection) == ("ansible", "builtin"):
        return f"ansible.modules.{module}"
    return f"ansible_collections.{namespace}.{collection}.plugins.modules.{module}"

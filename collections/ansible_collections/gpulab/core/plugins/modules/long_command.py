#!/usr/bin/python
# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Module gpulab.core.long_command: the part that runs on the host. Waiting and showing is the action plugin's."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
---
module: long_command
short_description: Run a long command that outlives its connection, and show how far it is
description:
  - Starts a command on the host in a session of its own, so that a dropped connection, or the end of Ansible, does not
    end it.
  - Waits for its end and shows lines of its output meanwhile. Nothing is shown with C(no_log).
  - A job is a folder on the host. The same command that still runs there is waited for and not started twice; another
    one is refused.
  - What the command leaves running when it ends, or when its limit has passed, is ended too.
version_added: "0.3.0"
options:
  argv:
    description: The command and its arguments; no shell is involved.
    type: list
    elements: str
    required: true
  chdir:
    description: The folder to run it in.
    type: path
  environment:
    description: Environment variables for it, beside those of the login.
    type: dict
    default: {}
  job:
    description: Folder on the host for its output, its process id and its exit code. Made if missing.
    type: path
    required: true
  label:
    description: What is shown before each line; the command's own name by default.
    type: str
  timeout:
    description: Seconds until it is stopped with all that it started. The host minds this, connected or not.
    type: int
    default: 3600
  every:
    description: Seconds between two lines that are shown.
    type: int
    default: 10
  progress:
    description: A regular expression; lines that match are shown whenever they come.
    type: str
author: [the gpulab authors (@gpulab)]
attributes:
  check_mode:
    description: Is skipped.
    support: none
"""

EXAMPLES = r"""
- name: Install what the environment needs
  gpulab.core.long_command:
    argv: [/opt/gpulab/conda/envs/x/bin/pip, install, -r, requirements.txt]
    job: /opt/gpulab/conda/jobs/pip
    label: pip
    progress: ^(Collecting|Installing)
    timeout: 1800
"""

RETURN = r"""
rc:
  description: The exit code; a negative one is the signal that killed the command.
  returned: when the command has ended
  type: int
  sample: 0
stdout_lines:
  description: The last 50 lines of output and errors, as a terminal would end up showing them.
  returned: always
  type: list
  sample: [done]
seconds:
  description: How long the command ran.
  returned: when the command has ended
  type: float
  sample: 71.3
attached:
  description: Whether it ran already.
  returned: always
  type: bool
  sample: false
log:
  description: File on the host with all of its output.
  returned: always
  type: str
  sample: /opt/gpulab/conda/jobs/pip/log
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gpulab.core.plugins.module_utils import long_command_job


def main():
    """Start the job, or attach to it; the action plugin waits for its end."""
    module = AnsibleModule(
        argument_spec={
            "argv": {"type": "list", "elements": "str", "required": True},
            "chdir": {"type": "path"},
            "environment": {"type": "dict", "default": {}},
            "job": {"type": "path", "required": True},
            "label": {"type": "str"},
            "timeout": {"type": "int", "default": 3600},
            "every": {"type": "int", "default": 10},
            "progress": {"type": "str"},
        },
    )
    given = module.params
    environment = {name: str(value) for name, value in given["environment"].items()}
    try:
        if not given["argv"]:
            raise long_command_job.JobError("argv is empty, expected a command: give one.")
        identity, started = long_command_job.start(
            given["job"], given["argv"], given["chdir"], environment, given["timeout"]
        )
    except long_command_job.JobError as error:
        module.fail_json(msg=str(error))
    except (IOError, OSError) as error:
        module.fail_json(
            msg="The job folder %s cannot be used (%s): give one that this user may write."
            % (given["job"], error.strerror or error)
        )
    module.exit_json(changed=True, identity=identity, attached=not started, job=given["job"])


if __name__ == "__main__":
    main()

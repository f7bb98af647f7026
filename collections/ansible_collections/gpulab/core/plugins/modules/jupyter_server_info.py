#!/usr/bin/python
# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Module gpulab.core.jupyter_server_info."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: jupyter_server_info
short_description: What serving a notebook depends on, and what stands in its way
description:
  - Read-only. Looks at the access that is asked for, the Jupyter in the environment, who listens on the port, and the
    service that runs already with the kernels that compute in it.
  - Fails with one sentence for each problem before anything has been written. In check mode an environment without a
    Jupyter is no problem, because it may be what the same run would make.
  - Sees the processes of others only as root.
options:
  environment: {type: path, required: true, description: The environment that the server runs in.}
  service: {type: str, required: true, description: Name of the systemd service.}
  port: {type: int, required: true, description: Port of the server.}
  user: {type: str, required: true, description: Who the server runs as.}
  access: {type: str, required: true, description: C(tunnel) or C(public).}
  cidr: {type: str, default: '', description: Network that may reach a public notebook.}
  allow_world: {type: bool, default: false, description: Permit a network of prefix length 0.}
  tls: {type: bool, default: true, description: Whether a public notebook is encrypted.}
  token_file: {type: path, required: true, description: Where the token is kept, to ask the server for its kernels.}
author: [the gpulab authors (@gpulab)]
attributes:
  check_mode: {support: full, description: Changes nothing in either mode.}
"""

EXAMPLES = r"""
- name: Look at the host
  gpulab.core.jupyter_server_info:
    environment: /opt/gpulab/conda/envs/carnd-term1
    service: gpulab-jupyter
    port: 8888
    user: ubuntu
    access: tunnel
    token_file: /home/ubuntu/.local/share/gpulab/notebook-token
  become: true
  register: found
"""

RETURN = r"""
generation:
  description: Which Jupyter it is and what its settings are called; null in check mode where there is none.
  returned: success
  type: dict
  sample: {name: server2, module: jupyter_server, distribution: jupyterlab, version: 4.6.6}
real_environment:
  description: The environment with all links resolved.
  returned: success
  type: str
  sample: /opt/gpulab/conda/envs/carnd-term1-0123456789ab
unit:
  description: The service's state, process id and the key that the running process was started with.
  returned: success
  type: dict
  sample: {loaded: true, state: active, pid: 1234, result: success, key: 0123456789abcdef}
busy:
  description: The notebooks that compute right now.
  returned: success
  type: list
  elements: str
  sample: [lab/LeNet.ipynb]
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gpulab.core.plugins.module_utils import (
    environment_host,
    jupyter_access,
    jupyter_calls,
    jupyter_generation,
    jupyter_host,
    jupyter_listeners,
    jupyter_secret,
)


def generation_of(environment):
    """(Generation, None) or (None, sentence)."""
    try:
        return jupyter_generation.decide(jupyter_host.installed(environment)), None
    except jupyter_generation.NoJupyter as error:
        return None, (
            "%s %s, expected jupyterlab 3 or newer, or notebook 4.3 or newer: make the environment with the role "
            "conda_env, or set jupyter_server_environment to one that has it." % (environment, error)
        )


def host_problems(params, unit):
    """Sentences about the user, the service manager and the port."""
    found = []
    if params["user"] == "root":
        found.append(
            "The login user is root, expected an ordinary one, because whoever has the notebook's token is that user: "
            "set ansible_user to another."
        )
    if unit["state"] == "unknown":
        found.append(
            "systemctl does not answer on this host, expected systemd to run the notebook: use a host that has it."
        )
    others = [h for h in jupyter_host.holders(params["port"]) if not unit["pid"] or h["pid"] != unit["pid"]]
    if others:
        found.append(jupyter_listeners.taken(params["port"], others))
    return found


def busy_kernels(params, unit):
    """Notebooks that compute in the running service, asked on the port that it really has."""
    token = jupyter_secret.token_of(environment_host.read(params["token_file"])) if unit["pid"] else ""
    if not token:
        return []
    for port in sorted({s.port for s in jupyter_host.listening_of(unit["pid"])}, key=lambda p: p != params["port"]):
        for scheme in ("http", "https"):
            busy = jupyter_calls.busy_kernels("%s://127.0.0.1:%d" % (scheme, port), token)
            if busy:
                return busy
    return []


def main():
    """Look, and say what stands in the way."""
    module = AnsibleModule(
        argument_spec={
            "environment": {"type": "path", "required": True},
            "service": {"type": "str", "required": True},
            "port": {"type": "int", "required": True},
            "user": {"type": "str", "required": True},
            "access": {"type": "str", "required": True},
            "cidr": {"type": "str", "default": ""},
            "allow_world": {"type": "bool", "default": False},
            "tls": {"type": "bool", "default": True},
            "token_file": {"type": "path", "required": True, "no_log": False},
        },
        supports_check_mode=True,
    )
    params = module.params
    problems = jupyter_access.problems(params["access"], params["cidr"], params["allow_world"], params["tls"])
    unit = jupyter_host.unit(module.run_command, params["service"])
    problems += host_problems(params, unit)
    generation, missing = generation_of(params["environment"])
    if missing and not module.check_mode:
        problems.append(missing)
    if problems:
        module.fail_json(msg="\n".join(problems))
    module.exit_json(
        changed=False,
        generation=dict(generation._asdict()) if generation else None,
        real_environment=os.path.realpath(params["environment"]),
        unit=unit,
        busy=busy_kernels(params, unit),
    )


if __name__ == "__main__":
    main()

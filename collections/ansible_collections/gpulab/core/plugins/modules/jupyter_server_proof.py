#!/usr/bin/python
# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Module gpulab.core.jupyter_server_proof."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: jupyter_server_proof
short_description: Wait for the notebook server and prove that it lets in whom it should
description:
  - Waits until the service answers, then asks it for the list of notebooks with the token (200), without it and with a
    wrong one (403), and looks which addresses its process listens on.
  - Fails with one sentence and the last 20 lines of the service's journal. The token is in neither.
options:
  service: {type: str, required: true, description: Name of the systemd service.}
  port: {type: int, required: true, description: Port of the server.}
  access: {type: str, required: true, choices: [tunnel, public], description: Who may reach it.}
  token_file: {type: path, required: true, description: Where the token is kept.}
  timeout: {type: int, default: 60, description: Seconds to wait for an answer.}
author: [the gpulab authors (@gpulab)]
attributes:
  check_mode: {support: full, description: Changes nothing in either mode.}
"""

EXAMPLES = r"""
- name: Prove it
  gpulab.core.jupyter_server_proof:
    service: gpulab-jupyter
    port: 8888
    access: tunnel
    token_file: /home/ubuntu/.local/share/gpulab/notebook-token
  become: true
"""

RETURN = r"""
listening:
  description: Addresses and ports that the server listens on.
  returned: success
  type: list
  elements: str
  sample: ["127.0.0.1:8888"]
waited: {description: Seconds until it answered., returned: success, type: float, sample: 1.2}
"""

import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gpulab.core.plugins.module_utils import (
    environment_host,
    jupyter_calls,
    jupyter_host,
    jupyter_listeners,
    jupyter_secret,
)

JOURNAL_LINES = 20
CONTENTS = "/api/contents?content=0"
WRONG = "0" * (2 * jupyter_secret.BYTES)


class Refused(Exception):
    """The proof failed; the text is one sentence."""


def wait(module, base):
    """The seconds until the server answered. Raises Refused when its service failed or the time is over."""
    service, began = module.params["service"], time.time()
    while True:
        unit = jupyter_host.unit(module.run_command, service)
        try:
            jupyter_calls.get(base, CONTENTS)
            if unit["pid"]:
                return time.time() - began
            reason = "somebody else answers"
        except jupyter_calls.NoAnswer as error:
            reason = str(error)
        if unit["state"] == "failed":
            raise Refused(
                "The notebook server does not stay up (systemd says %s), expected it to answer at %s"
                % (unit["result"], base)
            )
        if time.time() - began > module.params["timeout"]:
            raise Refused(
                "The notebook server did not answer at %s within %d seconds (%s; the service is %s)"
                % (base, module.params["timeout"], reason, unit["state"])
            )
        time.sleep(0.2)


def prove(module, base):
    """Addresses that the server listens on. Raises Refused when it admits whom it should not, or not whom it should."""
    token = jupyter_secret.token_of(environment_host.read(module.params["token_file"]))
    if not token:
        raise Refused("%s holds no token, expected the one that the role makes" % module.params["token_file"])
    module.no_log_values.add(token)
    for given, name, expected in (
        ("", "without a token", 403),
        (WRONG, "with a wrong token", 403),
        (token, "with the token", 200),
    ):
        status, _body = jupyter_calls.get(base, CONTENTS, given)
        if status != expected:
            raise Refused("The notebook server answered %d %s, expected %d" % (status, name, expected))
    sockets = jupyter_host.listening_of(jupyter_host.unit(module.run_command, module.params["service"])["pid"])
    outside = ["%s:%d" % (s.address, s.port) for s in sockets if not jupyter_listeners.is_loopback(s.address)]
    if outside and module.params["access"] == "tunnel":
        raise Refused("The notebook server listens on %s, expected 127.0.0.1 alone" % ", ".join(outside))
    if module.params["access"] == "public" and not [
        s for s in sockets if s.port == module.params["port"] and s.address == "0.0.0.0"
    ]:
        raise Refused(
            "The notebook server does not listen on 0.0.0.0:%d, expected it for public access" % module.params["port"]
        )
    return sorted("%s:%d" % (s.address, s.port) for s in sockets)


def main():
    """Wait, prove, report."""
    module = AnsibleModule(
        argument_spec={
            "service": {"type": "str", "required": True},
            "port": {"type": "int", "required": True},
            "access": {"type": "str", "required": True, "choices": ["tunnel", "public"]},
            "token_file": {"type": "path", "required": True, "no_log": False},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    service = module.params["service"]
    base = "%s://127.0.0.1:%d" % ("https" if module.params["access"] == "public" else "http", module.params["port"])
    try:
        waited = wait(module, base)
        listening = prove(module, base)
    except (Refused, jupyter_calls.NoAnswer) as error:
        lines = jupyter_host.journal(module.run_command, service, JOURNAL_LINES)
        module.fail_json(
            msg="%s; the whole journal is shown by `journalctl -u %s`, its last lines are:\n%s"
            % (error, service, "\n".join(lines))
        )
    module.exit_json(changed=False, listening=listening, waited=round(waited, 1))


if __name__ == "__main__":
    main()

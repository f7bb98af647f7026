# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Show the notebooks' addresses, with their tokens, on the terminal when a run has ended, and nowhere else."""

from __future__ import annotations

DOCUMENTATION = r"""
name: notebook_url
type: notification
short_description: Show the notebooks' addresses on the terminal, once
description:
  - When a run has ended, writes the address of each notebook that the role jupyter_server served, with its token, to
    the terminal itself (C(/dev/tty)). So it is in no log, no pipe and no output that is kept, at no verbosity.
  - Shows nothing where there is no terminal; C(bin/notebook) opens a notebook at any time.
requirements: [enable it in ansible.cfg, 'callbacks_enabled = gpulab.core.notebook_url']
author: [the gpulab authors (@gpulab)]
"""

from pathlib import Path

from ansible.plugins.callback import CallbackBase

FACT = "__jupyter_server_url_file"
"""The fact with which the role tells the file that holds a host's address; the token itself is in no result."""
TERMINAL = "/dev/tty"


def text_for(addresses):
    """What is shown for {host: address with token}."""
    lines = [""]
    for host, url in sorted(addresses.items()):
        lines.append(f"Notebook of {host}:  {url}")
        if url.startswith("http://127.0.0.1:"):
            lines.append(f"  it is reached through a tunnel: bin/notebook {host}")
    return "\n".join(lines) + "\n"


class CallbackModule(CallbackBase):
    """The callback gpulab.core.notebook_url."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "gpulab.core.notebook_url"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args, **kwargs):
        """Begin with no host."""
        super().__init__(*args, **kwargs)
        self.files = {}

    def v2_runner_on_ok(self, result):
        """Note the file that a host's task tells."""
        facts = result.result.get("ansible_facts") or {}
        if FACT in facts:
            self.files[result.host.get_name()] = Path(facts[FACT])

    def v2_playbook_on_stats(self, _stats):
        """Show what the files hold, where there is a terminal to show it on."""
        found = {host: file.read_text().strip() for host, file in self.files.items() if file.is_file()}
        if not found:
            return
        try:
            with Path(TERMINAL).open("w") as terminal:
                terminal.write(text_for(found))
        except OSError:  # no terminal: a run by cron or CI
            return

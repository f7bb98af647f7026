"""The environment that points every AWS client of this machine at the embedded cloud, and at nothing else."""

from __future__ import annotations

import os
import shlex

from rehearsal import conda_program, settings

DEPLOYMENT = "rehearsal"
"""Its own name, so that keys and reports of a real deployment in the same clone are never touched."""

UNSET = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")


def variables(url: str) -> dict[str, str]:
    """Return the variables for a cloud at `url` (http://127.0.0.1:PORT)."""
    return {
        "AWS_ENDPOINT_URL": url,
        # Nobody checks them. Long, because short ones make no_log star out half of every message.
        "AWS_ACCESS_KEY_ID": "rehearsal-access-key-id",
        "AWS_SECRET_ACCESS_KEY": "rehearsal-secret-access-key",
        "AWS_REGION": settings.REGION,
        "AWS_DEFAULT_REGION": settings.REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "GPULAB_DEPLOYMENT": DEPLOYMENT,
        "GPULAB_CHECKIP_URL": f"{url}/_rehearsal/checkip",
        "GPULAB_MIRROR": settings.MIRROR_URL,
        "GPULAB_MICROMAMBA": conda_program.address(),
    }


def process(url: str) -> dict[str, str]:
    """Return an environment for a child process: this one's, with the cloud's variables, without real credentials."""
    inherited = {k: v for k, v in os.environ.items() if k not in UNSET and not k.startswith("ANSIBLE_")}
    without_proxy = {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}
    path = f"{settings.ROOT / '.venv/bin'}:{os.environ['PATH']}"
    return inherited | without_proxy | variables(url) | {"PATH": path}


def shell(url: str) -> str:
    """Return the text of .rehearsal/env, to be sourced by a POSIX shell."""
    lines = [f"unset {' '.join(UNSET)}"]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in variables(url).items()]
    lines += ["export NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost"]
    lines += [f"export PATH={shlex.quote(str(settings.ROOT / '.venv/bin'))}:$PATH"]
    return "\n".join(lines) + "\n"

"""A host's notebook as its user reaches it: through bin/notebook's tunnel, with the token that it prints."""

from __future__ import annotations

import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping
from urllib.parse import urlsplit

from rehearsal import settings


def visit(host: str, env: Mapping[str, str]) -> tuple[list[int], str]:
    """Return the HTTP statuses of the notebook's contents without the token and with it, and the token.

    A status is 0 where nothing answers.
    """
    with subprocess.Popen(
        ["bin/notebook", host, "--print"],
        cwd=settings.ROOT,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as tunnel:
        assert tunnel.stdout is not None  # PIPE above
        try:
            url = urlsplit(tunnel.stdout.readline().strip())
            statuses = [_status(f"http://{url.netloc}/api/contents{query}") for query in ("", f"?{url.query}")]
            return statuses, url.query.partition("token=")[2]
        finally:
            tunnel.terminate()


def _status(url: str) -> int:
    try:
        # A proxy of this machine's has no business between it and itself.
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0

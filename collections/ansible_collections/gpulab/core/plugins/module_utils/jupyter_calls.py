"""Calls to a notebook server on this host. Thin I/O."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import json
import ssl
from urllib.error import HTTPError
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

_SECONDS = 10


class NoAnswer(Exception):
    """The server did not answer; the text says how."""


def get(base, path, token=""):
    """(status, body) of a GET. `token` goes into a header. Raises NoAnswer when there was no answer in HTTP.

    The call stays on the host, so no proxy is asked, and the certificate, which names the host's public address, is not
    compared with the name that is called here.
    """
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    headers = {"Authorization": "token " + token} if token else {}
    opener = build_opener(ProxyHandler({}), HTTPSHandler(context=context))
    try:
        answer = opener.open(Request(base + path, headers=headers), timeout=_SECONDS)
        return answer.getcode(), answer.read().decode("utf-8", "replace")
    except HTTPError as error:
        return error.code, ""
    except Exception as error:  # a connection may break in as many ways as there are layers below
        raise NoAnswer(str(error)) from error


def busy_kernels(base, token):
    """Names of the kernels that compute right now, with the notebook each belongs to where there is one.

    Empty when the server does not answer or does not take the token: it has then no user either.
    """
    try:
        status, body = get(base, "/api/kernels", token)
        if status != 200:
            return []
        busy = [k["id"] for k in json.loads(body) if k.get("execution_state") == "busy"]
        if not busy:
            return []
        status, body = get(base, "/api/sessions", token)
        sessions = json.loads(body) if status == 200 else []
    except (NoAnswer, ValueError):
        return []
    paths = {s["kernel"]["id"]: s.get("path") or s.get("name") or "" for s in sessions if s.get("kernel")}
    return [paths.get(kernel) or kernel for kernel in busy]

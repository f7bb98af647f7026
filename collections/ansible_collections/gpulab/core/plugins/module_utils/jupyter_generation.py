"""Which Jupyter an environment has, and what its settings are called. Pure.

Three generations: `notebook` 4.3 to 6 (class NotebookApp), `jupyter_server` 1 (class ServerApp), and `jupyter_server`
2, which moved the login's settings to its identity provider.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import re
from collections import namedtuple

Generation = namedtuple(
    "Generation",
    ["name", "module", "extension", "page", "distribution", "version", "app", "login", "password", "folder"],
)
"""name: server2, server1 or notebook; module: what `python -m` runs; extension: what it has to load to be more than an
API; page: where that begins; distribution, version: of what the user sees; app, login: the classes of the server's and
of the login's settings; password, folder: what two settings are called.

JupyterLab runs as an extension of jupyter_server, and not by its own name: with `python -m jupyterlab` the settings of
the extension's own files count as the server's.
"""

TOKENS_SINCE = (4, 3)
"""The notebook package's first version that knows tokens (its change log)."""

_DIST_INFO = re.compile(r"(?P<name>[A-Za-z0-9._]+?)-(?P<version>[0-9][^-]*)(?:-py[0-9.]+)?\.(?:dist|egg)-info")


class NoJupyter(Exception):
    """There is none that the role can serve; the text is the sentence's first half."""


def distributions(entries):
    """{normalized name: version} from the entries of a site-packages folder."""
    found = {}
    for entry in entries:
        match = _DIST_INFO.match(entry)
        if match:
            found[re.sub(r"[-_.]+", "-", match.group("name")).lower()] = match.group("version")
    return found


def numbers(version):
    """The leading numbers of a version, for comparison: "4.0.0rc1" is (4, 0, 0)."""
    found = []
    for part in version.split("."):
        match = re.match(r"[0-9]+", part)
        if not match:
            break
        found.append(int(match.group()))
    return tuple(found)


def decide(found):
    """The Generation that serves these distributions ({name: version}). Raises NoJupyter when none of them can."""
    lab, notebook, server = found.get("jupyterlab"), found.get("notebook"), found.get("jupyter-server")
    if server and lab and numbers(lab) >= (3,):
        return _server("jupyterlab", lab, server)
    if server and notebook and numbers(notebook) >= (7,):
        return _server("notebook", notebook, server)
    if notebook and numbers(notebook) >= TOKENS_SINCE:
        app = "NotebookApp"
        return Generation(
            "notebook", "notebook", "", "/tree", "notebook", notebook, app, app, "password", "notebook_dir"
        )
    if notebook:
        raise NoJupyter("has notebook %s, which knows no tokens" % notebook)
    raise NoJupyter("has neither jupyterlab nor notebook")


def _server(distribution, version, server):
    if numbers(server) >= (2,):
        login, password, name = "PasswordIdentityProvider", "hashed_password", "server2"
    else:
        login, password, name = "ServerApp", "password", "server1"
    page = "/lab" if distribution == "jupyterlab" else "/tree"
    return Generation(
        name, "jupyter_server", distribution, page, distribution, version, "ServerApp", login, password, "root_dir"
    )

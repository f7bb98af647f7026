"""Which Jupyter an environment has, and the settings file that each generation gets."""

from __future__ import annotations

import json
import logging
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import jupyter_generation, jupyter_host, jupyter_secret
from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Path(__file__).resolve().parents[2] / "roles/jupyter_server/templates"
TOKEN = "0123456789abcdef" * 3

LAB4 = {"jupyterlab": "4.6.6", "jupyter-server": "2.21.1", "notebook-shim": "0.2.4"}
LAB3 = {"jupyterlab": "3.2.9", "jupyter-server": "1.24.0", "notebook": "6.4.12"}
NOTEBOOK7 = {"notebook": "7.4.0", "jupyter-server": "2.21.1"}
NOTEBOOK6 = {"notebook": "6.5.7", "jupyter-server": "2.18.2"}
NOTEBOOK5 = {"notebook": "5.7.16"}
LAB2 = {"jupyterlab": "2.3.2", "notebook": "6.0.3"}


@pytest.mark.parametrize(
    ("found", "name", "module", "seen"),
    [
        (LAB4, "server2", "jupyter_server", "jupyterlab"),
        (LAB3, "server1", "jupyter_server", "jupyterlab"),
        (NOTEBOOK7, "server2", "jupyter_server", "notebook"),
        (NOTEBOOK7 | LAB4, "server2", "jupyter_server", "jupyterlab"),
        (NOTEBOOK6, "notebook", "notebook", "notebook"),
        (NOTEBOOK5, "notebook", "notebook", "notebook"),
        ({"notebook": "4.3.0"}, "notebook", "notebook", "notebook"),
        (LAB2, "notebook", "notebook", "notebook"),
    ],
)
def test_generation(found: dict[str, str], name: str, module: str, seen: str) -> None:
    decided = jupyter_generation.decide(found)
    assert (decided.name, decided.module, decided.distribution) == (name, module, seen)
    assert decided.version == found[seen]


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        ({}, "has neither jupyterlab nor notebook"),
        ({"jupyter-server": "2.21.1"}, "has neither jupyterlab nor notebook"),
        ({"jupyterlab": "4.6.6"}, "has neither jupyterlab nor notebook"),
        ({"notebook": "4.2.3"}, "has notebook 4.2.3, which knows no tokens"),
    ],
)
def test_what_cannot_be_served(found: dict[str, str], sentence: str) -> None:
    with pytest.raises(jupyter_generation.NoJupyter, match=f"^{sentence}$"):
        jupyter_generation.decide(found)


def test_distributions_are_read_without_running_the_environment(tmp_path: Path) -> None:
    site = tmp_path / "lib/python3.6/site-packages"
    for name in (
        "jupyter_server-2.21.1.dist-info",
        "Jupyter.Lab-4.0.0rc1.dist-info",
        "six-1.17.0-py3.6.egg-info",
        "six",
    ):
        (site / name).mkdir(parents=True)
    (site / "six.py").touch()
    assert jupyter_host.installed(str(tmp_path)) == {
        "jupyter-server": "2.21.1",
        "jupyter-lab": "4.0.0rc1",
        "six": "1.17.0",
    }
    assert jupyter_host.installed("/nowhere") == {}


@pytest.mark.parametrize(("text", "numbers"), [("4.0.0rc1", (4, 0, 0)), ("6", (6,)), ("10.2.dev1", (10, 2)), ("x", ())])
def test_numbers_of_a_version(text: str, numbers: tuple[int, ...]) -> None:
    assert jupyter_generation.numbers(text) == numbers


class Section(types.SimpleNamespace):
    """What traitlets gives for `c.ServerApp`: any setting can be set."""


class Settings:
    """What traitlets gives as `c`: any section is there."""

    def __init__(self) -> None:
        self.sections: dict[str, Section] = {}

    def __getattr__(self, name: str) -> Section:
        return self.sections.setdefault(name, Section())


def render(found: dict[str, str], token_file: Path, public: bool) -> str:
    """The settings file, as the role's template makes it."""
    environment = Environment(loader=FileSystemLoader(TEMPLATES), trim_blocks=True, undefined=StrictUndefined)
    environment.filters["to_json"] = json.dumps
    values: dict[str, Any] = {
        "ansible_managed": "Made by a test",
        "jupyter_server_port": 8899,
        "__jupyter_server_generation": jupyter_generation.decide(found),
        "__jupyter_server_found": {"real_environment": "/env"},
        "__jupyter_server_certificate": {"fingerprint": "AB:CD"},
        "__jupyter_server_public": public,
        "__jupyter_server_root": "/home/o'neill/note\"books",
        "__jupyter_server_settings": "/etc/gpulab/jupyter",
        "__jupyter_server_token": {"password_hash": jupyter_secret.password_hash(TOKEN)},
        "__jupyter_server_token_file": str(token_file),
    }
    return environment.get_template("config.py.j2").render(values)


@pytest.fixture
def token_file(tmp_path: Path) -> Iterator[Path]:
    """A token's file; the way Python makes log records is put back."""
    factory = logging.getLogRecordFactory()
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    yield file
    logging.setLogRecordFactory(factory)


@pytest.mark.parametrize("public", [False, True])
@pytest.mark.parametrize("found", [LAB4, LAB3, NOTEBOOK7, NOTEBOOK6, NOTEBOOK5], ids=lambda f: json.dumps(f))
def test_settings_are_python_and_say_what_was_meant(found: dict[str, str], public: bool, token_file: Path) -> None:
    generation, settings = jupyter_generation.decide(found), Settings()
    text = render(found, token_file, public)
    assert TOKEN not in text
    exec(compile(text, "config.py", "exec"), {"c": settings})  # what Jupyter does with it
    app, login = settings.sections[generation.app], settings.sections[generation.login]
    assert login.token == TOKEN
    assert getattr(login, generation.password) == jupyter_secret.password_hash(TOKEN)
    assert (app.ip, app.port) == ("0.0.0.0" if public else "127.0.0.1", 8899)
    assert getattr(app, generation.folder) == "/home/o'neill/note\"books"
    assert hasattr(app, "certfile") is hasattr(app, "keyfile") is public
    assert app.disable_check_xsrf is app.open_browser is login.allow_password_change is False
    assert getattr(app, "jpserver_extensions", {}) == ({generation.extension: True} if generation.extension else {})


def test_the_line_that_bin_notebook_reads(token_file: Path) -> None:
    assert "\n# gpulab: http 8899\n" in render(LAB4, token_file, public=False)
    assert "\n# gpulab: https 8899\n" in render(LAB4, token_file, public=True)


def test_records_lose_the_token(token_file: Path, caplog: pytest.LogCaptureFixture) -> None:
    exec(compile(render(NOTEBOOK5, token_file, public=False), "config.py", "exec"), {"c": Settings()})
    with caplog.at_level(logging.INFO):
        logging.getLogger("tornado.access").info("302 GET /?token=%s (%s)", TOKEN, "127.0.0.1")
        logging.getLogger("tornado.access").info("302 GET /tree (%s)", "127.0.0.1")
    assert [record.getMessage() for record in caplog.records] == [
        "302 GET /?token=[token] (127.0.0.1)",
        "302 GET /tree (127.0.0.1)",
    ]


@pytest.mark.parametrize("content", [None, "", "short"])
def test_without_a_token_the_server_ends(token_file: Path, content: str | None) -> None:
    text = render(LAB4, token_file, public=False)
    token_file.unlink() if content is None else token_file.write_text(content)
    with pytest.raises(SystemExit, match="token"):
        exec(compile(text, "config.py", "exec"), {"c": Settings()})

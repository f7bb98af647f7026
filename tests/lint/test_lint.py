"""Every checker over the whole repository; a failure shows the tool's own words."""

from __future__ import annotations

import functools
import json

import pytest

from tests.support.checkers import BIN, ROOT, TYPED, SlowCheckers, run

COLLECTION = ROOT / "collections/ansible_collections/gpulab/core"
PLAYBOOKS = sorted(f.name for f in ROOT.glob("*.yml"))
ROLES = sorted(f.name for f in ROOT.glob("roles/*") if f.is_dir())
PLUGINS = sorted(
    (kind, f"gpulab.core.{file.stem}")
    for folder, kind in (("modules", "module"), ("inventory", "inventory"))
    for file in COLLECTION.glob(f"plugins/{folder}/*.py")
)
PROGRAMS = [f for f in [*ROOT.glob("bin/*"), ROOT / ".ci/run"] if f.is_file()]
SCRIPTS = sorted(str(f.relative_to(ROOT)) for f in PROGRAMS if "python" not in f.read_text().splitlines()[0])


def test_ansible_lint_at_production_profile(slow_checkers: SlowCheckers) -> None:
    told = slow_checkers.told("ansible-lint")
    assert "0 failure(s), 0 warning(s)" in told
    assert "'production'" in told


def test_ansible_lint_skips_nothing() -> None:
    settings = (ROOT / ".ansible-lint").read_text()
    assert "profile: production" in settings
    assert "skip_list" not in settings
    assert "warn_list" not in settings
    assert not (ROOT / ".ansible-lint-ignore").exists()
    assert not (ROOT / ".config/ansible-lint-ignore.txt").exists()


def test_ruff_check() -> None:
    run(BIN / "ruff", "check", ".")


def test_ruff_format() -> None:
    run(BIN / "ruff", "format", "--check", "--diff", ".")


@pytest.mark.parametrize("package", TYPED)
def test_mypy(slow_checkers: SlowCheckers, package: str) -> None:
    assert "no issues found" in slow_checkers.told(package)


@pytest.mark.parametrize("script", SCRIPTS)
def test_shell_scripts_parse(script: str) -> None:
    shell = "bash" if "bash" in (ROOT / script).read_text().splitlines()[0] else "sh"
    run(shell, "-n", script)


# Each of these programs starts for a second, so one run answers for all.
@functools.cache
def syntax_of_playbooks() -> str:
    # Their inventory asks AWS, and the syntax needs no host.
    return run(BIN / "ansible-playbook", "--syntax-check", "--inventory", "inventory/control.yml", *PLAYBOOKS)


@functools.cache
def documents(kind: str) -> dict[str, object]:
    """What ansible-doc knows of our plugins, or roles, of one kind: name to document."""
    names = ROLES if kind == "role" else [name for plugin, name in PLUGINS if plugin == kind]
    where = ["--roles-path", "roles"] if kind == "role" else []
    told = run(BIN / "ansible-doc", "--json", "--type", kind, *where, *names)
    found: dict[str, object] = json.loads(told[told.index("\n{") :] if told.startswith("[") else told)
    return found


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_playbook_syntax(playbook: str) -> None:
    assert f"playbook: {playbook}" in syntax_of_playbooks()


@pytest.mark.parametrize(("kind", "name"), PLUGINS)
def test_plugin_documentation(kind: str, name: str) -> None:
    assert documents(kind)[name]


@pytest.mark.parametrize("role", ROLES)
def test_role_documentation(role: str) -> None:
    # ansible-doc exits 0 for a role that it does not know, with nothing said of it.
    found = documents("role")[role]
    assert isinstance(found, dict)
    assert found["entry_points"]

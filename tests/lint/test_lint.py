"""Every checker over the whole repository; a failure shows the tool's own words."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / ".venv/bin"
COLLECTION = ROOT / "collections/ansible_collections/gpulab/core"
PLAYBOOKS = sorted(f.name for f in ROOT.glob("*.yml"))
ROLES = sorted(f.name for f in ROOT.glob("roles/*") if f.is_dir())
PLUGINS = sorted(
    (kind, f"gpulab.core.{file.stem}")
    for folder, kind in (("modules", "module"), ("lookup", "lookup"))
    for file in COLLECTION.glob(f"plugins/{folder}/*.py")
)
PROGRAMS = [f for f in [*ROOT.glob("bin/*"), ROOT / ".ci/run"] if f.is_file()]
SCRIPTS = sorted(str(f.relative_to(ROOT)) for f in PROGRAMS if "python" not in f.read_text().splitlines()[0])
TYPED = {
    "rehearsal": ".",
    "gpubench": "roles/gpu_benchmark/files",
    "ansible_collections.gpulab.core": "collections",
}
"""What mypy checks: package to the folder it is imported from."""


def run(tool: str | Path, *arguments: str, **environment: str) -> str:
    """Run a tool in the repository root, without the caller's Ansible settings; return its output, or fail with it."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("ANSIBLE_", "AWS_", "GPULAB_"))}
    clean = {"PATH": f"{BIN}:{os.environ['PATH']}", "NO_COLOR": "1", "LANG": "C.UTF-8"}
    done = subprocess.run(
        [tool, *arguments],
        cwd=ROOT,
        env=inherited | clean | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_ansible_lint_at_production_profile() -> None:
    told = run(BIN / "ansible-lint", "--offline", "--nocolor", ANSIBLE_HOME=str(ROOT / ".ansible"))
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
def test_mypy(package: str) -> None:
    run(BIN / "mypy", "--explicit-package-bases", "--package", package, MYPYPATH=str(ROOT / TYPED[package]))


@pytest.mark.parametrize("script", SCRIPTS)
def test_shell_scripts_parse(script: str) -> None:
    shell = "bash" if "bash" in (ROOT / script).read_text().splitlines()[0] else "sh"
    run(shell, "-n", script)


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_playbook_syntax(playbook: str) -> None:
    # Its inventory asks AWS, and the syntax needs no host.
    told = run(BIN / "ansible-playbook", "--syntax-check", "--inventory", "inventory/control.yml", playbook)
    assert f"playbook: {playbook}" in told


@pytest.mark.parametrize(("kind", "name"), PLUGINS)
def test_plugin_documentation(kind: str, name: str) -> None:
    assert name in run(BIN / "ansible-doc", "--type", kind, name)


@pytest.mark.parametrize("role", ROLES)
def test_role_documentation(role: str) -> None:
    # ansible-doc exits 0 for a role that it does not know, with nothing said of it.
    told = run(BIN / "ansible-doc", "--type", "role", "--roles-path", "roles", role)
    assert role in told
    assert "ENTRY POINT" in told

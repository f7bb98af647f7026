"""The rules of this code base that no linter knows: names, sizes, documentation that fits the code, layers."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
COLLECTION = ROOT / "collections/ansible_collections/gpulab/core"
ROLES = sorted(p.name for p in ROOT.glob("roles/*") if p.is_dir())
MODULES = sorted(p.stem for p in COLLECTION.glob("plugins/modules/*.py"))
MENU = sorted(p.name for p in ROOT.glob("*.yml"))
TASK_FILES = sorted(ROOT.glob("roles/*/tasks/*.yml"))
SPEC_KEYS = ("type", "elements", "required", "default", "choices")


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def length(path: Path) -> int:
    return len(path.read_text().splitlines())


def mappings(node: Any) -> Iterator[dict[str, Any]]:
    """Every mapping in a YAML document, however deep."""
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from mappings(child)


def automation() -> list[Path]:
    """Every file that may run against somebody's account or host."""
    places = [ROOT / name for name in ("playbooks", "roles", "inventory")] + [COLLECTION]
    found = [f for place in places for f in place.rglob("*") if f.is_file() and "__pycache__" not in f.parts]
    return found + [ROOT / name for name in MENU]


# Roles


@pytest.mark.parametrize("role", ROLES)
def test_defaults_and_argument_specs_name_the_same_variables(role: str) -> None:
    defaults = load(ROOT / f"roles/{role}/defaults/main.yml")
    for entry in load(ROOT / f"roles/{role}/meta/argument_specs.yml")["argument_specs"].values():
        assert list(entry["options"]) == list(defaults)
        for option in entry["options"].values():
            assert option["type"]
            assert option["description"]


@pytest.mark.parametrize("role", ROLES)
def test_public_variables_carry_the_roles_name_and_a_comment(role: str) -> None:
    lines = (ROOT / f"roles/{role}/defaults/main.yml").read_text().splitlines()
    found = [(n, line.split(":")[0]) for n, line in enumerate(lines) if re.match(r"\w+:", line)]
    assert found
    for number, name in found:
        assert name.startswith(f"{role}_")
        assert re.match(r"# \S", lines[number - 1]), f"{name} has no comment before it"


@pytest.mark.parametrize("role", ROLES)
def test_variables_in_vars_are_private(role: str) -> None:
    file = ROOT / f"roles/{role}/vars/main.yml"
    for name in load(file) if file.exists() else ():
        assert name.startswith(f"__{role}_")


@pytest.mark.parametrize("file", TASK_FILES, ids=relative)
def test_what_tasks_name_carries_the_roles_name(file: Path) -> None:
    role = file.parts[-3]
    names: set[str] = set()
    for task in mappings(load(file)):
        names |= {task["register"]} if "register" in task else set()
        names |= set(task.get("ansible.builtin.set_fact", ()))
        called = task.get("ansible.builtin.include_role") or task.get("ansible.builtin.import_role")
        # What is handed to another role has that role's name.
        names |= {v for v in task.get("vars") or () if not (called and v.startswith(f"{called['name']}_"))}
        names |= {v for k, v in (task.get("loop_control") or {}).items() if k in ("loop_var", "index_var")}
    for name in names - {"ansible_python_interpreter"}:  # Ansible's own
        assert re.match(rf"(__)?{role}(_|$)", name), f"{name} belongs to no role"


@pytest.mark.parametrize("file", [f for f in TASK_FILES if f.name != "main.yml"], ids=relative)
def test_task_names_of_sub_files_begin_with_the_files_name(file: Path) -> None:
    for task in load(file):
        assert task["name"].startswith(f"{file.stem} | ")


# Modules


class Asked(Exception):
    """Ends a module at the moment it makes its AnsibleModule; carries what it gave."""


def argument_spec(name: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run a module's main() up to its AnsibleModule and return the argument_spec it was given."""
    module = importlib.import_module(f"ansible_collections.gpulab.core.plugins.modules.{name}")

    def ask(*, argument_spec: dict[str, Any], **_others: Any) -> None:
        raise Asked(argument_spec)

    for wrapper in ("AnsibleModule", "AnsibleAWSModule"):
        if hasattr(module, wrapper):
            monkeypatch.setattr(module, wrapper, ask)
    with pytest.raises(Asked) as asked:
        module.main()
    spec: dict[str, Any] = asked.value.args[0]
    return spec


@pytest.mark.parametrize("name", MODULES)
def test_module_is_documented(name: str) -> None:
    module = importlib.import_module(f"ansible_collections.gpulab.core.plugins.modules.{name}")
    assert yaml.safe_load(module.DOCUMENTATION)["module"] == name
    assert f"gpulab.core.{name}" in yaml.safe_load(module.EXAMPLES)[0]
    for value in yaml.safe_load(module.RETURN).values():
        assert {"description", "returned", "type"} <= set(value)


# in_process is the documentation of an action, which takes what it is given.
@pytest.mark.parametrize("name", sorted(set(MODULES) - {"in_process"}))
def test_module_documents_the_options_it_takes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module(f"ansible_collections.gpulab.core.plugins.modules.{name}")
    documented = yaml.safe_load(module.DOCUMENTATION)["options"]
    taken = argument_spec(name, monkeypatch)
    assert set(documented) == set(taken)
    for option, spec in taken.items():
        assert documented[option]["description"]
        said = {k: documented[option].get(k) for k in SPEC_KEYS}
        assert said == {k: spec.get(k) for k in SPEC_KEYS}, option


@pytest.mark.parametrize("name", MODULES)
def test_modules_that_talk_to_aws_are_in_the_action_group(name: str) -> None:
    group = load(COLLECTION / "meta/runtime.yml")["action_groups"]["aws"]
    talks = "AnsibleAWSModule" in (COLLECTION / f"plugins/modules/{name}.py").read_text()
    assert (name in group) is talks


# Collections


def test_collections_are_pinned_exactly_and_unpacked_at_that_version() -> None:
    pinned = load(ROOT / "collections/requirements.yml")["collections"]
    assert pinned
    for collection in pinned:
        assert re.fullmatch(r"\d+\.\d+\.\d+", collection["version"])
        place = ROOT / "collections/ansible_collections" / collection["name"].replace(".", "/")
        manifest = json.loads((place / "MANIFEST.json").read_text())["collection_info"]
        assert f"{manifest['namespace']}.{manifest['name']}" == collection["name"]
        assert manifest["version"] == collection["version"]


def test_distribution_that_holds_them_is_pinned_by_hash() -> None:
    (line,) = (ROOT / "requirements/collections.lock").read_text().splitlines()
    assert re.fullmatch(r"ansible==\d+\.\d+\.\d+ --hash=sha256:[0-9a-f]{64}", line)


# Layers


def test_nothing_above_knows_of_the_rehearsal() -> None:
    files = automation()
    assert len(files) > 50
    assert [relative(f) for f in files if "rehearsal" in f.read_text(errors="replace").lower()] == []


def test_pure_parts_do_no_io() -> None:
    pure = re.compile(r"^(?:from|import) (?:subprocess|socket|shutil|urllib\.request|pathlib|os|boto3)\b", re.MULTILINE)
    files = [f for f in COLLECTION.glob("plugins/module_utils/*.py") if "Pure." in f.read_text().split('"""')[1]]
    assert len(files) >= 4
    assert [f.name for f in files if pure.search(f.read_text())] == []


# Errors are not hidden


@pytest.mark.parametrize("file", sorted({*ROOT.glob("roles/**/*.yml"), *ROOT.glob("playbooks/*.yml")}), ids=relative)
def test_no_task_hides_its_failure(file: Path) -> None:
    for task in mappings(load(file)):
        assert not task.get("ignore_errors")
        assert not task.get("ignore_unreachable")
        assert task.get("failed_when") is not False


# Sizes


@pytest.mark.parametrize(
    ("pattern", "limit"),
    [
        ("playbooks/*.yml", 40),
        ("roles/*/tasks/*.yml", 60),
        ("roles/*/handlers/*.yml", 60),
        ("collections/ansible_collections/gpulab/core/plugins/modules/*.py", 200),
        ("collections/ansible_collections/gpulab/core/plugins/module_utils/*.py", 300),
        ("collections/ansible_collections/gpulab/core/plugins/lookup/*.py", 200),
        ("roles/*/files/**/*.py", 300),
        ("rehearsal/*.py", 300),
        ("requirements/*.py", 300),
        ("tests/**/*.py", 300),
        ("molecule/**/*.py", 300),
    ],
)
def test_files_are_short(pattern: str, limit: int) -> None:
    assert {relative(f): length(f) for f in ROOT.glob(pattern) if length(f) >= limit} == {}


# The menu


@pytest.mark.parametrize("name", MENU)
def test_menu_file_is_three_lines_that_import_its_playbook(name: str) -> None:
    lines = (ROOT / name).read_text().splitlines()
    assert len(lines) == 3
    assert lines[0] == "---"
    assert lines[1].startswith("- name: ")
    assert lines[2] == f"  ansible.builtin.import_playbook: playbooks/{name}"


def test_menu_and_playbooks_are_the_same_set() -> None:
    assert sorted(f.name for f in ROOT.glob("playbooks/*.yml")) == MENU


def test_readme_names_every_playbook_of_the_menu() -> None:
    readme = (ROOT / "README.md").read_text()
    assert [name for name in MENU if name not in readme] == []

"""An interpreter with the benchmark's own lock of PyTorch, for the tests that train; cached by its content."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from rehearsal import conda_python, making, mirror, settings, wheels

TESTS = ("pytest", "pluggy", "iniconfig", "packaging", "pygments")
"""What pytest is made of; pins and hashes are those of the control machine's lock."""


def pins(lock: str, names: tuple[str, ...]) -> str:
    """The entries of some packages in a lock with hashes."""
    entries = re.finditer(r"^(\S+?)==.*\\\n(?:    --hash=.*\n)+", lock, flags=re.MULTILINE)
    found = {entry[1]: entry[0] for entry in entries}
    return "".join(found[name] for name in names)


def interpreter() -> Path:
    """Make the environment if it is not there; its python."""
    with making.alone():
        mirror.fill_wheels(wheels.BENCHMARK)
        mirror.fill_mnist()
    lock = pins((settings.ROOT / "requirements/control.lock").read_text(), TESTS)
    folder = settings.CACHE / "torch" / making.recipe_key(wheels.BENCHMARK.key(), lock)[:16]
    python = folder / "bin/python"
    if (folder / ".complete").exists():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    base = conda_python.find(wheels.BENCHMARK.python)
    assert base, f"Python {wheels.BENCHMARK.python}, for which the mirror has PyTorch, does not run here: install it."
    # In its final place, since an environment knows its own path; marked when it is whole.
    subprocess.run([base.executable, "-m", "venv", "--clear", folder], check=True)
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "--no-deps"]
    site = f"--find-links={settings.MIRROR / wheels.BENCHMARK.folder}"
    subprocess.run([*pip, "--no-index", site, f"--requirement={wheels.BENCHMARK.requirements}"], check=True)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(lock)
        file.flush()
        subprocess.run([*pip, f"--requirement={file.name}"], check=True, env={**os.environ, "PIP_NO_INPUT": "1"})
    (folder / ".complete").touch()
    return python

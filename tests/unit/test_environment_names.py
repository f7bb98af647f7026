"""Names, pins and keys of packages."""

from __future__ import annotations

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import environment_names as names

LOCK = """\
# This file was made by a tool
--extra-index-url https://example.org/simple
Torch==2.13.0 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
    # via -r requirements.in

ruamel.yaml[jinja2]==0.18 ; python_version < "3.12" --hash=sha256:cc
tqdm==4.70.1 --hash=sha256:dd
"""


@pytest.mark.parametrize(
    ("given", "expected"), [("Pillow", "pillow"), ("ruamel.yaml", "ruamel-yaml"), ("a__b-.c", "a-b-c")]
)
def test_normalized(given: str, expected: str) -> None:
    assert names.normalized(given) == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("python >=3.11,<3.13", "python"),
        ("python=3.6.3", "python"),
        ("conda-forge::NumPy==1.12", "numpy"),
        ("https://conda.example.org/menpo::opencv3", "opencv3"),
        ("pip", "pip"),
        ("  ", ""),
    ],
)
def test_conda_name(spec: str, expected: str) -> None:
    assert names.conda_name(spec) == expected


def test_blocks_hold_the_hashes_and_nothing_else() -> None:
    blocks = names.blocks(LOCK)
    assert list(blocks) == ["torch", "ruamel-yaml", "tqdm"]
    assert blocks["torch"] == "Torch==2.13.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n"
    assert blocks["tqdm"] == "tqdm==4.70.1 --hash=sha256:dd\n"


def test_pins_and_constraints_have_no_hashes() -> None:
    assert names.pins(LOCK) == {"torch": "2.13.0", "ruamel-yaml": "0.18", "tqdm": "4.70.1"}
    assert names.constraints(LOCK) == "ruamel-yaml==0.18\ntorch==2.13.0\ntqdm==4.70.1\n"


def test_nothing_is_pinned_in_an_empty_file() -> None:
    assert (names.blocks(""), names.pins("# only a comment\n"), names.constraints("")) == ({}, {}, "")


def test_lock_names() -> None:
    lock = (
        "# a comment\n@EXPLICIT\n"
        "https://conda.example.org/linux-64/python-3.12.4-h194c7f8_0_cpython.conda#sha256:aa\n"
        "https://conda.example.org/noarch/ca-certificates-2026.1.1-hbd8a1cb_0.tar.bz2#bb\n"
    )
    assert names.lock_names(lock) == {"python", "ca-certificates"}
    assert names.lock_names("") == set()


def key(**changes: object) -> str:
    given = {"conda": ["python", "pip"], "lock": "", "requirements": LOCK, "build": "cpu", "tool": "micromamba 2"}
    return names.content_key(**(given | changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"conda": ["python", "pip", "tqdm"]},
        {"lock": "@EXPLICIT"},
        {"requirements": LOCK.replace("4.70.1", "4.70.2")},
        {"build": "cuda"},
        {"tool": "micromamba 3"},
    ],
)
def test_key_changes_with_what_is_installed(changes: dict[str, object]) -> None:
    assert key(**changes) != key()


def test_key_stays_when_only_comments_and_order_change() -> None:
    assert key(requirements="# another header\n\n" + LOCK) == key(conda=["pip", "python"]) == key()

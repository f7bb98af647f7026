"""The environments' data: locks are whole, builds differ only where they must, and what is said twice agrees."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.gpulab.core.plugins.module_utils import environment_names
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parents[2]
ROLE = ROOT / "roles/conda_env"
PROFILES = sorted(path.parent.name for path in ROLE.glob("files/*/environment.yml"))
BUILDS = ("cpu", "cuda")
SET = [(profile, build) for profile in PROFILES for build in BUILDS]
HASH = re.compile(r" {4}--hash=sha256:[0-9a-f]{64}( \\)?")
CUDA = re.compile(r"nvidia-.+|cuda-.+|triton|torchvision")
"""What only PyTorch's CUDA build brings."""
IMPORTED_AS = {"sklearn": "scikit-learn", "skimage": "scikit-image", "cv2": "opencv-python-headless", "PIL": "pillow"}
CONDA = re.compile(
    r"https://conda\.anaconda\.org/conda-forge/(linux-64|noarch)/\S+\.(conda|tar\.bz2)#sha256:[0-9a-f]{64}"
)


def lock(profile: str, build: str, role: str = "conda_env") -> str:
    return (ROOT / "roles" / role / "files" / profile / f"requirements-{build}.txt").read_text()


def pins(profile: str, build: str) -> dict[str, str]:
    found: dict[str, str] = environment_names.pins(lock(profile, build))
    return found


def asked(profile: str, build: str) -> list[Requirement]:
    """What the input lists of a build ask for."""
    names = ("requirements.in", f"requirements-{build}.in")
    texts = [path.read_text() for path in (ROLE / "files" / profile / name for name in names) if path.exists()]
    return [Requirement(line) for text in texts for line in environment_names.stripped(text)]


def conda_lines() -> list[str]:
    text = (ROLE / "files/modern/conda-linux-64.lock").read_text()
    lines: list[str] = environment_names.stripped(text)
    return lines


def vars_of(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROLE / "vars" / name).read_text())
    return loaded


def test_the_profiles_are_those_of_the_menu() -> None:
    assert PROFILES == ["carnd-2017", "dlnd-2018", "modern"]


# Locks


@pytest.mark.parametrize(("profile", "build"), SET)
def test_lock_pins_everything_with_hashes(profile: str, build: str) -> None:
    lines = [line for line in lock(profile, build).splitlines() if not line.startswith("#")]
    heads = [line for line in lines if not line.startswith(" ")]
    assert len(heads) > 50
    assert [line for line in heads if not re.fullmatch(r"[a-z0-9.-]+==[^\s=]+ \\", line)] == []
    assert [line for line in lines if line.startswith(" ") and not HASH.fullmatch(line)] == []
    # Only a line that goes on is followed by a hash: else pip would read two pins as one.
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        assert line.endswith("\\") == following.startswith(" ")
    assert [name for name, times in Counter(line.split("==")[0] for line in heads).items() if times > 1] == []


@pytest.mark.parametrize(("profile", "build"), SET)
def test_lock_holds_what_the_input_asks_for(profile: str, build: str) -> None:
    pinned = pins(profile, build)
    wanted = asked(profile, build)
    assert wanted
    for requirement in wanted:
        assert requirement.specifier.contains(pinned[environment_names.normalized(requirement.name)], prereleases=True)


@pytest.mark.parametrize(("profile", "build"), SET)
def test_lock_holds_what_the_role_imports(profile: str, build: str) -> None:
    imports = vars_of("main.yml")["__conda_env_profiles"][profile]["imports"]
    pinned = pins(profile, build).keys() | ({"tensorflow"} if "tensorflow-gpu" in pins(profile, build) else set())
    assert [name for name in imports if IMPORTED_AS.get(name, name) not in pinned] == []


@pytest.mark.parametrize(("profile", "build"), SET)
def test_lock_needs_no_screen(profile: str, build: str) -> None:
    assert [name for name in pins(profile, build) if name.startswith("opencv")] == ["opencv-python-headless"]


def test_modern_builds_differ_in_pytorch_only() -> None:
    cpu, cuda = pins("modern", "cpu"), pins("modern", "cuda")
    assert cpu.keys() - cuda.keys() == set()
    assert [name for name in cuda.keys() - cpu.keys() if not CUDA.fullmatch(name)] == []
    assert {name for name in cpu if cpu[name] != cuda[name]} == {"torch"}
    assert cpu["torch"] == cuda["torch"] + "+cpu"


def test_carnd_builds_differ_in_tensorflow_only() -> None:
    cpu, cuda = pins("carnd-2017", "cpu"), pins("carnd-2017", "cuda")
    assert cpu.pop("tensorflow") == cuda.pop("tensorflow-gpu") == "0.12.1"
    assert cpu == cuda


def test_dlnd_builds_are_one_list() -> None:
    assert lock("dlnd-2018", "cpu") == lock("dlnd-2018", "cuda")


@pytest.mark.parametrize("build", BUILDS)
def test_the_benchmark_measures_the_pytorch_that_is_taught_with(build: str) -> None:
    benchmark = environment_names.blocks(lock("", build, "gpu_benchmark"))
    environment = environment_names.blocks(lock("modern", build))
    assert "torch" in benchmark
    assert {name: environment.get(name) for name in benchmark} == benchmark


# conda


@pytest.mark.parametrize("profile", PROFILES)
def test_environment_file_stands_alone(profile: str) -> None:
    loaded = yaml.safe_load((ROLE / "files" / profile / "environment.yml").read_text())
    assert loaded["name"] == "carnd-term1"
    assert loaded["channels"] == ["conda-forge"]
    conda = [spec for spec in loaded["dependencies"] if isinstance(spec, str)]
    assert {"python", "pip"} <= {environment_names.conda_name(spec) for spec in conda}
    (pip,) = (spec["pip"] for spec in loaded["dependencies"] if isinstance(spec, dict))
    (option, _, file) = pip[0].partition(" ")
    assert (option, len(pip)) == ("-r", 1)
    assert (ROLE / "files" / profile / file).is_file()


@pytest.mark.parametrize(("profile", "build"), SET)
def test_sources_can_be_built_where_there_are_any(profile: str, build: str) -> None:
    text = lock(profile, build)
    conda = yaml.safe_load((ROLE / "files" / profile / "environment.yml").read_text())["dependencies"]
    assert ("are sources" in text) == ("keras" in pins(profile, build))
    assert "are sources" not in text or {"setuptools", "wheel"} <= set(conda[:-1])


def test_conda_lock_is_explicit_with_hashes() -> None:
    first, *lines = conda_lines()
    assert first == "@EXPLICIT"
    assert len(lines) > 20
    # What micromamba does not understand after the # it ignores without a word, and then checks nothing.
    assert [line for line in lines if not CONDA.fullmatch(line)] == []


def test_conda_lock_holds_each_package_once_and_a_python_that_fits() -> None:
    files = [line.split("#")[0].rsplit("/", 1)[1].removesuffix(".conda").rsplit("-", 2) for line in conda_lines()[1:]]
    versions = {name: version for name, version, _build in files}
    assert len(versions) == len(files)
    dependencies = yaml.safe_load((ROLE / "files/modern/environment.yml").read_text())["dependencies"]
    (python,) = (spec.split()[1] for spec in dependencies if isinstance(spec, str) and spec.startswith("python "))
    assert versions["python"] in SpecifierSet(python)
    assert versions["python"].startswith("3.12.")
    assert {"pip", "openssl", "ca-certificates", "libgcc", "libgcc-ng", "tzdata"} <= versions.keys()


# Pins of micromamba, and space


def test_micromamba_is_pinned_for_every_architecture() -> None:
    pin = vars_of("micromamba.yml")["__conda_env_micromamba"]
    assert re.fullmatch(r"\d+\.\d+\.\d+-\d+", pin["version"])
    assert pin["arch"].keys() == pin["sha256"].keys() == {"x86_64", "aarch64"}
    assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in pin["sha256"].values())
    assert len(set(pin["sha256"].values())) == 2
    url = pin["url"].format(version=pin["version"], arch=pin["arch"]["x86_64"])
    assert url.startswith("https://github.com/mamba-org/micromamba-releases/releases/download/")
    assert url.endswith(f"{pin['version']}/micromamba-linux-64")


def test_space_is_known_for_every_profile() -> None:
    space = vars_of("micromamba.yml")["__conda_env_megabytes"]
    assert sorted(space) == PROFILES
    for megabytes in space.values():
        assert 500 < megabytes["cpu"] <= megabytes["cuda"] < 20000

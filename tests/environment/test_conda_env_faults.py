"""Each way in which an environment cannot be had ends in one sentence, and the old environment is untouched."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.environment.conftest import ROOT, Host
from tests.environment.small import CONDA, Small

pytestmark = [pytest.mark.hosts, pytest.mark.slow]


@pytest.fixture(scope="module")
def old(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Small:
    """An environment without anything but Python, to be rebuilt in vain."""
    environment = Small(host, tmp_path_factory.mktemp("faulty"), "faulty")
    environment.contains(pip=())
    environment.variables["conda_env_imports"] = []
    environment.play().ok()
    return environment


@pytest.fixture(autouse=True)
def _untouched(old: Small) -> object:
    """What every test here asserts: the same environment is in use, and nothing is left beside it."""
    before = old.target
    yield
    old.contains(pip=())
    assert old.target == before
    assert old.folders == [old.name, Path(before).name]


def test_unknown_package(old: Small) -> None:
    old.contains((*CONDA, "samtoolz"), ())
    run = old.play().refused("has no package samtoolz", "conda_env_file")
    assert f"The channel {old.host.mirror}/conda has no" in run.flat
    assert "; the environment in use is untouched." in run.flat


def test_package_with_another_checksum(old: Small) -> None:
    folder, mirror = "/tmp/tampered", f"{old.host.mirror}/conda"
    empty = '{"info": {"subdir": "linux-64"}, "packages": {}, "packages.conda": {}}'
    old.host.sh(f"""
        set -e
        mkdir -p {folder}/noarch {folder}/linux-64
        echo '{empty}' >{folder}/linux-64/repodata.json
        cd {folder}/noarch
        get() {{ python3 -c 'import sys, urllib.request as r; r.urlretrieve(*sys.argv[1:])' {mirror}/noarch/$1 $1; }}
        get repodata.json
        name=$(grep -o 'tqdm-4.70[^"]*.conda' repodata.json | head -n 1)
        get "$name"
        printf tampered | dd of=$name bs=1 seek=1000 conv=notrunc status=none
        rm -rf {ROOT}/pkgs/tqdm-*
    """)
    old.contains((*CONDA, "tqdm =4.70"), ())
    run = old.play(conda_env_channels=[f"file://{folder}", mirror])
    run.refused("The file tqdm-4.70", "has another sha256 than its channel says", ", expected ", "untouched")


def test_wheel_with_another_checksum(old: Small) -> None:
    old.requires(f"six==1.17.0 --hash=sha256:{'0' * 64}\n")
    old.play().refused("The file of six", "has another sha256 than the lock pins", "untouched")


def test_unreachable_channel(old: Small) -> None:
    old.contains((*CONDA, "tqdm"), ())
    nowhere = "http://127.0.0.1:9/conda"
    run = old.play(conda_env_channels=[nowhere])
    run.refused(f"The address {nowhere}/", "cannot be had (", "set conda_env_channels to", "untouched")


def test_micromamba_with_another_checksum(old: Small, tmp_path: Path) -> None:
    fresh = Small(old.host, tmp_path, "x", "/opt/gpulab/other")
    wrong = "0" * 64
    url = old.host.micromamba.split("#")[0]
    run = fresh.play(conda_env_micromamba=f"{url}#sha256={wrong}")
    run.refused(
        f"micromamba cannot be had from {url}", wrong, "did not match", "-e conda_env_micromamba=URL#sha256=HEX"
    )
    assert old.host.sh("ls /opt/gpulab/other/bin /opt/gpulab/other/envs").split() == [
        "/opt/gpulab/other/bin:",
        "/opt/gpulab/other/envs:",
    ]


def test_no_space_is_told_before_anything_is_done(old: Small) -> None:
    old.contains((*CONDA, "tqdm"), ())
    run = old.play(conda_env_megabytes=99999999)
    run.refused(f"The environment faulty needs 99999999 MB below {ROOT}, and", "MB are free", "gpulab_environment")


def test_disk_that_runs_full_on_the_way(old: Small, tmp_path: Path) -> None:
    # A file system of 64 MB, on which nothing can be executed.
    environment = Small(old.host, tmp_path, "big", "/dev/shm/gpulab")
    run = environment.play(conda_env_megabytes=1, conda_env_micromamba=f"{ROOT}/bin/micromamba")
    old.host.sh("rm -rf /dev/shm/gpulab")
    run.refused("The disk ran full below /dev/shm/gpulab, which needs 1 MB and had", "nothing was left behind")

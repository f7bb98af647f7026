"""The role conda_env on a real host: made, found again, repaired, rebuilt with what a user added, killed on the way.

The tests share one environment, in this order, as each environment takes seconds to make; each leaves it whole.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.environment.conftest import ROOT, Host
from tests.environment.small import Small

pytestmark = [pytest.mark.hosts, pytest.mark.slow]

LOCAL = "--no-index --no-build-isolation"


def project(name: str, version: str) -> str:
    """Shell commands that write a Python project of one module to /tmp/NAME."""
    text = f'[project]\\nname = "{name}"\\nversion = "{version}"\\n'
    return f"mkdir -p /tmp/{name} && printf '{text}' >/tmp/{name}/pyproject.toml && touch /tmp/{name}/{name}.py &&"


@pytest.fixture(scope="module")
def small(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Small:
    """An environment that was just made."""
    environment = Small(host, tmp_path_factory.mktemp("small"), "small")
    run = environment.play().ok()
    assert "There is no environment small." in run.flat
    return environment


def test_check_mode_writes_nothing(host: Host, tmp_path: Path) -> None:
    environment = Small(host, tmp_path, "checked", "/opt/gpulab/checked")
    listing = "ls -laR --time-style=full-iso /opt/gpulab /etc/profile.d 2>&1 || true"
    before = host.sh(listing)
    run = environment.play("--check").ok()
    assert run.changed[host.name] >= 1
    assert host.sh(listing) == before


def test_it_is_there_and_a_second_run_changes_nothing(small: Small) -> None:
    target = small.target
    assert target.startswith(f"{ROOT}/envs/small-")
    assert small.folders == ["small", Path(target).name]
    assert small.host.sh(f"stat -c %U {small.link}/lib") == "ubuntu\n"
    assert small.play().ok().changed == {small.host.name: 0}
    assert small.target == target
    said = small.result
    assert (said["name"], said["prefix"], said["build"]) == ("small", small.link, "cpu")
    assert said["python"].startswith("3.11.")
    assert said["imports"] == {"tqdm": small.version("tqdm")}
    assert said["packages"]["pip"] == 2
    assert (said["extras"], said["fixed"], said["warnings"]) == ([], [], [])


def test_source_activate_as_the_courses_type_it(small: Small) -> None:
    lines = small.host.sh(
        "echo $PATH; PS1='$ '; set -u; source activate small; command -v python; echo $PS1; echo $CONDA_PREFIX;"
        "source activate small; echo $PATH; source deactivate; echo $PATH; echo $PS1; echo ${CONDA_PREFIX-none}"
    ).splitlines()
    path = lines[0]
    active = [f"{small.link}/bin/python", "(small) $", small.link, f"{small.link}/bin:{path}"]
    assert lines == [path, *active, path, "$", "none"]
    wrong = small.host.run("source activate carnd-term; echo $?; echo $PATH")
    assert wrong.stdout.splitlines() == ["1", path]
    assert "there is no environment 'carnd-term', type the name of one of these: " in wrong.stderr


def test_packages_that_are_gone_come_back_in_place(small: Small) -> None:
    target, wanted = small.target, small.version("tqdm")
    small.host.sh(f"{small.link}/bin/python -m pip uninstall -qy tqdm")
    small.host.sh(project("six", "1.16.0") + f"{small.link}/bin/python -m pip install -q {LOCAL} /tmp/six")
    assert (small.version("tqdm"), small.version("six")) == ("", "1.16.0")
    run = small.play().ok()
    assert "small has other versions of, or lacks: six, tqdm." in run.flat
    assert (small.target, small.version("tqdm"), small.version("six")) == (target, wanted, "1.17.0")


def test_what_a_user_added_is_left_alone_and_carried_over(small: Small) -> None:
    old, mirror = small.target, small.host.mirror
    wheels = f"--no-index --find-links {mirror}/wheels-modern/ --trusted-host {mirror.split('/')[2].split(':')[0]}"
    channel = f"--override-channels -c {mirror}/conda"
    # As a user does it who types what the course says, with the environment active.
    small.host.sh(f"source activate small && pip install -q {wheels} certifi")
    small.host.sh(f"micromamba install -y -q -r {ROOT} -p {small.link} {channel} 'tqdm=4.64.1'")
    small.host.sh(project("mine", "1.0") + f"{small.link}/bin/python -m pip install -q {LOCAL} /tmp/mine")
    small.contains(pip=("six",))
    small.variables["conda_env_imports"] = ["six"]
    # One of the additions cannot be had any more.
    run = small.play()
    run.refused("Your own mine==1.0 cannot be installed in the new environment (The source http://")
    assert "-e conda_env_keep_extras=false; the environment in use is untouched." in run.flat
    assert (small.target, small.version("mine"), small.folders) == (old, "1.0", ["small", Path(old).name])
    # What runs from the old environment keeps it.
    small.host.sh(f"nohup {old}/bin/python -c 'import time; time.sleep(600)' >/dev/null 2>&1 & echo $! >/tmp/pid")
    small.host.sh(f"{small.link}/bin/python -m pip uninstall -qy mine")
    run = small.play().ok()
    assert "small was made from another environment file" in run.flat
    assert small.target != old
    assert small.folders == sorted(["small", Path(small.target).name, Path(old).name])
    certifi = small.version("certifi")
    assert small.result["extras"] == ["tqdm=4.64.1", f"certifi=={certifi}"]
    assert small.version("tqdm") == "4.64.1"
    small.host.sh("kill $(cat /tmp/pid)")
    small.play().ok()
    assert small.folders == ["small", Path(small.target).name]


def test_killed_in_the_middle_the_old_one_is_usable_all_the_time(small: Small) -> None:
    old = small.target
    # Runs until the end of the test, and notes each time that the environment could not be used.
    small.host.sh(
        "rm -f /tmp/uses /tmp/failures; nohup bash -c 'while [ ! -e /tmp/enough ]; do echo >>/tmp/uses;"
        f' {small.link}/bin/python -c "import six" || echo >>/tmp/failures; sleep 0.5; done\' >/dev/null 2>&1 &'
    )
    small.contains(pip=("six", "tqdm"))
    small.variables["conda_env_imports"] = ["six"]
    # All processes of the job die at once, as soon as the new prefix has its first package.
    killer = (
        f"until ls {ROOT}/envs/small-*/conda-meta/*.json 2>/dev/null | grep -qv {old}; do sleep 0.02; done;"
        "for p in $(grep -alz GPULAB_LONG_COMMAND= /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3);"
        "do kill -9 $p; done 2>/dev/null; true"
    )
    ssh = ["ssh", "-F", str(small.host.state / "ssh_config"), small.host.name, killer]
    with subprocess.Popen(ssh) as process:
        run = small.play()
        assert process.wait() == 0
    assert run.code != 0
    assert "the environment in use is untouched" in run.flat
    assert small.target == old
    assert len(small.folders) == 3, "there is nothing half made"
    run = small.play().ok()
    small.host.sh("touch /tmp/enough; sleep 2")
    # The old one stays where it was being used just then, and goes with the next run.
    if Path(old).name in small.folders:
        small.play().ok()
    assert small.target != old
    assert small.result["imports"] == {"six": "1.17.0"}
    assert small.host.run("cat /tmp/failures").stdout == ""
    assert len(small.host.sh("cat /tmp/uses").splitlines()) > 10
    assert small.folders == ["small", Path(small.target).name]
    assert small.play().ok().changed == {small.host.name: 0}


def test_environment_of_others_is_used_and_never_touched(small: Small, tmp_path: Path) -> None:
    host, foreign = small.host, "/home/ubuntu/miniconda3/envs/theirs"
    channel = f"--override-channels -c {host.mirror}/conda"
    host.sh(
        f"echo 'dependencies: [python =3.11, pip, tqdm]' >/tmp/theirs.yml;"
        f"micromamba create -y -q -r {ROOT} -p {foreign} {channel} -f /tmp/theirs.yml"
    )
    listing = f"find {foreign} -not -name '*.pyc' -not -name __pycache__ -printf '%p %s\\n' | sort"
    before = host.sh(listing)
    environment = Small(host, tmp_path, "theirs")
    run = environment.play().ok()
    assert "was not made by gpulab" in run.flat
    assert (environment.target, host.sh(listing)) == (foreign, before)
    (warning,) = environment.result["warnings"]
    assert "lacks 1 packages of profile modern (six)" in warning
    assert "-e conda_env_adopt=true" in warning
    environment.play(conda_env_adopt=True).ok()
    assert (environment.target, environment.version("six")) == (foreign, "1.17.0")

"""The fixes of imports on a real host: the page's GTK, today's OpenCV, a package that lost its files."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import environment_names

from rehearsal import making, settings, wheels
from tests.environment.conftest import ROOT, Host
from tests.environment.small import Small

pytestmark = [pytest.mark.hosts, pytest.mark.slow]

OPENCV = Path(__file__).with_name("opencv-requirements.txt")
"""OpenCV with and without a display, with what else is needed: more than any lock of ours."""
PAGE = "ImportError: libgtk-x11-2.0.so.0: cannot open shared object file: No such file or directory"
"""What the course page says that `import cv2` may say."""


def lacks(host: Host, library: str) -> bool:
    """Whether the loader does not find a library on the host."""
    return host.run(f"/sbin/ldconfig -p | grep -qF '{library} '").returncode != 0


@pytest.fixture(scope="module")
def gtk(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Small:
    """An environment to be made with the conda package of OpenCV that wants GTK 2, a stand-in for that of 2017."""
    environment = Small(host, tmp_path_factory.mktemp("gtk"), "gtk")
    environment.contains(("python =3.11", "pip", "opencv =3.4.2"), ())
    channels = [f"{host.mirror}/conda", f"{host.mirror}/conda-gtk"]
    environment.variables |= {"conda_env_channels": channels, "conda_env_imports": ["cv2"]}
    return environment


@pytest.fixture(scope="module")
def screen(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Small:
    """An environment with the OpenCV of today that wants a display's libraries, fixed when it was made."""
    wanted = wheels.WheelSet("opencv/wheels-modern", OPENCV, "3.11", wheels.MODERN)
    with making.alone():
        making.ensure(settings.MIRROR / wanted.folder, wanted.key(), functools.partial(wheels.make, wanted))
    environment = Small(host, tmp_path_factory.mktemp("screen"), "screen")
    environment.contains(pip=())
    blocks = environment_names.blocks(OPENCV.read_text())
    environment.requires("".join(blocks[name] for name in ("numpy", "opencv-python", "tqdm")))
    environment.variables |= {"conda_env_imports": ["cv2", "tqdm"], "conda_env_mirror": f"{host.mirror}/opencv"}
    environment.variables |= {"conda_env_channels": [f"{host.mirror}/conda"]}
    assert lacks(host, "libGL.so.1")
    environment.play().ok()
    return environment


def test_import_that_cannot_be_fixed_is_refused_with_what_to_type(gtk: Small) -> None:
    assert lacks(gtk.host, "libgtk-x11-2.0.so.0")
    gtk.play(conda_env_system_packages=False).refused(
        "import cv2 fails: the host has no libgtk-x11-2.0.so.0; type `sudo apt-get install libgtk2.0-0`."
    )
    assert gtk.host.run(f"ls -d {gtk.link}").returncode != 0  # nobody gets an environment that does not work


def test_environment_of_others_is_only_diagnosed(host: Host, gtk: Small, tmp_path: Path) -> None:
    foreign = Small(host, tmp_path, "foreign")
    foreign.variables |= gtk.variables
    channels = " ".join(f"-c {channel}" for channel in foreign.variables["conda_env_channels"])
    options = f"-y -q -r {ROOT} -p {foreign.link} --override-channels {channels}"
    host.sh(f"curl -sSfo own-conda {host.micromamba.partition('#')[0]} && chmod +x own-conda")
    host.sh(f"sudo install -d -o $USER {ROOT} && ./own-conda create {options} python=3.11 pip opencv=3.4.2")
    listing = f"find {foreign.link} -name __pycache__ -prune -o -type f -printf '%p %s %T@\\n' | sort"
    before = host.sh(listing)
    foreign.play().ok()
    assert host.sh(listing) == before
    assert PAGE in host.run(f"{foreign.link}/bin/python -B -c 'import cv2'").stderr
    assert [text for text in foreign.result["warnings"] if "sudo apt-get install libgtk2.0-0" in text]
    assert foreign.result["imports"] == {}
    assert lacks(host, "libgtk-x11-2.0.so.0")


def test_gtk_of_the_course_page(gtk: Small) -> None:
    run = gtk.play().ok()
    assert "import cv2 fails: the host has no libgtk-x11-2.0.so.0; install libgtk2.0-0 with apt." in run.flat
    assert gtk.result["imports"] == {"cv2": "3.4.2"}
    assert gtk.result["fixed"] == [
        "import cv2 failed: the host has no libgtk-x11-2.0.so.0; installed libgtk2.0-0 with apt."
    ]
    assert gtk.host.sh(f"{gtk.link}/bin/python -c 'import cv2; print(cv2.__version__)'") == "3.4.2\n"
    assert gtk.play().ok().changed == {gtk.host.name: 0}


def test_opencv_of_today_gets_the_libraries_of_a_display(screen: Small) -> None:
    (fixed,) = screen.result["fixed"]
    missed, installed = fixed.split("; installed ")
    assert missed.startswith("import cv2 failed: the host has no ")
    assert "libGL.so.1" in missed
    assert "libgl1" in installed
    assert installed.endswith(" with apt.")
    assert screen.version("opencv-python") == environment_names.pins(OPENCV.read_text())["opencv-python"]
    assert screen.host.sh(f"{screen.link}/bin/python -c 'import cv2; print(cv2.__version__)'").startswith("4.")
    assert screen.play().ok().changed == {screen.host.name: 0}


def test_without_system_packages_it_becomes_the_headless_build_of_the_same_version(screen: Small) -> None:
    screen.host.sh("sudo rm /usr/lib/x86_64-linux-gnu/libGL.so.1* && sudo /sbin/ldconfig")
    version = screen.version("opencv-python")
    check = screen.play("--check", conda_env_system_packages=False).ok()
    assert "in place of opencv-python: it needs no display." in check.flat
    assert screen.version("opencv-python-headless") == ""
    screen.play(conda_env_system_packages=False).ok()
    assert screen.version("opencv-python") == ""
    assert screen.version("opencv-python-headless") == version
    assert screen.host.sh(f"{screen.link}/bin/python -c 'import cv2; print(cv2.__file__)'")
    assert lacks(screen.host, "libGL.so.1")
    assert screen.play().ok().changed == {screen.host.name: 0}  # the wanted one does not come back


def test_package_that_lost_its_files_comes_back_at_the_version_of_the_lock(screen: Small) -> None:
    wanted = screen.version("tqdm")
    screen.host.sh(f"rm -r {screen.link}/lib/python3.11/site-packages/tqdm")
    screen.play().ok()
    assert screen.result["fixed"] == [
        f"import tqdm failed: tqdm is not in the environment; installed tqdm {wanted}, as locked."
    ]
    assert screen.host.sh(f"{screen.link}/bin/python -c 'import tqdm; print(tqdm.__version__)'").strip() == wanted
    assert screen.play().ok().changed == {screen.host.name: 0}


def test_module_that_nobody_has_is_told_with_what_was_tried(screen: Small) -> None:
    target = screen.target
    run = screen.play(conda_env_imports=["tqdm", "nosuchmodule"])
    assert run.code != 0
    what = "import nosuchmodule fails: nosuchmodule is not in the environment"
    tried = "Installing nosuchmodule with pip failed: ERROR: No matching distribution found for nosuchmodule."
    assert f"{what}; type `{target}/bin/python -m pip install nosuchmodule`. {tried}" in run.flat
    assert screen.target == target

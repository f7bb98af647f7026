"""Which fixes are tried for a finding, in which order, with which commands, and what is said where there is none."""

from __future__ import annotations

import re

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import environment_advice, environment_fixes
from ansible_collections.gpulab.core.plugins.module_utils.environment_case import Means
from ansible_collections.gpulab.core.plugins.module_utils.environment_imports import Finding

from tests.support.environment_case import CONDA, PIP, PREFIX, PYTHON, case, commands, ids, lock, means, only

TQDM = Finding("tqdm", "missing", ("tqdm",), "")
GL = Finding("cv2", "system_library", ("libGL.so.1",), "")
GTK = Finding("cv2", "system_library", ("libgtk-x11-2.0.so.0",), "")


# A module that is not there


def test_missing_package_comes_back_at_the_version_of_the_lock() -> None:
    fix = only(TQDM, case(), means(tqdm="4.67.1", numpy="2.4.6"))
    assert (fix.what, fix.requirements) == ("tqdm 4.67.1, as locked", lock(tqdm="4.67.1")["tqdm"])
    assert commands(fix) == [
        f"{' '.join(PIP)} --ignore-installed --no-deps --require-hashes --requirement {PREFIX}/gpulab-fix.txt"
    ]


def test_without_a_lock_conda_is_tried_first_as_the_page_says() -> None:
    found = environment_fixes.fixes(TQDM, case(), means(numpy="2.4.6"))
    assert [fix.id for fix in found] == ["conda:tqdm", "pip:tqdm"]
    assert commands(found[0]) == [f"{' '.join(CONDA)} tqdm"]
    assert found[1].requirements == "numpy==2.4.6\n"  # what the lock pins stays as it is
    assert commands(found[1]) == [f"{' '.join(PIP)} --constraint {PREFIX}/gpulab-fix.txt tqdm"]


def test_conda_does_not_put_its_numpy_over_that_of_pip() -> None:
    pandas = Finding("pandas", "missing", ("pandas",), "")
    assert ids(pandas, case(pip={"numpy": "2.4.6"}), means()) == ["pip:pandas"]
    assert ids(pandas, case(conda={"numpy": "2.4.6"}), means()) == ["conda:pandas", "pip:pandas"]
    assert ids(TQDM, case(pip={"numpy": "2.4.6"}), means()) == ["conda:tqdm", "pip:tqdm"]  # it needs no NumPy


def test_package_that_lost_its_files_is_installed_again() -> None:
    found = environment_fixes.fixes(TQDM, case(pip={"tqdm": "4.60.0"}), means(conda=False))
    assert commands(found[0]) == [f"{' '.join(PIP)} --force-reinstall --no-deps tqdm==4.60.0"]
    assert [fix.id for fix in found] == ["again:tqdm", "pip:tqdm"]


def test_opencv_that_is_not_there() -> None:
    cv2 = Finding("cv2", "missing", ("cv2",), "")
    assert ids(cv2, case(), means()) == ["conda:opencv", "pip:opencv-python-headless"]
    assert ids(cv2, case(), means(opencv_python_headless="4.14.0.94")) == ["lock:opencv-python-headless"]


@pytest.mark.parametrize(
    ("python", "build", "gpu", "wanted"),
    [
        ("3.6.15", "cuda", True, "pip:tensorflow-gpu==0.12.1"),  # what the page says
        ("3.5.2", "cpu", True, "pip:tensorflow==0.12.1"),
        ("3.6.15", "cpu", False, "pip:tensorflow==0.12.1"),
        ("3.12.8", "cuda", True, "pip:tensorflow"),
    ],
)
def test_tensorflow_that_is_not_there(python: str, build: str, gpu: bool, wanted: str) -> None:
    environment = case(python=python, build=build, host={"gpu": gpu})
    missing = Finding("tensorflow", "missing", ("tensorflow",), "")
    assert ids(missing, environment, means(conda=False)) == [wanted]
    assert ids(missing, environment, means(tensorflow_gpu="0.12.1")) == ["lock:tensorflow-gpu"]


def test_what_a_module_needs_is_installed_and_not_the_module() -> None:
    finding = Finding("keras", "dependency", ("pkg_resources",), "")
    assert ids(finding, case(), means(conda=False, keras="1.2.1")) == ["pip:setuptools<81"]
    assert ids(finding, case(), means(setuptools="59.6.0")) == ["lock:setuptools"]


@pytest.mark.parametrize("kind", ["incomplete", "damaged"])
def test_damaged_package(kind: str) -> None:
    finding = Finding("torch", kind, ("torch._C",), "")
    assert ids(finding, case(pip={"torch": "2.13.0"}), means(torch="2.13.0")) == ["lock:torch"]
    assert ids(finding, case(pip={"torch": "2.13.0"}), means()) == ["again:torch"]
    assert ids(finding, case(conda={"torch": "2.13.0"}), means()) == []


# A library of the host


def test_order_for_opencv_is_environment_host_headless() -> None:
    assert ids(GTK, case(conda={"opencv3": "3.1.0"}), means()) == ["conda:opencv", "apt:libgtk2.0-0"]
    assert ids(GTK, case(conda={"opencv": "3.4.2"}), means()) == ["apt:libgtk2.0-0"]
    environment = case(pip={"opencv-python": "4.14.0.94", "numpy": "2.4.6"})
    assert ids(GL, environment, means()) == ["apt:libgl1", "swap:opencv-python-headless"]
    assert ids(GL, environment, means(system=False)) == ["swap:opencv-python-headless"]


def test_headless_build_is_fetched_before_the_other_one_goes() -> None:
    fix = only(GL, case(pip={"opencv-python": "4.14.0.94"}), means(system=False))
    folder = f"{PREFIX}/gpulab-fix"
    assert commands(fix) == [
        f"{' '.join(PIP)} --no-deps --dest {folder} opencv-python-headless==4.14.0.94".replace(
            "install", "download", 1
        ),
        f"{PYTHON} -m pip uninstall --yes opencv-python",
        f"{PYTHON} -m pip install --no-index --find-links {folder} --no-deps opencv-python-headless==4.14.0.94",
        f"rm -rf {folder}",
    ]
    assert fix.replaced == {"opencv-python": "opencv-python-headless"}


def test_contrib_stays_contrib() -> None:
    fix = only(GL, case(pip={"opencv-contrib-python": "4.9.0.80"}), means(system=False))
    assert fix.replaced == {"opencv-contrib-python": "opencv-contrib-python-headless"}


def test_all_libraries_come_at_once() -> None:
    names = ("libGL.so.1", "libgthread-2.0.so.0", "libglib-2.0.so.0", "libSM.so.6")
    fix = environment_fixes.fixes(GL._replace(names=names), case(), means(conda=False))[0]
    assert fix.packages == ["libgl1", "libglib2.0-0", "libsm6"]
    assert fix.what == "libgl1, libglib2.0-0 and libsm6 with apt"


@pytest.mark.parametrize(
    ("system", "version", "names"),
    [
        ("debian", "12", "libgtk2.0-0 libgl1 libglib2.0-0"),
        ("debian", "13", "libgtk2.0-0t64 libgl1 libglib2.0-0t64"),
        ("debian", "9", "libgtk2.0-0 libgl1-mesa-glx libglib2.0-0"),
        ("ubuntu", "16.04", "libgtk2.0-0 libgl1-mesa-glx libglib2.0-0"),
        ("ubuntu", "18.04", "libgtk2.0-0 libgl1 libglib2.0-0"),
        ("ubuntu", "22.04", "libgtk2.0-0 libgl1 libglib2.0-0"),
        ("ubuntu", "24.04", "libgtk2.0-0t64 libgl1 libglib2.0-0t64"),
        ("ubuntu", "26.04", "libgtk2.0-0t64 libgl1 libglib2.0-0t64"),
    ],
)
def test_names_of_the_packages_by_release(system: str, version: str, names: str) -> None:
    release = {"ID": system, "VERSION_ID": version}
    for library, name in zip(("libgtk-x11-2.0.so.0", "libGL.so.1", "libgthread-2.0.so.0"), names.split(), strict=True):
        finding = GL._replace(names=(library,))
        assert only(finding, case(release=release), means(conda=False)).packages == [name]


def test_other_systems_and_unknown_libraries_are_left_to_their_owner() -> None:
    amazon = case(release={"ID": "amzn", "VERSION_ID": "2023", "ID_LIKE": "fedora"})
    assert ids(GTK, amazon, means(conda=False)) == []
    assert environment_advice.advice(GTK, amazon) == "type `sudo dnf install 'libgtk-x11-2.0.so.0()(64bit)'`"
    unknown = GL._replace(names=("libnobody.so.1",))
    assert ids(unknown, case(), means(conda=False)) == []
    assert environment_advice.advice(unknown, case()) == "install the host's package with libnobody.so.1"


# Packages that do not fit each other


def test_what_strayed_from_the_lock_goes_back() -> None:
    finding = Finding("cv2", "numpy_abi", (), "")
    environment = case(pip={"numpy": "1.26.4", "opencv-python-headless": "4.14.0.94"})
    assert ids(finding, environment, means(numpy="2.4.6", opencv_python_headless="4.14.0.94")) == ["lock:numpy"]
    assert ids(finding, environment, means(numpy="1.26.4", opencv_python_headless="4.14.0.94")) == []
    assert ids(finding, environment, means()) == []
    protobuf = Finding("tensorflow", "protobuf", (), "")
    strayed = case(pip={"protobuf": "6.33.0", "tensorflow": "0.12.1"})
    assert ids(protobuf, strayed, means(protobuf="3.1.0", tensorflow="0.12.1")) == ["lock:protobuf"]
    named = Finding("moviepy", "mismatch", ("PIL.Image",), "")
    assert ids(named, case(pip={"pillow": "12.0", "moviepy": "1"}), means(pillow="9.5.0")) == ["lock:pillow"]


def test_several_opencvs_become_one() -> None:
    finding = Finding("cv2", "opencv_mixed", (), "")
    environment = case(pip={"opencv-python": "4.9.0.80", "opencv-python-headless": "4.14.0.94"})
    found = commands(only(finding, environment, means(opencv_python_headless="4.14.0.94")))
    assert found[0] == f"{PYTHON} -m pip uninstall --yes opencv-python"
    assert found[1].endswith(f"--require-hashes --requirement {PREFIX}/gpulab-fix.txt")
    assert commands(only(finding, environment, means()))[1].endswith("--no-deps opencv-python-headless==4.14.0.94")
    assert ids(finding, environment, means(opencv_python="4.9.0.80")) == ["alone:opencv-python"]


def test_headless_build_under_one_that_wants_a_display_takes_its_place_whatever_the_lock_says() -> None:
    # A run that was killed before it noted what it had replaced, and then the lock's one put over it.
    environment = case(pip={"opencv-python": "4.14.0.94", "opencv-python-headless": "4.14.0.94"})
    fix = only(GL, environment, means(system=False, opencv_python="4.14.0.94"))
    assert commands(fix) == [
        f"{PYTHON} -m pip uninstall --yes opencv-python",
        f"{' '.join(PIP)} --force-reinstall --no-deps opencv-python-headless==4.14.0.94",
    ]
    assert fix.replaced == {"opencv-python": "opencv-python-headless"}
    assert ids(GL, environment, means()) == ["apt:libgl1", "alone:opencv-python-headless"]


# In general


def test_nothing_is_tried_without_means() -> None:
    none = Means([], [], {}, False)
    packages = {"opencv-python": "4.9", "torch": "2.6.0", "tensorflow-gpu": "0.12.1", "tqdm": "4", "numpy": "2"}
    for kind in environment_advice.KINDS:
        for module in ("cv2", "torch", "tensorflow", "tqdm"):
            assert ids(Finding(module, kind, ("numpy", "libGL.so.1"), ""), case(pip=packages), none) == []


def test_every_kind_has_a_sentence_that_says_what_to_type() -> None:
    assert len(environment_advice.KINDS) >= 29
    for kind in environment_advice.KINDS:
        for names in ((), ("libGL.so.1",), ("/usr/lib/libx.so", "GLIBCXX_3.4.29")):
            for gpu in (False, True):
                finding = Finding("tensorflow", kind, names, "x: y.")
                told = environment_advice.sentence(finding, case(pip={"tensorflow": "0.12.1"}, host={"gpu": gpu}))
                assert re.fullmatch(r"import tensorflow (fails|works on the CPU only): [^{}]+; [^{}]+\.", told), told
                assert ".." not in told


def test_every_kind_with_a_fix_is_one_that_has_a_sentence() -> None:
    assert set(environment_fixes.KINDS) <= set(environment_advice.KINDS)

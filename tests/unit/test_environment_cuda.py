"""Which CUDA a framework needs, whether the host has it, and whether its driver is new enough."""

from __future__ import annotations

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import environment_cuda
from ansible_collections.gpulab.core.plugins.module_utils.environment_cuda import Framework, Host

NO_GPU = Host(gpu=False, driver="", toolkits={}, libraries={})


def one(distributions: dict[str, str], **imported: str) -> Framework:
    (found,) = environment_cuda.frameworks(distributions, {"torch": imported} if imported else {})
    return found


@pytest.mark.parametrize(
    ("name", "version", "cuda", "cudnn"),
    [
        ("tensorflow-gpu", "0.12.1", "8.0", "5.1"),
        ("tensorflow-gpu", "1.2.1", "8.0", "5.1"),
        ("tensorflow-gpu", "1.3.0", "8.0", "6"),
        ("tensorflow-gpu", "1.12.0", "9.0", "7"),
        ("tensorflow", "1.15.5", "10.0", "7.4"),
        ("tensorflow", "2.10.0", "11.2", "8.1"),
        ("tensorflow", "2.21.0", "12.5", "9.3"),
        ("tensorflow", "0.11.0", "", ""),
    ],
)
def test_tensorflow_needs(name: str, version: str, cuda: str, cudnn: str) -> None:
    found = one({name: version, "numpy": "1.12.1"})
    assert (found.version, found.cuda, found.cudnn) == (version, cuda, cudnn)


@pytest.mark.parametrize(
    ("name", "version", "build", "other"),
    [
        ("tensorflow", "0.12.1", "cpu", "tensorflow-gpu"),
        ("tensorflow", "1.14.0", "cpu", "tensorflow-gpu"),
        ("tensorflow-gpu", "0.12.1", "cuda", "tensorflow"),
        ("tensorflow", "1.15.0", "cuda", "tensorflow-cpu"),
        ("tensorflow", "2.16.1", "cuda", "tensorflow-cpu"),
        ("tensorflow-cpu", "2.16.1", "cpu", "tensorflow"),
    ],
)
def test_builds_of_tensorflow(name: str, version: str, build: str, other: str) -> None:
    found = one({name: version})
    assert (found.build, found.other) == (build, other)


def test_builds_of_torch() -> None:
    assert one({"torch": "2.13.0+cpu"}).build == "cpu"
    assert one({"torch": "2.13.0"}, version="2.13.0", cuda="13.0") == Framework(
        "torch", "2.13.0", "cuda", "13.0", "", "torch"
    )
    # A wheel of another index that names no build.
    assert one({"torch": "2.13.0"}, version="2.13.0", cuda="").build == "cpu"
    # It could not be imported, so only its name and version speak.
    assert one({"torch": "0.4.1"}, error="…").cuda == "9.0"
    assert one({"torch": "1.4.0"}, error="…").cuda == "10.1"
    assert one({"torch": "2.6.0+cu124"}, error="…").cuda == "12.4"
    assert one({"torch": "2.13.0"}, error="…")[2:4] == ("cuda", "")


def test_environment_without_a_framework_has_none() -> None:
    assert environment_cuda.frameworks({"numpy": "2.4.6", "tensorflow-estimator": "1.15"}, {}) == []


def test_words_for_what_is_needed() -> None:
    assert environment_cuda.needs(one({"tensorflow-gpu": "0.12.1"})) == "CUDA 8.0 and cuDNN 5.1"
    assert environment_cuda.needs(one({"torch": "0.4.1"})) == "CUDA 9.0"
    assert environment_cuda.needs(one({"tensorflow-gpu": "0.11"})) == "CUDA"


@pytest.mark.parametrize(
    ("version", "libraries", "has"),
    [
        ("0.12.1", ["libcudart.so.8.0", "libcudnn.so.5"], True),
        ("0.12.1", ["libcudart.so.8.0", "libcudnn.so.6"], False),
        ("0.12.1", ["libcudart.so.9.0", "libcudnn.so.5"], False),
        ("1.3.0", ["libcudart.so.8.0", "libcudnn.so.6"], True),
        ("0.12.1", [], False),
    ],
)
def test_host_has_the_cuda_of_a_framework(version: str, libraries: list[str], has: bool) -> None:
    host = NO_GPU._replace(libraries=dict.fromkeys(libraries, "/usr/local/cuda/lib64"))
    assert environment_cuda.has_cuda(one({"tensorflow-gpu": version}), host) is has


def test_from_cuda_11_on_the_name_of_the_library_has_only_the_first_number() -> None:
    host = NO_GPU._replace(libraries={"libcudart.so.12": "/x", "libcudnn.so.8": "/x"})
    assert environment_cuda.has_cuda(one({"tensorflow": "2.15.0"}), host)


def test_torch_brings_its_cuda() -> None:
    assert environment_cuda.has_cuda(one({"torch": "2.13.0"}), NO_GPU)


def test_driver_of_the_course_and_the_last_cuda_8_do_not_go_together() -> None:
    host = Host(gpu=True, driver="367.57", toolkits={"8.0": "8.0.61"}, libraries={})
    assert environment_cuda.driver_warning(one({"tensorflow-gpu": "0.12.1"}), host) == (
        "tensorflow-gpu 0.12.1 uses CUDA 8.0.61, which needs driver 375.26 or newer, and the host has 367.57: "
        "install a driver from 375.26 on, or CUDA 8.0.44, which runs on 367.48."
    )


@pytest.mark.parametrize(
    ("distributions", "driver", "toolkits"),
    [
        ({"tensorflow-gpu": "0.12.1"}, "367.57", {"8.0": "8.0.44"}),
        ({"tensorflow-gpu": "0.12.1"}, "367.57", {}),  # not known which 8.0 it is
        ({"tensorflow-gpu": "0.12.1"}, "375.26", {"8.0": "8.0.61"}),
        ({"tensorflow-gpu": "0.12.1"}, "", {"8.0": "8.0.61"}),  # no driver is loaded
        ({"tensorflow": "0.12.1"}, "367.57", {"8.0": "8.0.61"}),  # computes on the CPU
        ({"torch": "2.6.0+cu124"}, "535.309.01", {"8.0": "8.0.61"}),
    ],
)
def test_no_warning(distributions: dict[str, str], driver: str, toolkits: dict[str, str]) -> None:
    host = Host(gpu=True, driver=driver, toolkits=toolkits, libraries={})
    assert environment_cuda.driver_warning(one(distributions), host) is None


@pytest.mark.parametrize(
    ("distributions", "driver", "words"),
    [
        ({"torch": "0.4.1"}, "367.57", "torch 0.4.1 uses CUDA 9.0, which needs driver 384.81 or newer"),
        ({"torch": "2.6.0+cu124"}, "470.256.02", "needs driver 525.60.13 or newer, and the host has 470.256.02"),
        ({"tensorflow-gpu": "1.13.1"}, "390.157", "install a driver from 410.48 on."),
    ],
)
def test_warning(distributions: dict[str, str], driver: str, words: str) -> None:
    host = Host(gpu=True, driver=driver, toolkits={"8.0": "8.0.61"}, libraries={})
    told = environment_cuda.driver_warning(one(distributions), host)
    assert told is not None
    assert words in told

"""What is tried and said where TensorFlow or PyTorch and the host's CUDA do not fit."""

from __future__ import annotations

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import environment_advice
from ansible_collections.gpulab.core.plugins.module_utils.environment_case import Case, cpu_builds
from ansible_collections.gpulab.core.plugins.module_utils.environment_imports import Finding

from tests.support.environment_case import CUDA_8, PIP, case, commands, ids, means, only

CUDART = Finding("tensorflow", "cuda_library", ("libcudart.so.8.0", "libcudnn.so.5"), "")
OLD_GPU = {"tensorflow-gpu": "0.12.1"}


def test_gpu_build_on_a_host_without_gpu_becomes_the_cpu_build() -> None:
    fix = only(CUDART, case(pip=OLD_GPU), means())
    assert fix.replaced == {"tensorflow-gpu": "tensorflow"}
    assert "tensorflow==0.12.1" in commands(fix)[0]
    assert ids(CUDART._replace(kind="driver_library"), case(pip=OLD_GPU), means()) == ["swap:tensorflow"]


def test_gpu_build_on_a_gpu_host_needs_what_only_its_owner_can_install() -> None:
    environment = case(pip=OLD_GPU, host={"gpu": True})
    assert ids(CUDART, environment, means()) == []
    assert environment_advice.sentence(CUDART, environment) == (
        "import tensorflow fails: the host has no libcudart.so.8.0 and libcudnn.so.5, a part of CUDA; "
        "tensorflow-gpu 0.12.1 needs CUDA 8.0 and cuDNN 5.1: install that."
    )


def test_cuda_that_the_loader_does_not_look_for_is_found() -> None:
    environment = case(pip=OLD_GPU, host={"gpu": True, "libraries": CUDA_8})
    told = environment_advice.advice(CUDART, environment)
    assert "printf '/usr/local/cuda-8.0/lib64\\n' | sudo tee /etc/ld.so.conf.d/cuda.conf && sudo ldconfig" in told


def test_driver_that_is_not_there_is_a_matter_for_the_other_playbook() -> None:
    finding = Finding("tensorflow", "driver_library", ("libcuda.so.1",), "")
    told = environment_advice.sentence(finding, case(pip=OLD_GPU, host={"gpu": True}))
    assert told == (
        "import tensorflow fails: the host has no libcuda.so.1, which comes with the NVIDIA driver; "
        "install the driver: ansible-playbook repair-drivers.yml."
    )


def cpu_build(environment: Case) -> list[Finding]:
    return cpu_builds(environment, set())


def test_cpu_build_on_a_gpu_host_is_found_and_replaced_where_the_cuda_is_there() -> None:
    environment = case(pip={"tensorflow": "0.12.1"}, build="cuda", host={"gpu": True, "libraries": CUDA_8})
    (finding,) = cpu_build(environment)
    assert (finding.module, finding.kind) == ("tensorflow", "cpu_build")
    assert only(finding, environment, means()).replaced == {"tensorflow": "tensorflow-gpu"}
    bare = environment._replace(host=environment.host._replace(libraries={}))
    assert ids(finding, bare, means()) == []  # it would not import at all
    assert environment_advice.sentence(finding, bare) == (
        "import tensorflow works on the CPU only: the CPU build is installed, and the host has a GPU; its GPU build, "
        "tensorflow-gpu 0.12.1, needs CUDA 8.0 and cuDNN 5.1, which the host has not: install that, and run this again."
    )


def test_cpu_build_of_torch() -> None:
    environment = case(pip={"torch": "2.13.0+cpu"}, build="cuda", host={"gpu": True})
    (finding,) = cpu_build(environment)
    assert commands(only(finding, environment, means())) == [
        f"{' '.join(PIP)} --force-reinstall --no-deps torch==2.13.0",
        f"{' '.join(PIP)} torch==2.13.0",
    ]


@pytest.mark.parametrize(
    "environment",
    [
        case(pip={"tensorflow": "0.12.1"}, build="cpu", host={"gpu": True}),
        case(pip={"tensorflow": "0.12.1"}, build="cuda"),
        case(pip={"tensorflow": "2.16.1"}, build="cuda", host={"gpu": True}),
        case(pip={"tensorflow": "0.12.1", "tensorflow-gpu": "0.12.1"}, build="cuda", host={"gpu": True}),
        case(pip={"numpy": "2.4.6"}, build="cuda", host={"gpu": True}),
    ],
)
def test_no_cpu_build_to_speak_of(environment: Case) -> None:
    assert cpu_build(environment) == []


def test_import_that_fails_anyway_is_not_also_a_cpu_build() -> None:
    environment = case(pip={"tensorflow": "0.12.1"}, build="cuda", host={"gpu": True})
    assert cpu_builds(environment, {"tensorflow"}) == []


def test_cuda_libraries_of_torch_come_from_pip() -> None:
    finding = Finding("torch", "cuda_library", ("libcublas.so.12",), "")
    environment = case(pip={"torch": "2.6.0"}, host={"gpu": True})
    assert commands(only(finding, environment, means())) == [f"{' '.join(PIP)} torch==2.6.0"]
    fix = only(finding, environment, means(torch="2.6.0", nvidia_cublas_cu12="12.4.5.8"))
    assert fix.requirements.startswith("nvidia-cublas-cu12==12.4.5.8")

"""What an import's error says: one real-world text each, in the form that the program which says it uses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.gpulab.core.plugins.module_utils.environment_imports import (
    Finding,
    diagnose,
    distribution,
    last_line,
    library_kind,
)

TEXTS = yaml.safe_load(Path(__file__).with_name("import_errors.yml").read_text())
HEAD = """\
Traceback (most recent call last):
  File "/opt/gpulab/conda/envs/x/lib/python3.12/site-packages/package/__init__.py", line 3, in <module>
    import it
"""
CUDART = next(row["text"] for row in TEXTS if "libcudart.so.8.0" in row["text"])


def traceback(line: str) -> str:
    return HEAD + line


def cannot_open(library: str) -> str:
    return traceback(f"ImportError: {library}: cannot open shared object file: No such file or directory")


@pytest.mark.parametrize("row", TEXTS, ids=[f"{n}-{row['module']}-{row['kind']}" for n, row in enumerate(TEXTS)])
def test_text_is_understood(row: dict[str, Any]) -> None:
    found = diagnose(row["module"], traceback(row["text"]) if row.get("after") else row["text"])
    assert (found.kind, list(found.names)) == (row["kind"], row["names"])


def test_table_has_no_text_twice() -> None:
    assert len({(row["module"], row["text"]) for row in TEXTS}) == len(TEXTS) > 60


@pytest.mark.parametrize(
    ("signal", "kind"), [(4, "instructions"), (9, "killed"), (14, "slow"), (11, "crash"), (6, "crash")]
)
def test_end_by_a_signal(signal: int, kind: str) -> None:
    found = diagnose("torch", "The process ended without a word.", signal)
    assert found.kind == kind
    assert found.names == ((str(signal),) if kind == "crash" else ())


def test_what_a_crash_printed_says_more_than_its_signal() -> None:
    text = "F cpu_feature_guard.cc:37] The TensorFlow library was compiled to use AVX2 instructions, but these aren't"
    assert diagnose("tensorflow", text, 6) == Finding("tensorflow", "instructions", ("AVX2",), text)


def test_libraries_that_the_loader_misses_beside_are_named_when_they_are_of_the_same_kind() -> None:
    missed = ["libcuda.so.1", "libcudart.so.8.0", "libcudnn.so.5", "libcufft.so.8.0", "libz.so.9"]
    found = diagnose("tensorflow", traceback(CUDART), 0, missed)
    assert found.names == ("libcudart.so.8.0", "libcudnn.so.5", "libcufft.so.8.0")
    assert diagnose("cv2", cannot_open("libGL.so.1"), 0, ["libSM.so.6", "libGL.so.1"]).names == (
        "libGL.so.1",
        "libSM.so.6",
    )


def test_text_is_the_last_line_at_bearable_length() -> None:
    assert diagnose("tqdm", traceback("ValueError: it is so")).text == "ValueError: it is so"
    assert last_line("a\n" + "b" * 1000 + "\n \n") == "b" * 300
    assert last_line(" \n") == ""


@pytest.mark.parametrize(
    ("library", "kind"),
    [
        ("libcudnn_ops.so.9", "cuda_library"),
        ("libcublasLt.so.12", "cuda_library"),
        ("libnvidia-ml.so.1", "driver_library"),
        ("libcuda.so.1", "driver_library"),
        ("libcurl.so.4", "system_library"),
    ],
)
def test_who_brings_a_library(library: str, kind: str) -> None:
    assert library_kind(library) == kind


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("cv2", "opencv-python"),
        ("sklearn.svm", "scikit-learn"),
        ("google.protobuf.internal", "protobuf"),
        ("matplotlib.pyplot", "matplotlib"),
        ("imageio_ffmpeg", "imageio-ffmpeg"),
    ],
)
def test_distribution_of_a_module(module: str, name: str) -> None:
    assert distribution(module) == name

"""MNIST in the places where notebooks look. Small made files stand in."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import idx_files, lab_data


@pytest.fixture
def mnist(tmp_path: Path) -> Path:
    folder = tmp_path / "mnist"
    (folder / "processed").mkdir(parents=True)
    for name in (*idx_files.NAMES, *lab_data.PROCESSED):
        (folder / name).write_bytes(name.encode())
    return folder


@pytest.mark.parametrize(
    ("layout", "first", "count"),
    [
        ("idx", "data/t10k-images-idx3-ubyte", 4),
        ("torchvision", "data/MNIST/raw/t10k-images-idx3-ubyte", 4),
        ("torchvision-0.2", "data/processed/training.pt", 2),
        ("tensorflow", "MNIST_data/t10k-images-idx3-ubyte.gz", 4),
    ],
)
def test_layout_is_laid_once(mnist: Path, tmp_path: Path, layout: str, first: str, count: int) -> None:
    folder = tmp_path / "lab"
    pairs = lab_data.missing(str(folder), [layout])
    assert (len(pairs), pairs[0][0]) == (count, first)
    lab_data.lay(str(folder), pairs, str(mnist))
    raw = (folder / first).read_bytes()
    name = Path(first).name.removesuffix(".gz")
    assert (gzip.decompress(raw) if first.endswith(".gz") else raw).endswith(name.encode())
    assert lab_data.missing(str(folder), [layout]) == []


def test_compressed_files_are_the_same_whenever_they_are_made(mnist: Path) -> None:
    name = idx_files.NAMES[0]
    lab_data.compress(str(mnist / name))
    first = (mnist / f"{name}.gz").read_bytes()
    lab_data.compress(str(mnist / name))
    assert (mnist / f"{name}.gz").read_bytes() == first
    assert list(mnist.glob("*.part")) == []


def test_what_the_user_has_stays_and_dead_links_are_replaced(mnist: Path, tmp_path: Path) -> None:
    data = tmp_path / "lab/data"
    data.mkdir(parents=True)
    (data / idx_files.NAMES[0]).write_text("my own")
    (data / idx_files.NAMES[1]).symlink_to(tmp_path / "gone")
    pairs = lab_data.missing(str(tmp_path / "lab"), ["idx"])
    assert [there for there, _name in pairs] == [f"data/{name}" for name in idx_files.NAMES[1:]]
    lab_data.lay(str(tmp_path / "lab"), pairs, str(mnist))
    assert (data / idx_files.NAMES[0]).read_text() == "my own"
    assert (data / idx_files.NAMES[1]).read_bytes() == idx_files.NAMES[1].encode()

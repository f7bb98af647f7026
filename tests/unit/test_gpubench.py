"""The benchmark program's parts that need no torch: files, thread limits, reliability and gates."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FILES = Path(__file__).parents[2] / "roles/gpu_benchmark/files"


@pytest.fixture(autouse=True)
def program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FILES))


def part(name: str) -> Any:
    return importlib.import_module(f"gpubench.{name}")


def idx(shape: tuple[int, ...], values: bytes) -> bytes:
    return bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + values


def test_read_idx_gives_shape_and_values() -> None:
    assert part("data").read_idx(idx((2, 1, 3), b"abcdef")) == ((2, 1, 3), b"abcdef")


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b"", "begins with"),
        (b"\0\0\x0d\1\0\0\0\0", "begins with 00000d01"),
        (b"\0\0\x08\3\0\0", "needs 16 bytes, the file has 6"),
        (idx((2, 2), b"abc"), "announces 4 bytes, 3 follow"),
        (idx((2, 2), b"abcde"), "announces 4 bytes, 5 follow"),
    ],
)
def test_read_idx_refuses_what_is_not_idx(raw: bytes, sentence: str) -> None:
    with pytest.raises(part("data").DataError, match=sentence):
        part("data").read_idx(raw)


def test_read_checked_names_both_hashes(tmp_path: Path) -> None:
    (tmp_path / "labels").write_bytes(idx((1,), b"\7"))
    right = hashlib.sha256(idx((1,), b"\7")).hexdigest()
    assert part("data").read_checked(tmp_path, "labels", right) == ((1,), b"\7")
    with pytest.raises(part("data").DataError, match=f"{right}, expected {'0' * 64}"):
        part("data").read_checked(tmp_path, "labels", "0" * 64)
    with pytest.raises(part("data").DataError, match="cannot be read"):
        part("data").read_checked(tmp_path, "images", right)


@pytest.mark.parametrize(
    ("affinity", "limits", "threads"),
    [
        (8, [], 8),
        (8, ["max 100000"], 8),
        (8, ["400000 100000", "max 100000"], 4),
        (8, ["250000 100000"], 2),
        (8, ["50000 100000"], 1),
        (2, ["400000 100000"], 2),
        (4, [""], 4),
    ],
)
def test_threads_come_from_affinity_and_quota(affinity: int, limits: list[str], threads: int) -> None:
    assert part("machine").usable_threads(affinity, limits) == threads


def test_cgroup_files_of_both_versions(tmp_path: Path) -> None:
    files = part("machine").cgroup_files
    assert files("0::/a/b\n", tmp_path) == [tmp_path / "a/b/cpu.max", tmp_path / "a/cpu.max", tmp_path / "cpu.max"]
    v1 = [tmp_path / "cpu/x/cpu.cfs_quota_us", tmp_path / "cpu/cpu.cfs_quota_us"]
    assert files("4:cpu,cpuacct:/x\n3:memory:/x\n", tmp_path) == v1


def test_limit_text_reads_both_versions(tmp_path: Path) -> None:
    limit_text = part("machine").limit_text
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    assert limit_text(tmp_path / "cpu.max") == "150000 100000"
    (tmp_path / "cpu.cfs_period_us").write_text("100000\n")
    for quota, text in (("-1\n", "max 100000"), ("200000\n", "200000 100000")):
        (tmp_path / "cpu.cfs_quota_us").write_text(quota)
        assert limit_text(tmp_path / "cpu.cfs_quota_us") == text
    assert limit_text(tmp_path / "missing/cpu.max") == "max 100000"


@pytest.mark.parametrize(
    ("effort", "chunks", "doubts"),
    [
        ((10.0, 19.9, None, 2), [1.0, 1.1, 1.05], []),
        ((10.0, 12.0, None, 2), [1.0, 1.1, 1.05], ["12.0 s of CPU in 10.0 s with 2 thread"]),
        # Two threads that wait for each other, and not for a core, are no sign of a neighbour.
        ((10.0, 12.0, 0.5, 2), [1.0, 1.1, 1.05], []),
        ((10.0, 19.0, 1.5, 2), [1.0, 1.1, 1.05], ["waited 1.5 s for a core in 10.0 s"]),
        ((10.0, 9.9, 0.1, 1), [1.0, 1.5, 1.6], ["median chunk took 1.5000 s"]),
        ((10.0, 5.0, 5.0, 1), [1.0, 3.0], ["5.0 s of CPU", "waited 5.0 s", "median chunk"]),
        ((10.0, 10.0, 0.0, 1), [], []),
    ],
)
def test_cpu_doubts(effort: tuple[Any, ...], chunks: list[float], doubts: list[str]) -> None:
    judge = part("judge")
    found = judge.cpu_doubts(judge.Effort(*effort), chunks)
    assert len(found) == len(doubts)
    assert all(expected in sentence for expected, sentence in zip(doubts, found, strict=True))


@pytest.mark.parametrize(
    ("net", "loss", "accuracies", "test", "missed"),
    [
        ("lenet", 0.37, [0.96], 0.95, []),
        ("lenet", 0.37, [0.96] * 10, 0.98, []),
        ("lenet", 0.37, [0.96] * 10, 0.9799, ["test accuracy 0.9799 after 10 epochs"]),
        ("lenet", 0.37, [0.92], 0.92, ["LeNet-5 on cpu: accuracy 0.9200 after the first epoch"]),
        ("lenet", 2.3, [0.1] * 10, 0.1, ["loss 2.3000 in the first epoch", "after the first epoch", "after 10 epochs"]),
        ("mlp", 0.82, [0.90] * 10, 0.97, []),
        ("mlp", 0.77, [0.90], 0.90, ["the MLP on cpu: loss 0.7700 in the first epoch, expected 0.78 to 0.88"]),
        ("mlp", 0.82, [0.90] * 10, 0.96, ["test accuracy 0.9600 after 10 epochs, expected at least 0.965"]),
    ],
)
def test_gates(net: str, loss: float, accuracies: list[float], test: float, missed: list[str]) -> None:
    judge = part("judge")
    found = judge.missed_gates(net, "cpu", [loss] * len(accuracies), accuracies, test)
    assert len(found) == len(missed)
    assert all(expected in sentence for expected, sentence in zip(missed, found, strict=True))
    assert judge.gates(found) == {"passed": not missed, "reasons": found}


def test_a_loss_that_is_no_number_is_said() -> None:
    assert part("judge").not_a_number("lenet", "cuda", 0.3, 1) == []
    (sentence,) = part("judge").not_a_number("lenet", "cuda", float("nan"), 2)
    assert sentence.startswith("LeNet-5 on cuda: the loss is nan after epoch 2, expected a finite number")


def task(folder: Path, number: str, schedstat: str) -> None:
    (folder / number).mkdir(parents=True)
    (folder / number / "schedstat").write_text(schedstat)


def test_waiting_is_summed_over_threads(tmp_path: Path) -> None:
    task(tmp_path, "7", "9000000000 1500000000 3\n")
    task(tmp_path, "8", "1 250000000 3\n")
    assert part("machine").waited_seconds(tmp_path) == 1.75


def test_waiting_is_unknown_where_the_kernel_does_not_tell(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    assert part("machine").waited_seconds(tmp_path) is None


def test_a_result_that_is_there_is_kept_with_once(tmp_path: Path) -> None:
    (tmp_path / "out.json").write_text("{}")
    command = [sys.executable, "-B", "-m", "gpubench", "--once", "--data", str(tmp_path), "--json"]
    done = subprocess.run([*command, str(tmp_path / "out.json")], cwd=FILES, capture_output=True, text=True, check=True)
    assert "already there" in done.stderr
    assert (tmp_path / "out.json").read_text() == "{}"


def test_no_epochs_are_refused(tmp_path: Path) -> None:
    command = [sys.executable, "-B", "-m", "gpubench", "--epochs", "0", "--data", str(tmp_path), "--json", "x"]
    done = subprocess.run(command, cwd=FILES, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--epochs is 0, expected at least 1" in done.stderr


def probe(*arguments: str) -> dict[str, Any]:
    """What host_probe.py says of this machine."""
    command = [sys.executable, str(FILES / "host_probe.py"), *arguments]
    facts: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return facts


def test_host_probe_finds_the_pytorch_of_an_environment_behind_its_link(tmp_path: Path) -> None:
    (tmp_path / "env-1/lib/python3.12/site-packages/torch-2.13.0+cpu.dist-info").mkdir(parents=True)
    (tmp_path / "env").symlink_to("env-1")
    facts = probe(str(tmp_path), str(tmp_path / "env"))
    assert (facts["environment"], facts["environment_torch"]) == (str(tmp_path / "env-1"), "2.13.0+cpu")


def test_host_probe_describes_a_folder_that_is_not_there(tmp_path: Path) -> None:
    facts = probe(str(tmp_path / "a/b"), "")
    assert (facts["environment"], facts["environment_torch"]) == ("", "")
    assert facts["python"] == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert facts["megabytes_free"] > 0
    assert facts["can_make_environments"] is (importlib.util.find_spec("ensurepip") is not None)

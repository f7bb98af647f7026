"""driver_catalogue and its tables: what drives which GPU, what is chosen, and what is refused with which words."""

from __future__ import annotations

import re
from itertools import pairwise
from urllib.parse import urlsplit

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import driver_catalogue as catalogue
from ansible_collections.gpulab.core.plugins.module_utils import driver_installers, driver_tables, gpu_catalogue
from hypothesis import given
from hypothesis import strategies as st

VERSIONS = st.lists(st.integers(0, 9999), min_size=1, max_size=4)
EC2_FAMILIES = sorted({name.split(".")[0] for name in gpu_catalogue.GPU_TYPES} | set(gpu_catalogue.RETIRED))
SUPPORTED = {name for name, row in driver_tables.BRANCHES.items() if row[2] in ("production", "lts")}


def ec2_device(family: str) -> str:
    """The one PCI id that an EC2 family has."""
    (device,) = [device for device, row in driver_tables.GPUS.items() if family in row[2]]
    return device


# Versions


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("570.124.04", "570.124.06"),
        ("367.57", "375.26"),
        ("535.86.10", "535.104.05"),
        ("99.1", "100.1"),
        ("418.87", "418.87.00"),
    ],
)
def test_versions_are_compared_as_numbers_and_every_component_counts(older, newer):
    assert catalogue.compare(older, newer) == -1
    assert catalogue.compare(newer, older) == 1
    assert catalogue.compare(older, older) == 0


@given(VERSIONS, VERSIONS)
def test_comparing_is_the_order_of_the_numbers(a, b):
    texts = [".".join(map(str, version)) for version in (a, b)]
    assert catalogue.compare(*texts) == (a > b) - (a < b) == -catalogue.compare(*reversed(texts))


@pytest.mark.parametrize(
    ("version", "branch"), [("580.95.05", "580"), ("367.57", "367"), ("580", "580"), ("", ""), ("auto", ""), ("5.", "")]
)
def test_the_branch_of_a_version(version, branch):
    assert catalogue.branch_of(version) == branch


# GPUs


@pytest.mark.parametrize("device", ["118a", "10de:118a", "10DE:118A", "0x118A", " 10de:118a "])
def test_a_gpu_is_found_however_its_id_is_written(device):
    found = catalogue.gpu(device)
    assert (found.name, found.architecture, found.last, found.ec2) == ("GRID K520", "Kepler", "470", ("g2",))


@pytest.mark.parametrize(
    ("device", "architecture", "last", "open_module"),
    [
        ("06d2", "Fermi", "390", "no"),
        ("0ff2", "Kepler", "367", "no"),
        ("11bf", "Kepler", "367", "no"),
        ("0fef", "Kepler", "367", "no"),
        ("102d", "Kepler", "470", "no"),
        ("13f2", "Maxwell", "580", "no"),
        ("13bd", "Maxwell", "580", "no"),
        ("15f8", "Pascal", "580", "no"),
        ("1db5", "Volta", "580", "no"),
        ("1eb8", "Turing", "", "yes"),
        ("2187", "Turing", "", "yes"),
        ("20b0", "Ampere", "", "yes"),
        ("2330", "Hopper", "", "yes"),
        ("2684", "Ada", "", "yes"),
        ("2901", "Blackwell", "", "only"),
        ("2c3a", "Blackwell", "", "only"),
        ("3182", "Blackwell", "", "only"),
        ("05e7", "Tesla", "340", "no"),
        ("0040", "pre-CUDA", "304", "no"),
    ],
)
def test_what_is_known_of_a_gpu(device, architecture, last, open_module):
    found = catalogue.gpu(device)
    assert (found.architecture, found.last, found.open_module) == (architecture, last, open_module)


@pytest.mark.parametrize("device", ["22a3", "1af1", "3400", "ffff", "8086:1eb8", "", "T4", "1eb80"])
def test_what_is_no_known_gpu_stays_unknown(device):
    assert catalogue.gpu(device) is None


def test_all_legacy_ids_are_there_once_and_agree_with_the_ranges():
    ids = [device for devices in driver_tables.LEGACY.values() for device in devices.split()]
    assert len(ids) == len(set(ids)) == 879
    exceptions = set(driver_tables.LEGACY["367"].split())
    disagree = [
        device
        for device in ids
        if (found := catalogue.gpu(device)).architecture != "pre-CUDA"
        and found.last != driver_tables.ARCHITECTURES[found.architecture][1]
    ]
    assert set(disagree) == exceptions


def test_id_ranges_do_not_overlap():
    ends = [(first, last) for first, last, _, _ in driver_tables.ID_RANGES]
    assert all(first <= last for first, last in ends)
    assert all(before[1] < after[0] for before, after in pairwise(ends))


@pytest.mark.parametrize(
    ("device", "version", "open_module", "problem"),
    [
        ("118a", "367.57", False, None),
        ("118a", "470.256.02", False, None),
        ("118a", "535.183.01", False, "legacy"),
        ("06d2", "396.26", False, "legacy"),
        ("1eb8", "367.57", False, "too_old"),
        ("2901", "535.183.01", False, "too_old"),
        ("1db5", "570.124.06", True, "open_unsupported"),
        ("118a", "570.124.06", True, "open_unsupported"),
        ("1db5", "595.84", False, "legacy"),
        ("2bb5", "575.51.03", False, "open_required"),
        ("2bb5", "575.51.03", True, None),
        ("2bb5", "575.51.03", None, None),
        ("1eb8", "595.84", True, None),
        ("1eb8", "595.84", False, None),
        ("3400", "595.84", False, None),
        ("118a", "", None, None),
    ],
)
def test_why_a_driver_cannot_drive_a_gpu(device, version, open_module, problem):
    assert catalogue.branch_problem(device, version, open_module) == problem


# Choosing


@pytest.mark.parametrize(
    ("wanted", "devices", "cuda", "version", "flavour"),
    [
        ("auto", ["10de:118a"], "", "470.256.02", "proprietary"),
        ("auto", ["118a"], "8.0", "470.256.02", "proprietary"),
        ("auto", ["0ff2"], "", "367.57", "proprietary"),
        ("auto", ["11bf"], "8.0.44", "367.57", "proprietary"),
        ("auto", ["06d2"], "", "390.157", "proprietary"),
        ("auto", ["102d"], "11.8", "470.256.02", "proprietary"),
        ("auto", ["13f2"], "", "580.173.02", "proprietary"),
        ("auto", ["15f8"], "", "580.173.02", "proprietary"),
        ("auto", ["1db1", "1db1"], "12.4", "580.173.02", "proprietary"),
        ("auto", ["1eb8"], "", "595.84", "open"),
        ("auto", ["1eb8"], "13.2", "595.84", "open"),
        ("auto", ["2330", "22a3", "1002:67df"], "", "595.84", "open"),
        ("auto", ["2901"], "12.8", "595.84", "open"),
        ("auto", ["1db1", "1eb8"], "", "580.173.02", "proprietary"),
        ("auto", ["118a", "1eb8"], "", "470.256.02", "proprietary"),
        ("", ["1eb8"], "", "595.84", "open"),
        ("580", ["1eb8"], "", "580.173.02", "open"),
        ("535", ["1eb8"], "", "535.309.01", "proprietary"),
        ("580.95.05", ["2901"], "", "580.95.05", "open"),
        ("570.124.06", ["1eb8"], "12.8", "570.124.06", "open"),
        ("615.71.09", ["1eb8"], "", "615.71.09", "open"),
    ],
)
def test_what_is_chosen(wanted, devices, cuda, version, flavour):
    choice = catalogue.choose(wanted, devices, cuda)
    assert (choice.version, choice.flavour, choice.refused) == (version, flavour, False)
    assert choice.branch == version.split(".")[0]
    assert choice.flavours[0] == flavour
    assert version in choice.sentence


def test_the_pages_driver_is_allowed_on_its_gpu_and_warned_of():
    choice = catalogue.choose("367.57", ["10de:118a"], "8.0.44")
    assert (choice.version, choice.flavour, choice.refused) == ("367.57", "proprietary", False)
    assert "no security fixes" in choice.sentence
    assert "470.256.02" in choice.sentence


@pytest.mark.parametrize(
    ("wanted", "devices", "cuda", "words"),
    [
        ("367.57", ["1eb8"], "", ("Tesla T4", "first branch is 410", "595.84")),
        ("595", ["102d"], "", ("Tesla K80", "last branch is 470", "470.256.02")),
        ("580", ["118a"], "", ("GRID K520", "last branch is 470", "470.256.02")),
        ("595.84", ["1db1"], "", ("Tesla V100", "last branch is 580", "580.173.02")),
        ("367.57", ["118a"], "8.0.61", ("CUDA 8.0.61", "375.26", "470.256.02")),
        ("470", ["1eb8"], "12.4", ("CUDA 12.4", "525.60.13", "595.84")),
        ("auto", ["118a"], "11.8", ("CUDA 11.8", "GRID K520", "10.2")),
        ("auto", ["1db1"], "13.0", ("CUDA 13.0", "Tesla V100", "CUDA 12")),
        ("auto", ["0ff2"], "10.2", ("CUDA 10.2", "440.33", "branch 367")),
        ("auto", ["1eb8"], "99.0", ("CUDA 99.0", "not in the catalogue")),
        ("auto", ["1eb8"], "new", ("CUDA new", "not in the catalogue")),
        ("auto", ["102d", "2330"], "", ("H100", "Tesla K80", "different hosts")),
        ("auto", ["1db1", "2901"], "", ("B200", "open", "Tesla V100", "proprietary", "different hosts")),
        ("auto", ["0301"], "", ("173", "no installer")),
        ("999", ["1eb8"], "", ("Branch 999", "not in the catalogue")),
        ("newest", ["1eb8"], "", ("'newest' is no driver", "auto")),
        ("auto", [], "", ("No NVIDIA GPU",)),
        ("auto", ["22a3"], "", ("No NVIDIA GPU",)),
    ],
)
def test_what_cannot_work_is_refused_with_the_reason_and_the_right_answer(wanted, devices, cuda, words):
    choice = catalogue.choose(wanted, devices, cuda)
    assert choice.refused
    assert choice.version == choice.branch == choice.flavour == ""
    assert [word for word in words if word not in choice.sentence] == []
    assert choice.sentence.endswith(".")


def test_an_unknown_gpu_gets_the_newest_production_branch_and_is_named():
    choice = catalogue.choose("auto", ["10de:3400"])
    assert choice.version == driver_tables.BRANCHES[catalogue.supported()[0]][1]
    assert "10de:3400 is not in the catalogue" in choice.sentence
    assert catalogue.choose("auto", ["3400", "102d"]).version == "470.256.02"


def test_machines_without_a_driver_are_refused():
    assert "riscv64" in catalogue.choose("auto", ["1eb8"], machine="riscv64").sentence
    assert catalogue.choose("418.226.00", ["3400"], machine="aarch64").refused
    arm = catalogue.choose("auto", ["1eb4"], machine="aarch64")
    assert (arm.version, arm.flavour) == ("595.84", "proprietary")


@pytest.mark.parametrize("family", EC2_FAMILIES)
def test_every_ec2_gpu_gets_a_driver_that_drives_it(family):
    device = ec2_device(family)
    choice = catalogue.choose("auto", ["10de:" + device])
    assert not choice.refused
    assert catalogue.branch_problem(device, choice.version, choice.flavour == "open") is None
    if catalogue.gpu(device).architecture != "Kepler":
        assert choice.branch in SUPPORTED


@pytest.mark.parametrize(
    ("model", "family"),
    sorted({(row[0], name.split(".")[0]) for name, row in gpu_catalogue.GPU_TYPES.items()})
    + [(row[0], family) for family, row in gpu_catalogue.RETIRED.items()],
)
def test_the_ec2_families_have_the_gpus_that_the_price_table_names(model, family):
    assert set(model.upper().split()) <= set(driver_tables.GPUS[ec2_device(family)][0].upper().split())


# Tables


def test_installers_can_be_checked():
    for name, (size, sha256, url) in driver_installers.INSTALLERS.items():
        assert size > 30_000_000, name
        assert re.fullmatch(r"[0-9a-f]{64}", sha256), name
        assert urlsplit(url).scheme == "https", name
        assert url.endswith("/" + name), name


def test_installers_are_all_there_and_the_pages_is_the_known_one():
    assert len(driver_installers.INSTALLERS) == 365
    assert catalogue.installer("367.57") == {
        "file": "NVIDIA-Linux-x86_64-367.57.run",
        "url": "https://us.download.nvidia.com/XFree86/Linux-x86_64/367.57/NVIDIA-Linux-x86_64-367.57.run",
        "size": 77127324,
        "sha256": "a1615db29f1377817b610cca997e0339753ee9d58b28e1618b892691df3a8851",
    }
    assert catalogue.installer("390.157")["file"] == "NVIDIA-Linux-x86_64-390.157-no-compat32.run"
    assert catalogue.installer("1.2") is None


def test_the_file_name_that_has_two_builds_has_two_hashes():
    for name, (sha256, url) in driver_installers.OTHER_BUILDS.items():
        assert sha256 != driver_installers.INSTALLERS[name][1]
        assert url != driver_installers.INSTALLERS[name][2]


def test_the_newest_version_of_a_branch_is_the_newest_installer():
    newest: dict[str, str] = {}
    for name in driver_installers.INSTALLERS:
        version = re.match(r"NVIDIA-Linux-x86_64-([\d.]+\d)", name)[1]
        branch = catalogue.branch_of(version)
        if catalogue.compare(version, newest.get(branch, "0")) > 0:
            newest[branch] = version
    assert {branch: row[1] for branch, row in driver_tables.BRANCHES.items()} == newest


def test_every_branch_runs_the_cuda_that_it_brings():
    # NVIDIA's table gives CUDA 9.1 to 390.46 and newer, its first release ran on 387.26 already: the table is kept.
    for branch in set(driver_tables.BRANCHES) - {"387"}:
        cuda, newest = driver_tables.BRANCHES[branch][:2]
        least = catalogue.cuda_minimum(cuda)
        assert not least or catalogue.compare(newest, least) >= 0, branch

"""The proof report: what goes in, what is masked, what counts as a stand-in, and what its schema refuses."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ansible_collections.gpulab.core.plugins.module_utils.report import build, driver_history, mask

SCHEMA = json.loads((Path(__file__).resolve().parents[2] / "roles/proof_report/files/report.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA, format_checker=jsonschema.FormatChecker())
SYSTEM = {"distribution": "Ubuntu", "version": "24.04", "kernel": "6.17.0-aws"}
PLAN: dict[str, Any] = {
    "account": "123456789012",
    "region": "us-east-1",
    "endpoint": "https://ec2.us-east-1.amazonaws.com",
    "is_aws": True,
    "price": {"usd_per_hour": 0.542, "source": "a table", "date": "2026-07-20", "exact": True, "stopped": 0.01},
    "image": {"id": "ami-0123", "name": "DLAMI", "source": "SSM parameter /aws/x", "root_device": "/dev/sda1"},
    "cidrs": ["203.0.113.9/32"],
    "key": {"file": "id_ed25519", "local": "ssh-ed25519 AAAA"},
}
EMULATED = PLAN | {"is_aws": False, "endpoint": "http://127.0.0.1:4566"}
HOST: dict[str, Any] = {
    "name": "gpulab",
    "id": "i-0123456789abcdef0",
    "type": "g4dn.xlarge",
    "zone": "us-east-1a",
    "launch_time": "2026-11-22T01:00:00Z",
    "address": "203.0.113.20",
    "status_checks": "2/2",
    "metadata_tokens": "required",
    "encrypted": True,
    "tags": {"gpulab:deployment": "class"},
}


def run(seconds: float) -> dict[str, Any]:
    """One training run as gpubench writes it."""
    return {
        "seconds_per_epoch": seconds,
        "images_per_second": 55000 / seconds,
        "epochs": 10,
        "loss": 0.01,
        "losses": [0.3, 0.01],
        "accuracy": 0.99,
        "gflops": 20.0,
        "fraction_of_gemm_rate": 0.2,
        "threads": 2,
        "cpu_seconds": 90.0,
        "reliable": True,
    }


def result(**devices: dict[str, Any]) -> dict[str, Any]:
    """A benchmark document with these devices."""
    found = {"cuda": "cuda" in devices, "name": "Tesla T4" if "cuda" in devices else None}
    gates = {"passed": True, "reasons": []}
    return {"torch": "2.13.0", "lenet": devices, "device_found": found, "gates": gates, "argv": ["--secret"]}


def verified() -> dict[str, Any]:
    """A report of a real GPU in real AWS."""
    return copy.deepcopy(build(PLAN, HOST, SYSTEM, result(cpu=run(8), cuda=run(1)), 1.5))


def test_a_gpu_in_aws_is_verified_and_valid() -> None:
    report = verified()
    VALIDATOR.validate(report)
    assert (report["verdict"], report["stand_ins"]) == ("verified", [])
    assert (report["deployment"], report["host"], report["address"]) == ("class", "gpulab", "203.0.113.20")
    assert report["image"] == {"id": "ami-0123", "name": "DLAMI", "source": "SSM parameter /aws/x"}
    assert report["security"] == {
        "ssh_from": ["203.0.113.9/32"],
        "imdsv2_required": True,
        "volume_encrypted": True,
    }
    assert set(report["benchmark"]) == {"torch", "lenet"}


def test_an_emulated_aws_without_a_gpu_is_rehearsed_and_says_both_stand_ins() -> None:
    report = build(EMULATED, HOST, SYSTEM, result(cpu=run(8)), 1.5)
    VALIDATOR.validate(report)
    assert report["verdict"] == "rehearsed"
    aws, gpu = report["stand_ins"]
    assert aws.startswith("AWS: http://127.0.0.1:4566 answered in its place")
    assert gpu.startswith("The GPU: none took part")


def test_no_benchmark_is_failed_and_still_a_valid_report() -> None:
    report = build(PLAN, HOST, SYSTEM, None, 1.5)
    VALIDATOR.validate(report)
    assert report["verdict"] == "failed"
    assert report["benchmark"] == {}


def test_a_verified_report_never_has_a_stand_in() -> None:
    report = verified() | {"stand_ins": ["AWS: somebody else answered."]}
    (error,) = VALIDATOR.iter_errors(report)
    assert list(error.absolute_path) == ["stand_ins"]
    for verdict in ("rehearsed", "failed"):
        VALIDATOR.validate(report | {"verdict": verdict})


def test_speedup_asked_for_decides() -> None:
    assert build(PLAN, HOST, SYSTEM, result(cpu=run(8), cuda=run(1)), 9)["verdict"] == "failed"


@pytest.mark.parametrize(
    ("facts", "name", "expected"),
    [
        ({"metadata_tokens": "optional"}, "imdsv2_required", False),
        ({"metadata_tokens": "unknown"}, "imdsv2_required", False),
        ({"encrypted": False}, "volume_encrypted", False),
    ],
)
def test_an_open_door_is_told(facts: dict[str, Any], name: str, expected: bool) -> None:
    assert build(PLAN, HOST | facts, SYSTEM, None, 1.5)["security"][name] is expected


def test_the_account_is_masked_everywhere() -> None:
    report = verified()
    assert report["account"] == "********9012"
    assert PLAN["account"] not in json.dumps(report)


@pytest.mark.parametrize(("number", "masked"), [("123456789012", "********9012"), ("9012", "9012"), ("", "")])
def test_mask(number: str, masked: str) -> None:
    assert mask(number) == masked


@pytest.mark.parametrize("missing", SCHEMA["required"])
def test_every_promised_field_is_required(missing: str) -> None:
    report = verified()
    del report[missing]
    assert [e.validator for e in VALIDATOR.iter_errors(report)] == ["required"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["verdict"], "perhaps"),
        (["account"], "123456789012"),
        (["instance_id"], "gpulab"),
        (["launch_time"], "yesterday"),
        (["address"], "localhost"),
        (["status_checks"], "3/2"),
        (["price", "usd_per_hour"], 0),
        (["image", "id"], "0123"),
        (["security", "ssh_from"], []),
        (["security", "imdsv2_required"], "required"),
        (["benchmark", "lenet", "cuda", "accuracy"], 99.0),
        (["benchmark", "lenet", "cpu", "images_per_second"], 0),
        (["benchmark", "lenet", "cpu", "reliable"], "yes"),
    ],
)
def test_schema_refuses(path: list[str], value: Any) -> None:
    report = verified()
    place = report
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    (error,) = VALIDATOR.iter_errors(report)
    assert list(error.absolute_path) == path


@pytest.mark.parametrize("figure", SCHEMA["$defs"]["run"]["required"])
def test_a_run_without_one_of_its_figures_is_refused(figure: str) -> None:
    report = verified()
    del report["benchmark"]["lenet"]["cpu"][figure]
    (error,) = VALIDATOR.iter_errors(report)
    assert error.validator == "required"


# The driver


def driver(done: list[dict[str, Any]], verdict: str = "healthy", version: str | None = "535.309.01") -> dict[str, Any]:
    """What the role nvidia_driver reports."""
    triple = {"loaded": version, "on_disk": version, "userspace": version}
    old = {"loaded": "470.256.02", "on_disk": version, "userspace": version}
    before = {"verdict": "stale_loaded_module", "versions": old} if done else {"verdict": verdict, "versions": triple}
    return {"before": before, "done": done, "after": {"verdict": verdict, "versions": triple}, "proof": []}


REPAIRED = driver([{"verdict": "stale_loaded_module", "steps": ["reload_modules"], "rebooted": False}])


@pytest.mark.parametrize("found", [None, driver([]), REPAIRED, driver([], "no_gpu", None)])
def test_report_carries_the_driver_before_and_after(found: dict[str, Any] | None) -> None:
    report = build(PLAN, HOST, SYSTEM, None, 1.5, found)
    VALIDATOR.validate(report)
    assert report["driver"] == found


def test_a_run_that_had_nothing_to_do_keeps_what_was_repaired_before() -> None:
    assert driver_history(driver([]), {"driver": REPAIRED}) == REPAIRED


@pytest.mark.parametrize("before", [{}, {"driver": None}, {"driver": driver([], "healthy", "580.126.09")}])
def test_another_driver_than_last_time_is_told_as_it_is(before: dict[str, Any]) -> None:
    assert driver_history(driver([]), before) == driver([])


def test_a_repair_of_this_run_replaces_an_older_one() -> None:
    assert driver_history(REPAIRED, {"driver": driver([])}) == REPAIRED
    assert driver_history(None, {"driver": REPAIRED}) is None

"""The proof report: what goes in, what is masked, what counts as a stand-in, and what its schema refuses."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ansible_collections.gpulab.core.plugins.module_utils.report import (
    BENCHMARK,
    build,
    driver_history,
    launch_history,
    mask,
)

from tests.unit import benchmark_documents as fakes

SCHEMA = json.loads((Path(__file__).resolve().parents[2] / "roles/proof_report/files/report.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA, format_checker=jsonschema.FormatChecker())
SYSTEM = {"distribution": "Ubuntu", "version": "24.04", "kernel": "6.17.0-aws"}
PRICE = {"usd_per_hour": 0.542, "source": "a table", "date": "2026-07-20", "exact": True, "stopped": 0.01}
PLAN: dict[str, Any] = {
    "account": "123456789012",
    "region": "us-east-1",
    "endpoint": "https://ec2.us-east-1.amazonaws.com",
    "is_aws": True,
    "prices": [{"instance_type": "g4dn.xlarge", "market": "on-demand", "price": PRICE}],
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
    "market": "on-demand",
    "price": {"usd_per_hour": 0.6, "source": "another table", "date": "2026-07-20", "exact": True, "stopped": 0.01},
    "image_id": "ami-0123",
    "tags": {"gpulab:deployment": "class", "gpulab:image": "DLAMI", "gpulab:image-source": "SSM parameter /aws/x"},
}


def verified() -> dict[str, Any]:
    """A report of a real GPU in real AWS."""
    return copy.deepcopy(build(PLAN, HOST, SYSTEM, fakes.both() | {"argv": ["--secret"]}, {}))


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
    assert set(report["benchmark"]) == set(BENCHMARK) - {"distributed"}
    assert report["sentence"] == (
        "Tesla T4 trains LeNet-5 5.0 times and the MLP 4.0 times as fast as the host's CPU (2 threads), "
        "for $0.542 an hour: worth it."
    )


def test_an_emulated_aws_without_a_gpu_is_rehearsed_and_says_both_stand_ins() -> None:
    report = build(EMULATED, HOST, SYSTEM, fakes.cpu_only(), {})
    VALIDATOR.validate(report)
    assert report["verdict"] == "rehearsed"
    aws, gpu = report["stand_ins"]
    assert aws.startswith("AWS: http://127.0.0.1:4566 answered in its place")
    assert gpu.startswith("The GPU: none took part")


def test_no_benchmark_is_failed_and_still_a_valid_report() -> None:
    report = build(PLAN, HOST, SYSTEM, None, {})
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
    assert build(PLAN, HOST, SYSTEM, fakes.both(), {"lenet": 9})["verdict"] == "failed"


@pytest.mark.parametrize(
    ("facts", "name", "expected"),
    [
        ({"metadata_tokens": "optional"}, "imdsv2_required", False),
        ({"metadata_tokens": "unknown"}, "imdsv2_required", False),
        ({"encrypted": False}, "volume_encrypted", False),
    ],
)
def test_an_open_door_is_told(facts: dict[str, Any], name: str, expected: bool) -> None:
    assert build(PLAN, HOST | facts, SYSTEM, None, {})["security"][name] is expected


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
        (["benchmark", "mlp", "cpu", "style"], "magic"),
        (["benchmark", "lenet", "speedup"], 0),
        (["benchmark", "probes", "cpu", "copy_gbytes_per_second"], 0),
        (["benchmark", "gates", "passed"], "yes"),
        (["version"], 1),
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


def test_what_was_found_and_what_changed_is_in_the_report() -> None:
    found = {"code": "throttled", "severity": "warning", "sentence": "Tesla T4 is throttled."}
    change = {"net": "lenet", "device": "cpu", "ratio": 1.3, "beyond_noise": True, "sentence": "It takes longer."}
    shared = {"world": 2, "backend": "gloo", "nodes": 2, "lenet": {"losses": [0.4]}}
    parts = {
        "health": {"findings": [found]},
        "history": {"previous": None, "changes": [change]},
        "distributed": shared,
        "gpus": [fakes.GPU],
    }
    report = build(PLAN, HOST, SYSTEM, fakes.both() | parts, {})
    VALIDATOR.validate(report)
    assert {name: report["benchmark"][name] for name in parts} == parts
    assert report["reasons"][-2:] == ["Tesla T4 is throttled.", "It takes longer."]


def test_what_gpubench_really_wrote_is_a_valid_report() -> None:
    """One epoch on two cores that other work kept busy, recorded on 2026-11-22: unreliable figures, which say so."""
    recorded = json.loads((Path(__file__).parent / "benchmark_recorded.json").read_text())
    report = build(EMULATED, HOST, SYSTEM, recorded, {})
    VALIDATOR.validate(report)
    assert report["verdict"] == "rehearsed"
    assert report["benchmark"]["lenet"] == recorded["lenet"]
    assert report["sentence"].endswith("; the machine was busy, so take no figure from it.")


def test_a_loss_that_is_not_a_number_is_null_and_failed() -> None:
    lost = fakes.document(lenet={"cpu": fakes.run("lenet", 2.0, loss=float("nan"), losses=[float("nan")])})
    report = build(PLAN, HOST, SYSTEM, lost, {})
    VALIDATOR.validate(report)
    assert report["verdict"] == "failed"
    assert report["benchmark"]["lenet"]["cpu"]["losses"] == [None]


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
    report = build(PLAN, HOST, SYSTEM, None, {}, found)
    VALIDATOR.validate(report)
    assert report["driver"] == found


REFUSED = [{"instance_type": "g4dn.xlarge", "zone": "", "code": "InsufficientInstanceCapacity"}]


def test_report_names_the_launches_that_aws_refused() -> None:
    report = build(dict(PLAN, attempts=REFUSED), HOST, SYSTEM, None, {})
    VALIDATOR.validate(report)
    assert report["launch_refused"] == REFUSED


@pytest.mark.parametrize(
    ("launched", "refused", "before", "expected"),
    [
        (["i-1"], REFUSED, {}, REFUSED),
        # Another host of the same run was launched, this one was there before.
        (["i-2"], REFUSED, {}, []),
        ([], [], {"instance_id": "i-1", "launch_refused": REFUSED}, REFUSED),
        ([], [], {"instance_id": "i-2", "launch_refused": REFUSED}, []),
        (["i-1"], [], {"instance_id": "i-1", "launch_refused": REFUSED}, []),
        ([], [], {}, []),
    ],
)
def test_what_was_refused_belongs_to_the_instance(
    launched: list[str], refused: list[Any], before: dict[str, Any], expected: list[Any]
) -> None:
    plan = {"launched": [{"id": one} for one in launched], "attempts": refused}
    assert launch_history(plan, "i-1", before) == expected


@pytest.mark.parametrize("other", [{"type": "g5.xlarge"}, {"market": "spot"}])
def test_a_host_of_another_kind_than_planned_has_its_own_price(other: dict[str, str]) -> None:
    assert build(PLAN, HOST | other, SYSTEM, None, {})["price"] == HOST["price"]
    assert verified()["price"] == PRICE


def test_a_run_that_had_nothing_to_do_keeps_what_was_repaired_before() -> None:
    assert driver_history(driver([]), {"driver": REPAIRED}) == REPAIRED


@pytest.mark.parametrize("before", [{}, {"driver": None}, {"driver": driver([], "healthy", "580.126.09")}])
def test_another_driver_than_last_time_is_told_as_it_is(before: dict[str, Any]) -> None:
    assert driver_history(driver([]), before) == driver([])


def test_a_repair_of_this_run_replaces_an_older_one() -> None:
    assert driver_history(REPAIRED, {"driver": driver([])}) == REPAIRED
    assert driver_history(None, {"driver": REPAIRED}) is None

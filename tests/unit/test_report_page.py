"""The proof report's page, and what report and page tell of the environment, the notebook and the labs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
import jsonschema
import pytest
from ansible_collections.gpulab.core.plugins.module_utils.report import build

from tests.unit.test_report import HOST, PLAN, REPAIRED, SYSTEM, VALIDATOR, driver, result, run


def page(found: dict[str, Any] | None, workplace: dict[str, Any] | None = None) -> str:
    """The page of a report with this driver, workplace and one training run, as the role's template makes it."""
    folder = Path(__file__).resolve().parents[2] / "roles/proof_report/templates"
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(folder), undefined=jinja2.StrictUndefined)
    environment.filters["flatten"] = lambda lists: [item for inner in lists for item in inner]
    report = build(PLAN, HOST, SYSTEM, result(cpu=run(4.0)), 1.5, found, workplace)
    return environment.get_template("report.html.j2").render(__proof_report=report)


def test_page_of_a_run_without_the_driver_role_says_nothing_of_it() -> None:
    assert "NVIDIA driver<" not in page(None)


def test_page_tells_a_repair_with_the_versions_before_and_after() -> None:
    told = page(REPAIRED)
    assert "stale_loaded_module, repaired (reload modules), now healthy" in told
    assert "before: 470.256.02 loaded, 535.309.01 on disk" in told
    assert "now: 535.309.01 loaded" in told


def test_page_of_a_host_without_a_gpu_tells_no_versions() -> None:
    told = page(driver([], "no_gpu", None))
    assert "no_gpu" in told
    assert "loaded" not in told


# The environment, the notebook and the labs

WORKPLACE: dict[str, Any] = {
    "environment": {
        "name": "carnd-term1",
        "prefix": "/opt/gpulab/conda/envs/carnd-term1",
        "profile": "modern",
        "build": "cpu",
        "python": "3.12.12",
        "tool": "micromamba 2.8.1",
        "imports": {"torch": "2.13.0+cpu", "cv2": "4.12.0"},
        "packages": {"conda": 20, "pip": 150},
        "extras": ["black"],
        "fixed": ["tqdm was missing"],
        "warnings": ["Driver 367.57 is older than CUDA 8.0.61 needs."],
    },
    "notebook": {"access": "tunnel", "url": "http://127.0.0.1:8888/lab", "port": 8888, "version": "2.17.0"},
    "labs": [
        {
            "name": "lenet",
            "notebook": "LeNet-Lab.ipynb",
            "passed": True,
            "seconds": 41.5,
            "cells": 12,
            "values": {"test_accuracy": 0.9889},
            "error": None,
        }
    ],
}


def test_report_carries_the_workplace_but_not_what_only_this_run_did() -> None:
    report = build(PLAN, HOST, SYSTEM, None, 1.5, None, WORKPLACE)
    VALIDATOR.validate(report)
    assert report["environment"]["imports"]["cv2"] == "4.12.0"
    assert "fixed" not in report["environment"]
    assert report["notebook"] == WORKPLACE["notebook"]
    assert [lab["values"] for lab in report["labs"]] == [{"test_accuracy": 0.9889}]


def test_report_of_a_run_without_those_roles_is_valid() -> None:
    report = build(PLAN, HOST, SYSTEM, None, 1.5, None, {"environment": {}, "notebook": {}, "labs": []})
    VALIDATOR.validate(report)
    assert (report["environment"], report["notebook"], report["labs"]) == (None, None, [])


def test_a_url_with_a_token_does_not_fit_the_schema() -> None:
    leaky = WORKPLACE | {
        "notebook": WORKPLACE["notebook"] | {"url": "http://127.0.0.1:8888/lab?token=0123456789abcdef"}
    }
    with pytest.raises(jsonschema.ValidationError, match="token"):
        VALIDATOR.validate(build(PLAN, HOST, SYSTEM, None, 1.5, None, leaky))


def test_page_tells_the_workplace() -> None:
    told = page(None, WORKPLACE)
    for words in ("carnd-term1 (cpu build), Python 3.12.12", "through an ssh tunnel only", "test accuracy 0.9889"):
        assert words in told
    assert "<h2>The labs" not in page(None)

"""The proof report's page, and what report and page tell of the environment, the notebook and the labs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
import jsonschema
import pytest
from ansible_collections.gpulab.core.plugins.module_utils.benchmark_picture import picture
from ansible_collections.gpulab.core.plugins.module_utils.benchmark_rules import trained
from ansible_collections.gpulab.core.plugins.module_utils.report import build

from tests.unit import benchmark_documents as fakes
from tests.unit.test_report import HOST, PLAN, REPAIRED, SYSTEM, VALIDATOR, driver


def page(
    found: dict[str, Any] | None, workplace: dict[str, Any] | None = None, result: dict[str, Any] | None = None
) -> str:
    """The page of a report with this driver, workplace and benchmark (a CPU's), as the role's template makes it."""
    result = fakes.cpu_only() if result is None else result
    folder = Path(__file__).resolve().parents[2] / "roles/proof_report/templates"
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(folder), undefined=jinja2.StrictUndefined)
    environment.filters["flatten"] = lambda lists: [item for inner in lists for item in inner]
    report = build(PLAN, HOST, SYSTEM, result, {}, found, workplace)
    drawn = picture(result) if trained(result) else ""
    return environment.get_template("report.html.j2").render(__proof_report=report, __proof_report_picture=drawn)


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
    report = build(PLAN, HOST, SYSTEM, None, {}, None, WORKPLACE)
    VALIDATOR.validate(report)
    assert report["environment"]["imports"]["cv2"] == "4.12.0"
    assert "fixed" not in report["environment"]
    assert report["notebook"] == WORKPLACE["notebook"]
    assert [lab["values"] for lab in report["labs"]] == [{"test_accuracy": 0.9889}]


def test_report_of_a_run_without_those_roles_is_valid() -> None:
    report = build(PLAN, HOST, SYSTEM, None, {}, None, {"environment": {}, "notebook": {}, "labs": []})
    VALIDATOR.validate(report)
    assert (report["environment"], report["notebook"], report["labs"]) == (None, None, [])


def test_a_url_with_a_token_does_not_fit_the_schema() -> None:
    leaky = WORKPLACE | {
        "notebook": WORKPLACE["notebook"] | {"url": "http://127.0.0.1:8888/lab?token=0123456789abcdef"}
    }
    with pytest.raises(jsonschema.ValidationError, match="token"):
        VALIDATOR.validate(build(PLAN, HOST, SYSTEM, None, {}, None, leaky))


def test_page_tells_the_workplace() -> None:
    told = page(None, WORKPLACE)
    for words in ("carnd-term1 (cpu build), Python 3.12.12", "through an ssh tunnel only", "test accuracy 0.9889"):
        assert words in told
    assert "<h2>The labs" not in page(None)


# The benchmark


def test_page_tells_the_benchmark_with_its_picture() -> None:
    naive = fakes.on_gpu("lenet", 3.1, style="naive")
    document = fakes.both()
    document["lenet"]["naive"] = {"cuda": naive, "cpu": fakes.run("lenet", 7.9, [fakes.BUSY], style="naive")}
    document["health"]["findings"] = [{"code": "throttled", "severity": "warning", "sentence": "It is <hot>."}]
    document["gpus"] = [fakes.GPU]
    document["history"]["changes"] = [{"sentence": "It takes longer.", "beyond_noise": True}]
    document["distributed"] = {"world": 2, "backend": "gloo", "nodes": 2, "lenet": fakes.run("lenet", 3.0)}
    told = page(None, result=document)
    assert picture(document) in told
    assert "<td>LeNet-5, CPU (2 threads)</td><td>direct</td><td>5</td><td>11,000</td><td>1.8</td>" in told
    assert "<td>LeNet-5, Tesla T4</td><td>graph</td><td>1</td><td>55,000</td><td></td>" in told
    assert "<td>LeNet-5, Tesla T4</td><td>naive</td>" in told
    assert f'<td title="{fakes.BUSY}">no</td>' in told
    assert told.index("LeNet-5, Tesla T4") < told.index("MLP, CPU (2 threads)")
    assert "<td>Fake CPU of a test</td><td>250</td><td></td><td>2,000</td><td>12.0</td>" in told
    assert "warning: It is &lt;hot&gt;." in told
    assert "clock 585 of 1590 MHz, power 70.2 of 70.0 W, temperature 88 °C, PCIe generation 3 of 3" in told
    assert ", slowed by software thermal slowdown</li>" in told
    assert "It takes longer." in told
    assert "LeNet-5 on 2 workers of 2 hosts (gloo): 18,333 images/s, 3 s an epoch" in told


def test_page_says_the_sentence_once_and_the_other_reasons_below() -> None:
    document = fakes.both()
    told = page(None, result=document)
    assert told.count("for $0.542 an hour: worth it.") == 1
    assert "<li>Tesla T4 trains LeNet-5 5.0 times as fast as the CPU.</li>" in told
    document["gates"] = {"passed": False, "reasons": ["LeNet-5 on cpu: too low."]}
    assert page(None, result=document).count("LeNet-5 on cpu: too low.") == 1


def test_page_without_a_benchmark_has_no_picture() -> None:
    assert "<svg" not in page(None, result={})

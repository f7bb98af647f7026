"""What a benchmark was asked to do: the forms that are taken, and the sentences for what cannot be meant."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible_collections.gpulab.core.plugins.module_utils.benchmark_settings import settings

from rehearsal.settings import ROOT

DEFAULTS = yaml.safe_load((ROOT / "roles/gpu_benchmark/defaults/main.yml").read_text())
NAMES = ("nets", "devices", "epochs", "seeds", "style", "gpus", "rendezvous_port", "again")


def read(**given: Any) -> dict[str, Any]:
    """The settings for the role's own defaults, with these changes."""
    return settings({name: DEFAULTS[f"gpu_benchmark_{name}"] for name in NAMES} | given)


def test_the_roles_defaults() -> None:
    wanted = {"nets": ["lenet", "mlp"], "devices": "auto", "epochs": 10, "seeds": [0], "style": "auto", "gpus": "1"}
    assert read() == wanted | {"port": 29500, "again": False, "problems": []}


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"nets": "mlp"}, {"nets": ["mlp"]}),
        ({"nets": " lenet, mlp,lenet "}, {"nets": ["lenet", "mlp"]}),
        ({"devices": "cuda, cpu"}, {"devices": "cpu,cuda"}),
        ({"devices": ["auto"]}, {"devices": "auto"}),
        ({"devices": ["cuda"]}, {"devices": "cuda"}),
        ({"epochs": "3"}, {"epochs": 3}),
        ({"seeds": "0,1,2"}, {"seeds": [0, 1, 2]}),
        ({"seeds": 7}, {"seeds": [7]}),
        ({"style": "auto,naive"}, {"style": "auto,naive"}),
        ({"style": "naive"}, {"style": "naive"}),
        ({"gpus": "all"}, {"gpus": "all"}),
        ({"rendezvous_port": "30000"}, {"port": 30000}),
        ({"again": "true"}, {"again": True}),
        ({"again": "False"}, {"again": False}),
        ({"again": True}, {"again": True}),
    ],
)
def test_lists_text_and_numbers_mean_the_same(given: dict[str, Any], wanted: dict[str, Any]) -> None:
    found = read(**given)
    assert found["problems"] == []
    assert {name: found[name] for name in wanted} == wanted


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            {"nets": "lenet,vgg"},
            "gpu_benchmark_nets is 'lenet,vgg', expected lenet or mlp: both are measured with lenet,mlp.",
        ),
        ({"nets": []}, "gpu_benchmark_nets is '', expected lenet or mlp"),
        ({"devices": "tpu"}, "gpu_benchmark_devices is 'tpu', expected cpu or cuda"),
        ({"devices": "auto,cpu"}, "gpu_benchmark_devices is 'auto,cpu'"),
        ({"epochs": 0}, "gpu_benchmark_epochs is '0', expected a whole number from 1 to 100000: set it to 10"),
        ({"epochs": "ten"}, "gpu_benchmark_epochs is 'ten'"),
        ({"epochs": 1.5}, "gpu_benchmark_epochs is '1.5'"),
        ({"epochs": "²"}, "gpu_benchmark_epochs is '²'"),
        ({"seeds": "0,-1"}, "gpu_benchmark_seeds is '0,-1', expected whole numbers"),
        ({"seeds": ""}, "gpu_benchmark_seeds is ''"),
        (
            {"style": "eager,direct"},
            "gpu_benchmark_style is 'eager,direct', expected auto or native or direct or eager",
        ),
        ({"style": "naive,auto"}, "and ,naive after it to show the difference: leave it out for auto."),
        ({"style": "auto,eager,naive"}, "gpu_benchmark_style is 'auto,eager,naive'"),
        ({"gpus": 2}, "gpu_benchmark_gpus is '2', expected 1 or all"),
        ({"rendezvous_port": 80}, "gpu_benchmark_rendezvous_port is '80', expected a whole number from 1024 to 65535"),
        ({"again": "maybe"}, "gpu_benchmark_again is 'maybe', expected true or false"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(given: dict[str, Any], sentence: str) -> None:
    (problem,) = read(**given)["problems"]
    assert sentence in problem
    assert problem.endswith(".")


def test_all_problems_are_told_together() -> None:
    assert len(read(nets="", devices="", seeds="x", epochs="", gpus="", style="", again="")["problems"]) == 7

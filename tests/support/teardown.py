"""The two modules of a teardown, in this process: what the playbook does with them, in a second."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpulab.core.plugins.modules import deployment_removal, deployment_resources_info

from rehearsal import settings
from tests.support.aws import Cloud
from tests.support.fake_host import run_module


def listing(cloud: Cloud, deployment: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What deployment_resources_info answers."""
    return run_module(deployment_resources_info, capsys, {**_access(cloud), "deployment": deployment})


def removal(
    cloud: Cloud, found: dict[str, Any], capsys: pytest.CaptureFixture[str], retries: int = 5
) -> dict[str, Any]:
    """What deployment_removal answers to a listing."""
    asked = {name: found[name] for name in ("deployment", "resources", "regions")}
    return run_module(deployment_removal, capsys, {**_access(cloud), **asked, "delay": 0, "retries": retries})


def _access(cloud: Cloud) -> dict[str, str]:
    return {
        "endpoint_url": cloud.url,
        "region": settings.REGION,
        "access_key": "test-access-key-id",
        "secret_key": "test-secret-access-key-of-nobody",
    }

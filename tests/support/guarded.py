"""The module cost_guard without Ansible around it: the same code and the same calls, in a fraction of a second."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.retries import RetryingBotoClientWrapper
from ansible_collections.gpulab.core.plugins.modules import cost_guard, cost_guard_info

REGION = "us-east-1"


class Module:
    """What the modules use of AnsibleAWSModule; `client` makes a boto3 client of (service, region)."""

    def __init__(
        self, client: Callable[[str, str], Any], arguments: dict[str, Any], params: dict[str, Any], check_mode: bool
    ) -> None:
        self._client = client
        self.params = {name: one.get("default") for name, one in arguments.items()} | params
        self.check_mode, self.region = check_mode, REGION

    def client(self, service: str, retry_decorator: Any, region: str = REGION) -> Any:
        """A client, wrapped as amazon.aws wraps it."""
        return RetryingBotoClientWrapper(self._client(service, region), retry_decorator)


def guard(client: Callable[[str, str], Any], check_mode: bool = False, **params: Any) -> dict[str, Any]:
    """Run cost_guard and return its answer; raises Stop where the module would fail."""
    module = Module(client, cost_guard.ARGUMENTS, {"deployment": "lab", "budget_usd": 1.0, **params}, check_mode)
    made = cost_guard.Guard(module)
    return {**made.run(), "changed": made.changed}


def guard_info(client: Callable[[str, str], Any], **params: Any) -> dict[str, Any]:
    """Run cost_guard_info and return its answer."""
    arguments = cost_guard_info.guard_look.ARGUMENTS
    return cost_guard_info.look(Module(client, arguments, {"deployment": "lab", "budget_usd": 1.0, **params}, False))

"""Where moto differs from AWS in how an instance lives and what goes with it, it is made to agree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rehearsal import spot_requests
from rehearsal.emulation import Emulation
from rehearsal.patching import amend


def install(emulation: Emulation) -> None:
    """Amend moto's instances, and the removal of what belongs to them, for this cloud."""
    _follow_hosts(emulation)
    _check_states(emulation)
    _set_shutdown_behaviour()
    _forget_tags()


def _follow_hosts(emulation: Emulation) -> None:
    """Status checks and console output come from the hosts; in moto every instance is healthy at once."""
    from moto.core.types import Base64EncodedString
    from moto.ec2.models.instances import Instance
    from moto.ec2.responses.general import General

    def status(_: Any) -> property:
        def read(instance: Any) -> dict[str, Any]:
            if instance.state != "running":
                return {"Status": "not-applicable"}
            up = emulation.state(instance.id).up
            details = {"Name": "reachability", "Status": "passed" if up else "initializing"}
            return {"Status": "ok" if up else "initializing", "Details": [details]}

        return property(read)

    def console(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def answer(response: Any) -> Any:
            result = original(response)
            text = emulation.state(result.result["InstanceId"]).console
            # AWS keeps the last 64 KiB.
            result.result["Output"] = Base64EncodedString.from_raw_string(text[-65536:])
            return result

        return answer

    amend(Instance, "instance_status", status)
    amend(Instance, "system_status", status)
    amend(General, "get_console_output", console)


def _set_shutdown_behaviour() -> None:
    """ModifyInstanceAttribute can change the shutdown behaviour; moto empties the security groups instead."""
    from moto.core.responses import EmptyResult
    from moto.ec2.responses.instances import InstanceResponse

    def modifier(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def modify(response: Any) -> Any:
            wanted = response.params.get("InstanceInitiatedShutdownBehavior", {}).get("Value")
            if wanted is None:
                return original(response)
            response.error_on_dryrun()
            instance = response.ec2_backend.get_instance(response.params["InstanceId"])
            instance.instance_initiated_shutdown_behavior = wanted
            return EmptyResult()

        return modify

    amend(InstanceResponse, "modify_instance_attribute", modifier)


def _check_states(emulation: Emulation) -> None:
    """A terminated instance cannot be started, stopped or rebooted, and starting a running one changes nothing.

    moto would bring the dead back to life and give a running host another address. A start also renews LaunchTime.
    """
    from moto.core.utils import utcnow
    from moto.ec2.exceptions import EC2ClientError
    from moto.ec2.models.instances import Instance, InstanceState

    def guarded(verb: str, idle: str, after: Callable[[Any], None]) -> Callable[[Any], Any]:
        def make(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
            def act(instance: Any) -> Any:
                if instance.state == idle:
                    return InstanceState(instance.state, instance.state_code)
                if verb == "stopped":
                    spot_requests.check_stop(instance)
                if instance.state == "terminated" or (verb == "rebooted" and instance.state != "running"):
                    text = f"The instance '{instance.id}' is not in a state from which it can be {verb}."
                    raise EC2ClientError("IncorrectInstanceState", text)
                result = original(instance)
                after(instance)
                return result

            return act

        return make

    def started(instance: Any) -> None:
        instance.launch_time = utcnow()
        emulation.booting(instance.id)

    def rebooted(instance: Any) -> None:
        emulation.state(instance.id).reboots += 1

    def terminate(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def act(instance: Any) -> Any:
            if instance.state == "terminated":
                return InstanceState("terminated", 48)
            emulation.halted(instance.id)
            result = original(instance)
            spot_requests.instance_went(instance)
            return result

        return act

    amend(Instance, "start", guarded("started", "running", started))
    amend(Instance, "stop", guarded("stopped", "stopped", lambda instance: emulation.halted(instance.id)))
    amend(Instance, "reboot", guarded("rebooted", "", rebooted))
    amend(Instance, "terminate", terminate)


def _forget_tags() -> None:
    """Tags go with their resource, and a security group in use cannot be deleted; moto keeps the one, allows the other.

    Terminated instances are no exception made here: AWS and moto both list them, tags and all, for a while.
    """
    from moto.ec2.exceptions import EC2ClientError
    from moto.ec2.models import EC2Backend

    def by_id(original: Callable[..., Any]) -> Callable[..., Any]:
        def delete(backend: Any, *args: Any, **kwargs: Any) -> Any:
            result = original(backend, *args, **kwargs)
            for gone in (*args, *kwargs.values()):
                backend.tags.pop(gone, None)
            return result

        return delete

    def key_pair(original: Callable[..., Any]) -> Callable[..., Any]:
        def delete(backend: Any, name: str) -> Any:
            pair = original(backend, name)
            if pair:
                backend.tags.pop(pair.id, None)
            return pair

        return delete

    def group(original: Callable[..., Any]) -> Callable[..., Any]:
        forgetting = by_id(original)

        def delete(backend: Any, name: str | None = None, group_id: str | None = None) -> Any:
            for nic in backend.enis.values():
                if any(group_id == one.id or (name and name == one.name) for one in nic.group_set):
                    raise EC2ClientError("DependencyViolation", f"resource {group_id or name} has a dependent object")
            return forgetting(backend, name, group_id)

        return delete

    for name in ("delete_volume", "delete_network_interface", "release_address"):
        amend(EC2Backend, name, by_id)
    amend(EC2Backend, "delete_key_pair", key_pair)
    amend(EC2Backend, "delete_security_group", group)

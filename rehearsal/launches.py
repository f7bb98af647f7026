"""RunInstances as AWS judges it, where moto takes anything: types, images, keys, disks, and the client token."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rehearsal import catalogue, quota_calls, spot_requests
from rehearsal.emulation import Emulation
from rehearsal.faults import ROOM_HEADER
from rehearsal.quotas import Quotas


@dataclass(frozen=True)
class Launch:
    """What a client token stands for: a digest of the request's parameters, and the reservation it made."""

    digest: str
    reservation_id: str


class Launches:
    """RunInstances in front of moto's; used under the emulation's lock."""

    def __init__(self, emulation: Emulation, quotas: Quotas) -> None:
        self._emulation = emulation
        self._quotas = quotas
        self._tokens: dict[tuple[str, str, str, str], Launch] = {}

    def run(self, response: Any, original: Callable[[Any], Any]) -> Any:
        """Answer one RunInstances. `response` is moto's request object, `original` its own method."""
        from moto.core.responses import ActionResult

        params, backend = response.params, response.ec2_backend
        token, digest = params.get("ClientToken"), _digest(params)
        key = (response.current_account, response.region, _zone(params, backend) or "", token or "")
        launch = self._tokens.get(key) if token and not params.get("DryRun") else None
        # After moto's reset the table may still name a reservation that is gone.
        if launch and (reservation := backend.reservations.get(launch.reservation_id)):
            _check_repeat(launch, digest, reservation)
            # moto says "pending" of whatever RunInstances returns; a repeat tells the state of now.
            response.RESPONSE_KEY_PATH_TO_TRANSFORMER = {
                path: change
                for path, change in response.RESPONSE_KEY_PATH_TO_TRANSFORMER.items()
                if not path.startswith("RunInstances.")
            }
            return ActionResult(reservation)
        specs = {int(nic.get("DeviceIndex", 0)): dict(nic) for nic in params.get("NetworkInterfaces", [])}
        check(params, backend)
        if room := response.headers.get(ROOM_HEADER):
            params["MaxCount"] = max(int(params.get("MinCount", 1)), min(int(params.get("MaxCount", 1)), int(room)))
        if not params.get("DryRun"):
            quota_calls.admit(self._quotas, params, backend)
        _fill(params, backend)
        answer = original(response)
        for instance in answer.result.instances:
            self._finish(instance, params, specs)

        def relaunch() -> Any:
            params["MinCount"] = params["MaxCount"] = 1
            (again,) = original(response).result.instances
            self._finish(again, params, specs)
            return again

        spot_requests.add(response, answer.result.instances, relaunch)
        if token:
            self._tokens[key] = Launch(digest, answer.result.id)
        return answer

    def _finish(self, instance: Any, params: dict[str, Any], specs: dict[int, dict[str, Any]]) -> None:
        self._emulation.launched(instance)
        for index, nic in instance.nics.items():
            spec = specs.get(index, {})
            # AWS deletes the interfaces that a launch made when the instance goes; moto would leave them behind.
            if "NetworkInterfaceId" not in spec:
                nic.delete_on_termination = spec.get("DeleteOnTermination", True)
        # An instance has the groups of its first interface, the default one if none was named; moto says it has none.
        if not instance.security_groups and 0 in instance.nics:
            instance.security_groups = list(instance.nics[0].group_set)
        for mapping in params.get("BlockDeviceMappings", []):
            block, ebs = instance.block_device_mapping.get(mapping["DeviceName"]), mapping.get("Ebs", {})
            if block and ebs.get("VolumeType") == "gp3":
                volume = instance.ec2_backend.volumes[block.volume_id]
                volume.iops, volume.throughput = ebs.get("Iops", 3000), ebs.get("Throughput", 125)


def check(params: dict[str, Any], backend: Any) -> None:
    """Refuse what AWS refuses, in its words. Raises moto's EC2ClientError."""
    template = "LaunchTemplate" in params
    image = _check_image(params.get("ImageId"), backend, template)
    if (name := params.get("KeyName")) and name not in backend.key_pairs:
        raise _refusal("InvalidKeyPair.NotFound", f"The key pair '{name}' does not exist")
    if kind := params.get("InstanceType"):
        _check_type(kind, backend, _zone(params, backend), image)
    for mapping in params.get("BlockDeviceMappings", []):
        size = mapping.get("Ebs", {}).get("VolumeSize")
        least = getattr(image, "gpulab_root_gib", 0)
        if size and image and mapping.get("DeviceName") == image.root_device_name and size < least:
            snapshot = image.ebs_snapshot.id
            text = f"Volume of size {size}GB is smaller than snapshot '{snapshot}', expect size>= {least}GB"
            raise _refusal("InvalidBlockDeviceMapping", text)


def _check_image(image_id: str | None, backend: Any, template: bool) -> Any:
    if not image_id:
        if template:
            return None
        raise _refusal("MissingParameter", "The request must contain the parameter ImageId")
    if not image_id.startswith("ami-"):
        raise _refusal("InvalidAMIID.Malformed", f'Invalid id: "{image_id}" (expecting "ami-...")')
    if image_id not in backend.amis:
        raise _refusal("InvalidAMIID.NotFound", f"The image id '[{image_id}]' does not exist")
    return backend.amis[image_id]


def _check_type(kind: str, backend: Any, zone: str | None, image: Any) -> None:
    from moto.ec2.models.instance_types import INSTANCE_TYPES

    zones = offering_zones(backend, kind)
    if kind not in INSTANCE_TYPES and kind not in catalogue.RETIRED:
        raise _refusal("InvalidParameterValue", f"Invalid value '{kind}' for InstanceType.")
    if not zones:
        raise _refusal("Unsupported", catalogue.UNSUPPORTED)
    if zone and zone not in zones:
        text = (
            f"Your requested instance type ({kind}) is not supported in your requested Availability Zone ({zone}). "
            f"Please retry your request by not specifying an Availability Zone or choosing {', '.join(zones)}."
        )
        raise _refusal("Unsupported", text)
    architectures = INSTANCE_TYPES[kind]["ProcessorInfo"]["SupportedArchitectures"]
    if image and image.architecture not in architectures:
        text = (
            f"The architecture '{architectures[0]}' of the specified instance type does not match the architecture "
            f"'{image.architecture}' of the specified AMI. Specify an instance type and an AMI that have matching "
            "architectures, and try again."
        )
        raise _refusal("InvalidParameterValue", text)


def offering_zones(backend: Any, kind: str) -> list[str]:
    """The zones of the backend's region that offer an instance type, sorted."""
    offers = backend.describe_instance_type_offerings("availability-zone", {"instance-type": [kind]})
    return sorted(offer["Location"] for offer in offers)


def _fill(params: dict[str, Any], backend: Any) -> None:
    """Put in what AWS takes when a request is silent: the count, a zone that has the type, the image's root disk."""
    # AWS launches MaxCount if it can; moto launches MinCount.
    params["MinCount"] = params.get("MaxCount", params.get("MinCount", 1))
    placement = params.setdefault("Placement", {})
    if not _zone(params, backend) and not params.get("NetworkInterfaces"):
        zones = offering_zones(backend, params.get("InstanceType", ""))
        if zones:
            placement["AvailabilityZone"] = zones[0]
    image = backend.amis.get(params.get("ImageId", ""))
    if image is None or "LaunchTemplate" in params:
        return
    mappings = params.setdefault("BlockDeviceMappings", [])
    if not any(one.get("DeviceName") == image.root_device_name for one in mappings):
        mappings.insert(0, {"DeviceName": image.root_device_name, "Ebs": {"VolumeType": "gp3"}})
    for mapping in mappings:
        ebs = mapping.get("Ebs")
        if ebs is None:
            continue
        ebs.setdefault("DeleteOnTermination", True)
        if mapping["DeviceName"] == image.root_device_name:
            ebs.setdefault("VolumeSize", getattr(image, "gpulab_root_gib", 8))


def _zone(params: dict[str, Any], backend: Any) -> str | None:
    """The zone that a request names, itself or by its subnet; None where it leaves the choice to AWS."""
    subnets = [params.get("SubnetId"), *(nic.get("SubnetId") for nic in params.get("NetworkInterfaces", []))]
    for subnet in filter(None, subnets):
        return str(backend.get_subnet(subnet).availability_zone)
    zone = params.get("Placement", {}).get("AvailabilityZone")
    return str(zone) if zone else None


def _digest(params: dict[str, Any]) -> str:
    """A fingerprint of everything but the token: the zone is part of the token's scope, so it may stay in."""
    kept = {name: value for name, value in params.items() if name not in ("ClientToken", "DryRun")}
    return hashlib.sha256(json.dumps(kept, sort_keys=True, default=str).encode()).hexdigest()


def _check_repeat(launch: Launch, digest: str, reservation: Any) -> None:
    """The two refusals of a token that was seen before, in AWS's words (the second since January 2025, boto3#4406)."""
    if launch.digest != digest:
        text = "Arguments on this idempotent request are inconsistent with arguments used in previous request(s)."
        raise _refusal("IdempotentParameterMismatch", text)
    if all(instance.state == "terminated" for instance in reservation.instances):
        text = (
            "The client token you have provided is associated with a terminated instance. "
            "Please use a different client token."
        )
        raise _refusal("IdempotentInstanceTerminated", text)


def _refusal(code: str, message: str) -> Exception:
    from moto.ec2.exceptions import EC2ClientError

    refusal: Exception = EC2ClientError(code, message)
    return refusal

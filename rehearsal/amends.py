"""Where moto differs from AWS in what exists, it is made to agree. Each amendment says what AWS does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from rehearsal import catalogue, lifecycle, quota_calls, regions, scheduler, spot_prices
from rehearsal.clock import Clock
from rehearsal.clock import follow as follow_clock
from rehearsal.emulation import Emulation
from rehearsal.launches import Launches
from rehearsal.patching import amend
from rehearsal.quotas import Quotas


def install(emulation: Emulation, clock: Clock, quotas: Quotas) -> None:
    """Import moto's services and amend them for this cloud. May be called again for another cloud of the process."""
    follow_clock(clock)
    _name_elastic_ips()
    _leave_groups_alone()
    _give_local_addresses(emulation)
    _load_images()
    _load_parameters()
    _add_types()
    lifecycle.install(emulation)
    _launch_by_the_rules(emulation, quotas)
    quota_calls.install(quotas, clock)
    spot_prices.install(clock)
    regions.install()
    scheduler.install()


def _name_elastic_ips() -> None:
    """AWS tags an address as elastic-ip; moto's vpc-elastic-ip makes amazon.aws.ec2_eip report changes for ever.

    An address that came with an instance belongs to "amazon" there, and only an elastic one to the account.
    """
    from moto.ec2 import utils
    from moto.ec2.models.elastic_network_interfaces import NetworkInterface

    def association(original: Any) -> property:
        def describe(nic: Any) -> dict[str, Any]:
            found: dict[str, Any] = original.fget(nic)
            if found and not found.get("allocationId"):
                found["ipOwnerId"] = "amazon"
            return found

        return property(describe)

    utils.EC2_PREFIX_TO_RESOURCE["eipalloc"] = "elastic-ip"
    utils.EC2_PREFIX_TO_RESOURCE["sir"] = "spot-instances-request"
    amend(NetworkInterface, "association", association)


def _leave_groups_alone() -> None:
    """An interface that is attached keeps its own groups; moto adds the host's, as if it were the host's first."""
    from moto.ec2.models.elastic_network_interfaces import NetworkInterface

    def groups(original: Any) -> property:
        def own(nic: Any) -> Any:
            return set(nic._group_set) if nic.instance and nic.device_index else original.fget(nic)

        return property(own)

    amend(NetworkInterface, "group_set", groups)


def _give_local_addresses(emulation: Emulation) -> None:
    """moto's public addresses belong to strangers; these are this machine's own."""
    from moto.ec2.models import elastic_ip_addresses, elastic_network_interfaces

    elastic_network_interfaces.random_public_ip = emulation.addresses.fresh
    elastic_ip_addresses.random_ip = emulation.addresses.fresh


def _load_images() -> None:
    """The catalogue's images instead of moto's thousand old ones, with ids of their region and their disk sizes."""
    from moto.ec2.models import EC2Backend
    from moto.ec2.models.amis import Ami

    def load(backend: Any) -> None:
        for image in catalogue.images(backend.region_name):
            made = Ami(
                backend,
                image.id,
                name=image.name,
                description=image.description,
                owner_id=image.owner_id,
                owner_alias=image.owner_alias,
                public=True,
                virtualization_type="hvm",
                architecture="x86_64",
                creation_date=datetime.fromisoformat(image.creation_date).replace(tzinfo=None),
                hypervisor="xen",
                image_location=f"{image.owner_alias or image.owner_id}/{image.name}",
                root_device_type="ebs",
                boot_mode="uefi-preferred",
            )
            made.gpulab_root_gib = image.root_gib
            made.ebs_snapshot.volume.size = image.root_gib
            backend.amis[image.id] = made

    def disks(original: Any) -> property:
        def mappings(image: Any) -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = original.fget(image)
            if size := getattr(image, "gpulab_root_gib", None):
                found[0]["Ebs"].update(VolumeSize=size, VolumeType="gp3", DeleteOnTermination=True, Encrypted=False)
            return found

        return property(mappings)

    amend(EC2Backend, "_load_amis", lambda _: load)
    amend(Ami, "block_device_mappings", disks)


def _load_parameters() -> None:
    """The public parameters that name the catalogue's images; moto has Amazon Linux's alone."""
    from moto.core.utils import utcnow
    from moto.ssm.models import Parameter, ParameterDict

    def loader(original: Callable[[Any, str], None]) -> Callable[[Any, str], None]:
        def check(table: Any, key: str) -> None:
            original(table, key)
            if getattr(table, "gpulab_loaded", False):
                return
            table.gpulab_loaded = True
            for name, image in catalogue.parameters(table.region_name).items():
                common = {"description": None, "allowed_pattern": None, "keyid": None, "version": 1}
                table[name].append(
                    Parameter(
                        table.account_id,
                        name,
                        image,
                        "String",
                        last_modified_date=utcnow(),
                        data_type="aws:ec2:image",
                        **common,
                    )
                )

        return check

    amend(ParameterDict, "_check_loading_status", loader)


def _add_types() -> None:
    """GPU types of the catalogue that moto lacks (g4ad). Their zones are a stand-in: those that have g4dn.xlarge."""
    from moto.ec2.models.instance_types import (
        INSTANCE_TYPE_OFFERINGS,
        INSTANCE_TYPES,
        InstanceType,
        InstanceTypeBackend,
    )

    for gpu in catalogue.gpu_types():
        if gpu.name in INSTANCE_TYPES:
            continue
        INSTANCE_TYPES[gpu.name] = catalogue.described(gpu)
        InstanceTypeBackend.instance_types.append(InstanceType(gpu.name))
        for by_region in INSTANCE_TYPE_OFFERINGS.values():
            for region in gpu.regions & set(by_region):
                twins = [one for one in by_region[region] if one["InstanceType"] == "g4dn.xlarge"]
                by_region[region].extend({**one, "InstanceType": gpu.name} for one in twins)


def _launch_by_the_rules(emulation: Emulation, quotas: Quotas) -> None:
    """RunInstances through launches.py; moto's own switches beside it, for launches by template."""
    from moto import settings as moto_settings
    from moto.ec2.responses.instances import InstanceResponse

    moto_settings.ENABLE_AMI_VALIDATION = True
    moto_settings.ENABLE_KEYPAIR_VALIDATION = True
    launches = Launches(emulation, quotas)
    amend(InstanceResponse, "run_instances", lambda original: lambda response: launches.run(response, original))

# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""The running hosts of one deployment, found by their tags."""

from __future__ import annotations

DOCUMENTATION = r"""
name: ec2_hosts
short_description: The hosts of a deployment
description:
  - Lists the instances that run and carry the tag gpulab:deployment, under the names that their tags give them, in the
    groups C(gpu_hosts) and C(ec2_gpu_hosts), with C(ansible_host), C(ansible_user) and C(gpulab_instance_id).
  - Hosts that do not run are in the group C(gpu_hosts_off) alone, so that C(--limit NAME) means them in start.yml.
  - Region and deployment come from -e or from the environment, because inventories are read before there are
    variables. Where the region has none of the hosts, they are looked for in those of gpu_next_regions, which comes
    from -e or from group_vars/all beside the inventory, and the variable C(gpulab_found_region) is set to theirs.
  - amazon.aws.aws_ec2 is not used for this, because hosts that were launched by one call share their tags, and only
    AmiLaunchIndex tells which is which; and because without credentials it fills the screen, where one sentence does.
    What cannot be asked of AWS is a warning here, so that inventories of other hosts still work.
options:
  plugin:
    description: The name of this plugin.
    required: true
    choices: [gpulab.core.ec2_hosts]
  deployment:
    description: The deployment; C(-e deployment=NAME) and GPULAB_DEPLOYMENT go before it.
    type: str
    default: gpulab
  region:
    description: Its region; C(-e aws_region=REGION), AWS_REGION and AWS_DEFAULT_REGION go before it.
    type: str
    default: us-east-1
requirements: [boto3]
author: [the gpulab authors (@gpulab)]
"""

EXAMPLES = r"""
# a file whose name ends in ec2.yml
plugin: gpulab.core.ec2_hosts
"""

import functools
import gc
import os

from ansible.errors import AnsibleParserError
from ansible.module_utils.common.validation import check_type_list
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible.utils.vars import load_extra_vars
from ansible.vars.plugins import get_vars_from_inventory_sources
from ansible_collections.amazon.aws.plugins.module_utils.retries import RetryingBotoClientWrapper
from ansible_collections.gpulab.core.plugins.module_utils import ec2_calls

try:
    import boto3
    from botocore.config import Config
except ImportError:
    boto3 = None

GROUPS = ("gpu_hosts", "ec2_gpu_hosts")
OFF = "gpu_hosts_off"
FURTHER = "gpu_next_regions"
PATIENCE = {"connect_timeout": 10, "read_timeout": 30, "retries": {"total_max_attempts": 3}}
"""Seconds; without a network botocore's own would hold every playbook up for minutes."""


def chosen(extra_vars, environ, options):
    """Return (deployment, region) as the command line says, else the environment, else the file. Pure."""
    deployment = extra_vars.get("deployment") or environ.get("GPULAB_DEPLOYMENT") or options["deployment"]
    named = (environ.get(name) for name in ("AWS_REGION", "AWS_DEFAULT_REGION"))
    region = extra_vars.get("aws_region") or next(filter(None, named), options["region"])
    return str(deployment), str(region)


def further_regions(extra_vars, group_vars):
    """Return the regions that gpu_next_regions names, on the command line or else in group_vars/all. Pure."""
    given = extra_vars.get(FURTHER, group_vars.get(FURTHER)) or []
    return [str(region).strip() for region in check_type_list(given) if str(region).strip()]


def variables(instance):
    """Return the variables of a host from its instance as DescribeInstances shows it. Pure."""
    found = {
        "ansible_host": instance.get("PublicIpAddress") or instance.get("PrivateIpAddress"),
        "ansible_user": ec2_calls.tags(instance).get("gpulab:login"),
        "gpulab_instance_id": instance["InstanceId"],
        # Only what was bought as spot has one.
        "gpulab_lifecycle": instance.get("InstanceLifecycle"),
    }
    return {name: value for name, value in found.items() if value}


def groups(instance):
    """Return the groups of a host. Pure."""
    return GROUPS if instance["State"]["Name"] == "running" else (OFF,)


@functools.cache
def ec2_client(region, url):
    """Return a client, the same when the inventory is read again."""
    client = boto3.client("ec2", region_name=region, endpoint_url=url, config=Config(**PATIENCE))
    return RetryingBotoClientWrapper(client, ec2_calls.RETRY)


def live(deployment, region):
    """Return the instances of the deployment that have not been terminated; raises Stop with a sentence."""
    ec2_calls.check_region(region)
    # AWS_URL is what Ansible's AWS modules have besides boto's own AWS_ENDPOINT_URL.
    return ec2_calls.instances(ec2_client(region, os.environ.get("AWS_URL")), deployment)


def find(deployment, regions):
    """Return (region, live instances) of the first region that has any, (the first region, []) where none has."""
    for region in dict.fromkeys(regions):
        if found := live(deployment, region):
            return region, found
    return regions[0], []


class InventoryModule(BaseInventoryPlugin):
    """The inventory gpulab.core.ec2_hosts."""

    NAME = "gpulab.core.ec2_hosts"

    def verify_file(self, path):
        """Tell whether a file may be meant for this plugin, by its name."""
        return super().verify_file(path) and path.endswith(("ec2.yml", "ec2.yaml"))

    def parse(self, inventory, loader, path, cache=True):
        """Add the hosts."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        if boto3 is None:
            raise AnsibleParserError("boto3 is missing in the Python that runs Ansible: run bin/setup.")
        deployment, region = chosen(load_extra_vars(loader), os.environ, self.get_options())
        for group in (*GROUPS, OFF):
            inventory.add_group(group)
        try:
            place, found = find(deployment, [region, *self._further(inventory, loader, path)])
        except ec2_calls.Stop as stop:
            self.display.warning(f"No host of deployment {deployment} is listed: {stop}")
            return
        # AWS's descriptions stay to the end: no collection of garbage, here or in a fork, has to walk through them.
        gc.freeze()
        if place != region:
            inventory.set_variable("all", "gpulab_found_region", place)
        for instance in found:
            name = ec2_calls.host_name(instance)
            for group in groups(instance):
                inventory.add_host(name, group=group)
            for variable, value in variables(instance).items():
                inventory.set_variable(name, variable, value)

    @staticmethod
    def _further(inventory, loader, path):
        beside = get_vars_from_inventory_sources(loader, [path], [inventory.groups["all"]], "all")
        return further_regions(load_extra_vars(loader), beside)

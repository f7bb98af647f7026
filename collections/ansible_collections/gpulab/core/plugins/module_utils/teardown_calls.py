"""Look in every enabled region for what carries a deployment's tag: read-only calls, regions side by side. Thin.

DescribeTags names every type of EC2 resource in one call; only the types that it names are described, where they are.
What is not EC2's is found by its name, and counts only if it carries the tag.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from ansible_collections.amazon.aws.plugins.module_utils.botocore import get_aws_connection_info
from ansible_collections.amazon.aws.plugins.module_utils.retries import RetryingBotoClientWrapper
from ansible_collections.gpulab.core.plugins.module_utils import (
    ec2_calls,
    guard_calls,
    guard_money,
    guard_role,
    leftovers,
)
from ansible_collections.gpulab.core.plugins.module_utils.ec2_calls import RETRY, Stop, call, pages
from ansible_collections.gpulab.core.plugins.module_utils.launch_plan import TAG

try:
    import boto3
    from botocore.config import Config
except ImportError:  # AnsibleAWSModule says so in a sentence of its own
    boto3 = None

_DENIED = ("UnauthorizedOperation", "AccessDenied", "AccessDeniedException", "AuthorizationError")
_CONNECT_SECONDS = 10


def missing(stop):
    """Tell whether AWS said that there is no such thing."""
    return "NotFound" in (stop.code or "") or stop.code == "NoSuchEntity"


class Clients:
    """The clients of one run, all of one session: every session of its own would read EC2's model again, 0.2 s each."""

    def __init__(self, module):
        self.region, self._endpoint, arguments = get_aws_connection_info(module)
        self._session = boto3.session.Session(profile_name=arguments.pop("profile_name", None))
        config = Config(connect_timeout=_CONNECT_SECONDS).merge(arguments.pop("aws_config", None) or Config())
        self._arguments = dict(arguments, config=config)
        self._made = {}

    def of(self, service, region):
        """Return the client, made at the first call; making one is not for threads, using it is."""
        if (service, region) not in self._made:
            client = self._session.client(service, region_name=region, endpoint_url=self._endpoint, **self._arguments)
            self._made[service, region] = RetryingBotoClientWrapper(client, RETRY)
        return self._made[service, region]

    def offers(self, service, region):
        """Tell whether botocore knows an endpoint of a service in a region."""
        partition = self._session.get_partition_for_region(region)
        return region in self._session.get_available_regions(service, partition)

    def partition(self):
        """Return the partition of the run's region, such as aws."""
        return self._session.get_partition_for_region(self.region)


class Found(NamedTuple):
    """What one look found. resources: what is the deployment's own; kept: what is not, and hangs on its instances."""

    resources: list[dict[str, Any]]
    kept: list[dict[str, Any]]
    unseen: list[dict[str, Any]]


def enabled_regions(clients):
    """Return (the regions that the account may use, the run's own first; AWS's present moment)."""
    ec2_calls.check_region(clients.region)
    ec2 = clients.of("ec2", clients.region)
    answer = call("asking which regions are enabled", ec2.describe_regions, aws_retry=True)
    names = {one["RegionName"] for one in answer["Regions"]}
    now = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    return [clients.region, *sorted(names - {clients.region})], now


def look(clients, deployment, regions):
    """Return what is Found of the deployment in these regions, and of what belongs to no region.

    What these credentials may not see is told as unseen, but not in the run's own region: there it raises Stop.
    """
    account = ec2_calls.account_id(clients.of("sts", clients.region))
    scheduled = [region for region in regions if clients.offers("scheduler", region)]
    for service, places in (("ec2", regions), ("scheduler", scheduled)):
        for region in places:
            clients.of(service, region)
    jobs = [(_region, region) for region in regions] + [(_schedules, region) for region in scheduled]
    with ThreadPoolExecutor(max_workers=len(jobs)) as pool:
        looks = list(pool.map(lambda job: _seen(job[0], clients, deployment, account, job[1]), jobs))
    looks.append(_seen(_global, clients, deployment, account, guard_role.BILLING_REGION))
    return Found(*([one for part in parts for one in part] for parts in zip(*looks, strict=True)))


def money(clients, deployment, resources):
    """Return what each host of these resources has cost so far; usd is None where its price is not known.

    The price is the one that its tags name; a host that was never guarded has none, and counts without its disk.
    """
    told = []
    for region in sorted({one["region"] for one in resources if one["type"] == "instance"}):
        now, _, hosts = guard_calls.hosts(clients.of("ec2", region), deployment, region, 0)
        for host in hosts:
            spent = guard_money.money(host, now, {})
            told.append(
                {
                    "id": host["id"],
                    "name": host["name"],
                    "type": host["type"],
                    "region": region,
                    "seconds": spent["spent_seconds"],
                    "usd": round(spent["spent_usd"], 2) if spent["usd_per_hour"] else None,
                }
            )
    return told


def _seen(find, clients, deployment, account, region):
    what = {_region: "EC2", _schedules: "schedules", _global: "alarm, topic and role"}[find]
    try:
        return find(clients, deployment, account, region)
    except Stop as stop:
        if stop.code not in _DENIED or (find is _region and region == clients.region):
            raise
        return Found([], [], [{"what": what, "region": region, "code": stop.code}])


def _region(clients, deployment, _account, region):
    """Return what EC2 has of the deployment in one region."""
    ec2 = clients.of("ec2", region)
    wanted = [{"Name": "key", "Values": [TAG]}, {"Name": "value", "Values": [deployment]}]
    tagged = pages(f"listing what carries the tag in {region}", ec2.describe_tags, "Tags", Filters=wanted)
    # A filter's value may have wildcards in it; a name in which somebody put one must not reach others.
    ids = {one["ResourceId"]: one["ResourceType"] for one in tagged if one["Value"] == deployment}
    answers = {kind: _described(ec2, kind, deployment) for kind in leftovers.KINDS if kind in ids.values()}
    instances = answers.get("instance", [])
    taken = leftovers.taken_along(instances)
    resources = [leftovers.item(kind, one, region, taken) for kind, many in answers.items() for one in many]
    resources += [leftovers.other(kind, one, region) for one, kind in ids.items() if kind not in leftovers.KINDS]
    # A spot request that AWS made without the tag is known by its instance.
    requests = {one["SpotInstanceRequestId"] for one in instances if one.get("SpotInstanceRequestId")}
    known = {one["id"] for one in resources}
    resources += [leftovers.other("spot-instances-request", one, region) for one in sorted(requests - known)]
    return Found(resources, _kept(ec2, leftovers.foreign(instances, set(ids)), region), [])


def _described(ec2, kind, deployment):
    shape = leftovers.KINDS[kind]
    mine = [{"Name": f"tag:{TAG}", "Values": [deployment]}]
    found = pages(f"describing the deployment's {kind}s", getattr(ec2, shape.method), shape.key, Filters=mine)
    if kind == "instance":
        found = [one for reservation in found for one in reservation["Instances"]]
    return [one for one in found if leftovers.exists(one)]


def _kept(ec2, foreign, region):
    """Return the items of what is not ours; they are described for their prices."""
    asked = (
        ("volume", "VolumeIds", foreign.volumes),
        ("network-interface", "NetworkInterfaceIds", foreign.interfaces),
        ("elastic-ip", "PublicIps", foreign.addresses),
    )
    kept = []
    for kind, name, ids in asked:
        if ids:
            shape = leftovers.KINDS[kind]
            found = call(f"describing somebody's {kind}s", getattr(ec2, shape.method), aws_retry=True, **{name: ids})
            kept += [leftovers.kept(kind, one, region) for one in found[shape.key] if not ec2_calls.tags(one).get(TAG)]
    return kept


def _schedules(clients, deployment, account, region):
    """Return the deployment's schedule group in one region; its schedules go with it."""
    scheduler, name = clients.of("scheduler", region), guard_role.name(deployment)
    arn = f"arn:{clients.partition()}:scheduler:{region}:{account}:schedule-group/{name}"
    try:
        tags = call("looking for the schedules", scheduler.list_tags_for_resource, aws_retry=True, ResourceArn=arn)
        if not _mine(tags.get("Tags", []), deployment):
            return Found([], [], [])
        group = call("looking at the schedules", scheduler.get_schedule_group, aws_retry=True, Name=name)
    except Stop as stop:
        if missing(stop):
            return Found([], [], [])
        raise
    # One that is being deleted takes its schedules with it, and nothing fires any more.
    here = group.get("State") == "ACTIVE"
    born = leftovers.moment(group.get("CreationDate"))
    return Found([leftovers.other("schedule-group", name, region, born)] if here else [], [], [])


def _global(clients, deployment, account, region):
    """Return the billing alarm, its topic and the schedules' role."""
    found, name = [], guard_role.name(deployment)
    cloudwatch, sns = clients.of("cloudwatch", region), clients.of("sns", region)
    iam = clients.of("iam", region)
    alarms = call("looking for the billing alarm", cloudwatch.describe_alarms, aws_retry=True, AlarmNames=[name])
    for alarm in alarms["MetricAlarms"]:
        arn = alarm["AlarmArn"]
        tags = call("reading its tags", cloudwatch.list_tags_for_resource, aws_retry=True, ResourceARN=arn)["Tags"]
        if _mine(tags, deployment):
            born = leftovers.moment(alarm.get("AlarmConfigurationUpdatedTimestamp"))
            found.append(leftovers.other("alarm", name, region, born))
    topic = guard_role.topic_arn(account, deployment)
    tags = _or_nothing("looking for the alarm's topic", sns.list_tags_for_resource, ResourceArn=topic)
    if _mine(tags.get("Tags", []), deployment):
        found.append(leftovers.other("topic", topic, region))
    role = _or_nothing("looking for the role", iam.get_role, RoleName=guard_role.role_name(deployment)).get("Role", {})
    if _mine(role.get("Tags", []), deployment):
        found.append(leftovers.other("role", role["RoleName"], region, leftovers.moment(role["CreateDate"])))
    return Found(found, [], [])


def _or_nothing(doing, method, **arguments):
    try:
        return call(doing, method, aws_retry=True, **arguments)
    except Stop as stop:
        if missing(stop):
            return {}
        raise


def _mine(tags, deployment):
    return {"Key": TAG, "Value": deployment} in tags

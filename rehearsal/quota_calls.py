"""Service Quotas' operations for ec2, and the vCPU limit of RunInstances and StartInstances, put into moto."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable
from typing import Any

from rehearsal import settings
from rehearsal.clock import Clock
from rehearsal.patching import amend
from rehearsal.quotas import Quota, Quotas, Refusal, described, described_request, quota_for, table

LIVE = ("pending", "running")
TOO_MANY = (
    "You have requested more vCPU capacity than your current vCPU limit of {limit} allows for the instance bucket that "
    "the specified instance type belongs to. Please visit http://aws.amazon.com/contact-us/ec2-request to request an "
    "adjustment to this limit."
)


class Operations:
    """Service Quotas' answers: each takes the request's JSON and its region and returns the answer's JSON."""

    def __init__(self, quotas: Quotas, clock: Clock) -> None:
        self._quotas = quotas
        self._clock = clock

    def get_service_quota(self, params: dict[str, Any], region: str) -> dict[str, Any]:
        """The applied value; AWS knows none of a quota that it never set for the account."""
        found = self._quota(region, self._quotas.find(params["QuotaCode"]))
        if found is None:
            text = "The request failed because the specified service quota has no applied value."
            raise Refusal("NoSuchResourceException", text)
        return {"Quota": found}

    def list_service_quotas(self, params: dict[str, Any], region: str) -> dict[str, Any]:
        """The applied values; of one quota if named."""
        wanted = [one for one in table() if params.get("QuotaCode") in (None, one.code)]
        return _page("Quotas", [found for one in wanted if (found := self._quota(region, one))], params)

    def get_aws_default_service_quota(self, params: dict[str, Any], region: str) -> dict[str, Any]:
        """AWS's published value."""
        quota = self._quotas.find(params["QuotaCode"])
        return {"Quota": described(quota, region, quota.default)}

    def list_aws_default_service_quotas(self, params: dict[str, Any], region: str) -> dict[str, Any]:
        """AWS's published values."""
        return _page("Quotas", [described(one, region, one.default) for one in table()], params)

    def request_service_quota_increase(self, params: dict[str, Any], region: str) -> dict[str, Any]:
        """Open a request."""
        made = self._quotas.ask(region, params["QuotaCode"], float(params["DesiredValue"]))
        return {"RequestedQuota": described_request(made, self._clock.now())}

    def list_requested_service_quota_change_history(self, params: dict[str, Any], region: str) -> dict[str, Any]:
        """The requests of a region, newest first; those of one quota or in one status if named."""
        now = self._clock.now()
        found = [described_request(one, now) for one in self._quotas.requests(region, params.get("QuotaCode"))]
        kept = [one for one in found if params.get("Status") in (None, one["Status"])]
        return _page("RequestedQuotas", kept, params)

    def list_requested_service_quota_change_history_by_quota(
        self, params: dict[str, Any], region: str
    ) -> dict[str, Any]:
        """The requests for one quota, newest first."""
        self._quotas.find(params["QuotaCode"])
        return self.list_requested_service_quota_change_history(params, region)

    def get_requested_service_quota_change(self, params: dict[str, Any], region: str) -> dict[str, Any]:
        """One request, by its id."""
        for one in self._quotas.requests(region):
            if one.id == params["RequestId"]:
                return {"RequestedQuota": described_request(one, self._clock.now())}
        text = "The request failed because the specified quota increase request does not exist."
        raise Refusal("NoSuchResourceException", text)

    def _quota(self, region: str, quota: Quota) -> dict[str, Any] | None:
        value = self._quotas.applied(region, quota)
        return None if value is None else described(quota, region, value, settings.ACCOUNT)


def _page(key: str, items: list[dict[str, Any]], params: dict[str, Any]) -> dict[str, Any]:
    """One page of an answer. AWS's tokens tell nothing to whom they are given, and neither do these."""
    try:
        start = int(base64.b64decode(params.get("NextToken") or "MA==", validate=True))
    except (ValueError, binascii.Error):
        raise Refusal("InvalidPaginationTokenException", "Invalid NextToken.") from None
    size = params.get("MaxResults", 100)
    if not 1 <= size <= 100:
        raise Refusal("IllegalArgumentException", "MaxResults has to be between 1 and 100.")
    answer: dict[str, Any] = {key: items[start : start + size]}
    if start + size < len(items):
        answer["NextToken"] = base64.b64encode(str(start + size).encode()).decode()
    return answer


def install(quotas: Quotas, clock: Clock) -> None:
    """Answer for ec2 in moto's Service Quotas, which has some of vpc's alone, and judge StartInstances."""
    from moto.core.exceptions import JsonRESTError
    from moto.ec2.responses.instances import InstanceResponse
    from moto.servicequotas.responses import ServiceQuotasResponse

    operations = Operations(quotas, clock)

    def answering(name: str) -> Callable[[Any], Callable[[Any], str]]:
        operation = getattr(operations, name)

        def make(original: Callable[[Any], str] | None) -> Callable[[Any], str]:
            def answer(response: Any) -> str:
                params = json.loads(response.body)
                service = params.get("ServiceCode", "ec2")
                if service != "ec2" and original:
                    return original(response)
                try:
                    if service != "ec2":
                        text = "The request failed because the specified service does not exist."
                        raise Refusal("NoSuchResourceException", text)
                    return json.dumps(operation(params, response.region))
                except Refusal as refusal:
                    raise JsonRESTError(refusal.code, str(refusal)) from None

            return answer

        return make

    for name in (one for one in vars(Operations) if not one.startswith("_")):
        if not hasattr(ServiceQuotasResponse, name):
            setattr(ServiceQuotasResponse, name, None)
        amend(ServiceQuotasResponse, name, answering(name))

    def starting(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def start(response: Any) -> Any:
            backend, wanted = response.ec2_backend, response.params.get("InstanceIds", [])
            stopped = [one for one in backend.get_multi_instances_by_id(wanted) if one.state not in LIVE]
            for market in ("on-demand", "spot"):
                _judge(quotas, backend, market, [one.instance_type for one in stopped if _market(one) == market])
            return original(response)

        return start

    amend(InstanceResponse, "start_instances", starting)


def admit(quotas: Quotas, params: dict[str, Any], backend: Any) -> None:
    """Judge a RunInstances: as many of MaxCount as the quota has room for, and a refusal below MinCount.

    Raises moto's EC2ClientError. A launch by template is not judged: its type is in the template.
    """
    kind = params.get("InstanceType", "")
    market = params.get("InstanceMarketOptions", {}).get("MarketType", "on-demand")
    quota = quota_for(kind, market)
    if quota is None:
        return
    least, most = int(params.get("MinCount", 1)), int(params.get("MaxCount", 1))
    room = quotas.limit(backend.region_name, quota) - _in_use(backend, quota)
    params["MaxCount"] = max(least, min(most, int(room // _vcpus(kind))))
    _judge(quotas, backend, market, [kind] * least)


def _judge(quotas: Quotas, backend: Any, market: str, kinds: Iterable[str]) -> None:
    from moto.ec2.exceptions import EC2ClientError

    asked: dict[Quota, int] = {}
    for kind in kinds:
        if quota := quota_for(kind, market):
            asked[quota] = asked.get(quota, 0) + _vcpus(kind)
    for quota, vcpus in asked.items():
        limit = quotas.limit(backend.region_name, quota)
        if _in_use(backend, quota) + vcpus <= limit:
            continue
        if market == "spot":
            raise EC2ClientError("MaxSpotInstanceCountExceeded", "Max spot instance count exceeded")
        raise EC2ClientError("VcpuLimitExceeded", TOO_MANY.format(limit=int(limit)))


def _in_use(backend: Any, quota: Quota) -> int:
    running = [one for one in backend.all_instances() if one.state in LIVE and _market(one) == quota.market]
    return sum(_vcpus(one.instance_type) for one in running if quota_for(one.instance_type, quota.market) == quota)


def _market(instance: Any) -> str:
    return instance.lifecycle or "on-demand"


def _vcpus(kind: str) -> int:
    from moto.ec2.models.instance_types import INSTANCE_TYPES

    return int(INSTANCE_TYPES[kind]["VCpuInfo"]["DefaultVCpus"])

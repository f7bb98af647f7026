"""EC2's vCPU quotas: what an account may run, requests for more with their life by the rehearsal's clock, the limit.

A stand-in in four places: a fresh account gets the table's column `fresh`, which is generous, where AWS's published
default is often 0; every request is approved, a day after it was made; the code of the P6 spot quota is made up (AWS
publishes none: look it up by its name); StartInstances is judged before any host of the request is started.
"""

from __future__ import annotations

import csv
import functools
import json
import re
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from rehearsal import settings
from rehearsal.catalogue import DATA
from rehearsal.clock import Clock

TABLE = DATA / "vcpu-quotas.csv"
"""Codes, names and defaults of AWS's page on EC2's quotas (2025), units are vCPUs."""
OPENED_AFTER = timedelta(minutes=10)
APPROVED_AFTER = timedelta(hours=24)
OPEN = ("PENDING", "CASE_OPENED")


@dataclass(frozen=True)
class Quota:
    """One vCPU quota. `families` are those of instance types, by letters ("g") or with their generation ("p5")."""

    code: str
    market: str
    families: frozenset[str]
    default: float
    fresh: float
    name: str


@dataclass(frozen=True)
class Request:
    """A request for an increase; what has become of it follows from its age."""

    id: str
    region: str
    quota: Quota
    desired: float
    created: datetime

    def status(self, now: datetime) -> tuple[str, datetime]:
        """(status, since when) at a moment."""
        age = now - self.created
        if age >= APPROVED_AFTER:
            return "APPROVED", self.created + APPROVED_AFTER
        if age >= OPENED_AFTER:
            return "CASE_OPENED", self.created + OPENED_AFTER
        return "PENDING", self.created


class Refusal(Exception):
    """What AWS answers instead: its error code and its words."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@functools.cache
def table() -> tuple[Quota, ...]:
    """The quotas that there are, in the table's order."""
    with TABLE.open(encoding="utf-8", newline="") as lines:
        return tuple(
            Quota(
                code=row["code"],
                market=row["market"],
                families=frozenset(row["families"].split()),
                default=float(row["default"]),
                fresh=float(row["fresh"]),
                name=row["name"],
            )
            for row in csv.DictReader(lines)
        )


def quota_for(kind: str, market: str) -> Quota | None:
    """The quota that an instance type counts against; None for families without one in the table (u-, mac, hpc)."""
    found = re.match(r"([a-z]+)(\d?)", kind)
    names = {found[1], found[1] + found[2]} if found else set()
    return next((one for one in table() if one.market == market and names & one.families), None)


class Quotas:
    """The applied values and the requests of all regions; used under the emulation's lock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._applied: dict[tuple[str, str], float | None] = {}
        self._requests: list[Request] = []
        self._granted: set[str] = set()

    def forget(self) -> None:
        """A fresh account again."""
        self._applied.clear()
        self._requests.clear()
        self._granted.clear()

    def set(self, value: Any) -> dict[str, float | None]:
        """Take {"code", "value", "region"?} in: value null takes the applied value away. ValueError if it is not so."""
        example = '{"code": "L-DB2E81BA", "value": 0}, with a "region" for another than ' + settings.REGION
        if not isinstance(value, dict) or not {"code", "value"} <= set(value) <= {"code", "value", "region"}:
            raise ValueError(f"a quota is set by {example}")
        amount, code, region = value["value"], value["code"], value.get("region", settings.REGION)
        if isinstance(amount, bool) or not isinstance(amount, (int, float, type(None))) or (amount or 0) < 0:
            raise ValueError(f"the quota's value is {amount!r}, but it has to be a number of vCPUs or null")
        if code not in {one.code for one in table()}:
            raise ValueError(f"there is no quota {code!r}: there are {', '.join(one.code for one in table())}")
        self._settle()
        self._applied[region, code] = amount
        return self.listed(region)

    def listed(self, region: str = settings.REGION) -> dict[str, float | None]:
        """Code to applied value in a region."""
        return {one.code: self.applied(region, one) for one in table()}

    def applied(self, region: str, quota: Quota) -> float | None:
        """The applied value; None where the account has none, and the default holds."""
        self._settle()
        return self._applied.get((region, quota.code), quota.fresh)

    def limit(self, region: str, quota: Quota) -> float:
        """The vCPUs that may run."""
        value = self.applied(region, quota)
        return quota.default if value is None else value

    def ask(self, region: str, code: str, desired: float) -> Request:
        """Open a request. Raises Refusal for an unknown quota, a second open request, or no increase."""
        quota = self.find(code)
        if any(self.status(one)[0] in OPEN for one in self.requests(region, code)):
            text = "Only one open service quota increase request is allowed per quota."
            raise Refusal("ResourceAlreadyExistsException", text)
        if desired <= self.limit(region, quota):
            text = "You must provide a quota value greater than the current quota value."
            raise Refusal("IllegalArgumentException", text)
        # AWS's ids are 32 digits and 8 letters: https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/
        made = Request(uuid.uuid4().hex + uuid.uuid4().hex[:8], region, quota, desired, self._clock.now())
        self._requests.append(made)
        return made

    def find(self, code: str) -> Quota:
        """The quota of a code. Raises Refusal when there is none."""
        for one in table():
            if one.code == code:
                return one
        text = "The request failed because the specified service quota does not exist."
        raise Refusal("NoSuchResourceException", text)

    def requests(self, region: str, code: str | None = None) -> list[Request]:
        """The requests of a region, newest first; only those for one quota if named."""
        found = [one for one in self._requests if one.region == region and code in (None, one.quota.code)]
        return found[::-1]

    def status(self, request: Request) -> tuple[str, datetime]:
        """(status, since when) of a request now."""
        return request.status(self._clock.now())

    def _settle(self) -> None:
        """Give what was approved since the last look, once, so that a later change by hand holds."""
        for one in self._requests:
            if one.id not in self._granted and self.status(one)[0] == "APPROVED":
                self._granted.add(one.id)
                self._applied[one.region, one.quota.code] = one.desired


def described(quota: Quota, region: str, value: float, account: str = "") -> dict[str, Any]:
    """A quota in the shape of GetServiceQuota; without an account in that of GetAWSDefaultServiceQuota."""
    return {
        "ServiceCode": "ec2",
        "ServiceName": "Amazon Elastic Compute Cloud (Amazon EC2)",
        "QuotaArn": f"arn:aws:servicequotas:{region}:{account}:ec2/{quota.code}",
        "QuotaCode": quota.code,
        "QuotaName": quota.name,
        "Value": value,
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
        "QuotaAppliedAtLevel": "ACCOUNT",
    }


def described_request(request: Request, now: datetime) -> dict[str, Any]:
    """A request in the shape of GetRequestedServiceQuotaChange, times in seconds since 1970."""
    status, since = request.status(now)
    quota = described(request.quota, request.region, 0, settings.ACCOUNT)
    kept = ("ServiceCode", "ServiceName", "QuotaArn", "QuotaCode", "QuotaName", "Unit", "GlobalQuota")
    caller = {"accountId": settings.ACCOUNT, "callerArn": f"arn:aws:iam::{settings.ACCOUNT}:user/rehearsal"}
    case = {} if status == "PENDING" else {"CaseId": str(int(request.id[:12], 16) % 10**11)}
    return {
        "Id": request.id,
        **case,
        **{name: quota[name] for name in kept},
        "DesiredValue": request.desired,
        "Status": status,
        "Created": request.created.timestamp(),
        "LastUpdated": since.timestamp(),
        "Requester": json.dumps(caller),
        "QuotaRequestedAtLevel": "ACCOUNT",
    }

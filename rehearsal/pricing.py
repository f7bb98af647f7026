"""AWS's Pricing API, which moto lacks, over the price list of price_list.py. It is there in three regions only.

Its shapes and errors: https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_pricing_GetProducts.html
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable
from typing import Any

from rehearsal import price_list, wire

REGIONS = ("us-east-1", "eu-central-1", "ap-south-1")
FORMAT = "aws_v1"
PAGE = 100
"""The most items of one answer, and how many there are when nobody says."""

Answer = tuple[int, list[tuple[str, str]], bytes]


class Refusal(Exception):
    """An error of the Pricing API: its code and its words."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


def answer(call: wire.Call) -> Answer:
    """Answer one call. NotImplementedError for what this API has and this cloud has not (the files of the list)."""
    if call.region not in REGIONS:
        # AWS has no such host name at all; an endpoint that is given can only say that it knows no such credentials.
        text = f"The security token included in the request is invalid. (No Pricing API in {call.region}.)"
        return wire.error("json", 400, "UnrecognizedClientException", text)
    operations: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
        "GetProducts": _get_products,
        "DescribeServices": _describe_services,
        "GetAttributeValues": _get_attribute_values,
    }
    if call.action not in operations:
        raise NotImplementedError(f"pricing:{call.action}")
    try:
        result = operations[call.action](call.params)
    except Refusal as refusal:
        return wire.error("json", 400, refusal.code, str(refusal))
    return 200, [("Content-Type", "application/x-amz-json-1.1")], json.dumps(result).encode()


def matches(product: dict[str, Any], filters: list[dict[str, str]]) -> bool:
    """Whether a product passes every filter. An attribute that it lacks passes only NONE_OF."""
    found = price_list.attributes(product)
    for one in filters:
        has, wanted = found.get(one["Field"].lower()), one["Value"]
        choice = wanted.split(",")
        passed = {
            "TERM_MATCH": has == wanted,
            "EQUALS": has == wanted,
            "CONTAINS": has is not None and wanted in has,
            "ANY_OF": has in choice,
            "NONE_OF": has not in choice,
        }
        if one["Type"] not in passed:
            raise Refusal("InvalidParameterException", f"{one['Type']} is no type of filter: {', '.join(passed)} are.")
        if not passed[one["Type"]]:
            return False
    return True


def _get_products(params: dict[str, Any]) -> dict[str, Any]:
    service = _service(params)
    filters = params.get("Filters", [])
    for one in filters:
        if missing := [name for name in ("Type", "Field", "Value") if not one.get(name)]:
            raise Refusal("InvalidParameterException", f"A filter has no {' and no '.join(missing)}.")
    found = [one for one in price_list.products(service) if matches(one, filters)]
    page, token = _page(params, found)
    # Every item is a text that holds JSON, as AWS sends it.
    return {"FormatVersion": FORMAT, "PriceList": [json.dumps(one) for one in page], **token}


def _describe_services(params: dict[str, Any]) -> dict[str, Any]:
    names = [_service(params)] if params.get("ServiceCode") else list(price_list.SERVICES)
    found = []
    for service in names:
        every = price_list.products(service)
        attributes = {name for one in every for name in one["product"]["attributes"]}
        attributes |= {"productFamily" for one in every if "productFamily" in one["product"]}
        found.append({"ServiceCode": service, "AttributeNames": sorted(attributes)})
    page, token = _page(params, found)
    return {"FormatVersion": FORMAT, "Services": page, **token}


def _get_attribute_values(params: dict[str, Any]) -> dict[str, Any]:
    values = price_list.attribute_values(_service(params), params.get("AttributeName", ""))
    if not values:
        raise Refusal("NotFoundException", f"No attribute {params.get('AttributeName')!r} was found.")
    page, token = _page(params, [{"Value": value} for value in values])
    return {"AttributeValues": page, **token}


def _service(params: dict[str, Any]) -> str:
    service = str(params.get("ServiceCode", ""))
    if service not in price_list.SERVICES:
        raise Refusal("InvalidParameterException", f"ServiceCode {service!r} is not in this price list.")
    return service


def _page(params: dict[str, Any], items: list[Any]) -> tuple[list[Any], dict[str, str]]:
    """(the items of this answer, its NextToken if more follow). A token is good for the request that it came from."""
    most = params.get("MaxResults", PAGE)
    if not isinstance(most, int) or not 1 <= most <= PAGE:
        raise Refusal("InvalidParameterException", f"MaxResults is {most!r}, and it has to be between 1 and {PAGE}.")
    same = {name: value for name, value in params.items() if name not in ("NextToken", "MaxResults")}
    digest = hashlib.sha256(json.dumps(same, sort_keys=True).encode()).hexdigest()[:16]
    start = _offset(params["NextToken"], digest) if params.get("NextToken") else 0
    end = start + most
    token = base64.b64encode(f"{digest}:{end}".encode()).decode()
    return items[start:end], {"NextToken": token} if end < len(items) else {}


def _offset(token: str, digest: str) -> int:
    try:
        owner, _, offset = base64.b64decode(token, validate=True).decode().partition(":")
        if owner == digest:
            return int(offset)
    except (binascii.Error, ValueError):
        pass
    raise Refusal("InvalidNextTokenException", "The pagination token is invalid. Try again without a pagination token.")

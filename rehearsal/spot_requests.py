"""The requests behind spot instances that RunInstances launched, which moto knows for RequestSpotInstances alone.

A persistent one outlives its instance: when that is terminated while the request is open, AWS launches another.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Relaunch = Callable[[], Any]


def _request_of(instance: Any) -> Any:
    return instance.ec2_backend.spot_instance_requests.get(getattr(instance, "spot_instance_request_id", ""))


def check_stop(instance: Any) -> None:
    """Refuse to stop what a one-time request launched. Raises moto's EC2ClientError."""
    from moto.ec2.exceptions import EC2ClientError

    request = _request_of(instance)
    if request and request.type == "one-time":
        text = (
            f"You can't stop the Spot Instance '{instance.id}' because it is associated with a one-time Spot Instance "
            "request. You can only stop Spot Instances associated with persistent Spot Instance requests."
        )
        raise EC2ClientError("UnsupportedOperation", text)


def instance_went(instance: Any) -> None:
    """Note that an instance was terminated: its open persistent request launches another, a one-time one is closed."""
    request = _request_of(instance)
    if request and request.instance_id == instance.id:
        request.go_on()


def add(response: Any, instances: list[Any], relaunch: Relaunch) -> None:
    """Make the request of each instance that one RunInstances launched as spot. `relaunch` launches one more of them.

    response: moto's request object.
    """
    from moto.ec2.utils import random_spot_request_id

    market = response.params.get("InstanceMarketOptions", {})
    if market.get("MarketType") != "spot":
        return
    kind = _request_class()
    tags = response._parse_tag_specification().get("spot-instances-request", {})
    for instance in instances:
        request = kind(random_spot_request_id(), instance, market.get("SpotOptions", {}), relaunch)
        request.add_tags(tags)
        instance.ec2_backend.spot_instance_requests[request.id] = request


def _request_class() -> Any:
    from moto.ec2.models.core import TaggedEC2Resource

    # moto has no types, so that its class is Any to mypy.
    class Request(TaggedEC2Resource):  # type: ignore[misc]
        """One spot instance request, with the attributes that DescribeSpotInstanceRequests answers."""

        def __init__(self, request_id: str, instance: Any, options: dict[str, Any], relaunch: Relaunch) -> None:
            self.ec2_backend = instance.ec2_backend
            self.id = self.spot_instance_request_id = request_id
            self.type = options.get("SpotInstanceType", "one-time")
            self.instance_interruption_behavior = options.get("InstanceInterruptionBehavior", "terminate")
            self.create_time = instance.launch_time
            self.product_description = "Linux/UNIX"
            self.spot_price = options.get("MaxPrice", "0.0")
            self.relaunch = relaunch
            self.hold(instance)

        def hold(self, instance: Any) -> None:
            """Be fulfilled by this instance."""
            self.state, self.status = "active", {"Code": "fulfilled", "Message": "Your Spot request is fulfilled."}
            self.instance_id = instance.id
            self.launched_availability_zone = instance.placement.zone
            instance.spot_instance_request_id = self.id

        def go_on(self) -> None:
            """Be without an instance."""
            if self.type == "persistent":
                self.hold(self.relaunch())
            else:
                self.state, self.status = "closed", {"Code": "instance-terminated-by-user", "Message": ""}

    return Request

"""AWS's error codes as one sentence a person can act on. Pure."""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime
from urllib.parse import urlparse

CREDENTIALS = "run `aws configure`, or export AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and start again."

_RENEW = "the credentials have expired: renew them and run the same command again, nothing is lost."
_DENIED = (
    "these credentials may not do that: ask the account's administrator for the permission, or use other credentials."
)
_REJECTED = (
    "AWS does not accept these credentials (or this machine's clock is wrong, compare `date -u`, or the region is not "
    f"enabled for the account): {CREDENTIALS}"
)
_THROTTLED = "AWS is throttling this account: wait a minute and run the same command again, nothing is lost."

SENTENCES = {
    "ExpiredToken": _RENEW,
    "ExpiredTokenException": _RENEW,
    "RequestExpired": _RENEW,
    "UnauthorizedOperation": _DENIED,
    "AccessDenied": _DENIED,
    "AccessDeniedException": _DENIED,
    "InvalidClientTokenId": _REJECTED,
    "UnrecognizedClientException": _REJECTED,
    "AuthFailure": _REJECTED,
    "SignatureDoesNotMatch": _REJECTED,
    "RequestLimitExceeded": _THROTTLED,
    "Throttling": _THROTTLED,
    "ThrottlingException": _THROTTLED,
    "OptInRequired": (
        "this region or service is not enabled for the account: enable it in the AWS console, "
        "or choose another region with -e aws_region=us-east-1."
    ),
    "VcpuLimitExceeded": (
        "the account's vCPU quota for this family is used up: request more with `ansible-playbook request-quota.yml` "
        "or in the Service Quotas console (EC2, 'Running On-Demand G and VT instances'), or stop what is running."
    ),
    "MaxSpotInstanceCountExceeded": (
        "the account's spot quota for this family is used up: request more with "
        "`ansible-playbook request-quota.yml -e gpu_market=spot`, or stop what is running."
    ),
    "InsufficientInstanceCapacity": (
        "AWS has no such host free at the moment: run the same command again later, "
        """or choose another type with -e '{"gpu_instance_types": ["g5.xlarge"]}'."""
    ),
    "Unsupported": "AWS does not offer this configuration here: choose another type or region.",
    "InvalidAMIID.NotFound": "the AMI is gone: leave gpu_image_id out to take the newest, or name one that exists.",
    "InvalidKeyPair.NotFound": "the key pair vanished between two calls: run the same command again.",
    "InvalidGroup.NotFound": "the security group vanished between two calls: run the same command again.",
}


DENIED = tuple(code for code, text in SENTENCES.items() if text is _DENIED)
"""What AWS answers to a call that these credentials may not make."""
REJECTED = tuple(code for code, text in SENTENCES.items() if text in (_REJECTED, _RENEW))
"""What AWS answers to credentials, or a signature, that it does not take."""
MOST_SKEW_SECONDS = 300
"""A signature's time may be off by so much: https://docs.aws.amazon.com/IAM/latest/UserGuide/signing-elements.html"""


def sentence(code, message, doing, action="", skew=None):
    """Return "While doing X, AWS said CODE: what to do", with AWS's own words when the code is not one we know.

    action: the operation that was called; skew: seconds that this machine's clock is ahead of AWS's, None if unknown.
    """
    told = SENTENCES.get(code, message)
    if code in DENIED and denied_action(message, action):
        told = told.replace("do that", f"do that ({denied_action(message, action)})", 1)
    if code in REJECTED and skew is not None and abs(skew) > MOST_SKEW_SECONDS:
        told = f"this machine's clock is {clock(skew)}: set it (`timedatectl set-ntp true`) and start again."
    return f"While {doing}, AWS answered {code}: {told}"


def denied_action(message, action=""):
    """Return what a refusal says may not be done, such as ec2:CreateTags; `action` where it does not say it."""
    found = re.search(r"not authorized to perform: ([\w-]+:\w+)", message)
    return found[1] if found else action


def skew_seconds(date, now):
    """Return how many seconds `now` (an aware datetime) is ahead of an HTTP Date header; None if there is no such."""
    try:
        return (now - parsedate_to_datetime(date)).total_seconds()
    except (TypeError, ValueError):
        return None


def clock(skew):
    """Return a skew in words: "12 minutes behind AWS's"."""
    off = f"{abs(skew):.0f} s" if abs(skew) < 120 else f"{abs(skew) / 60:.0f} minutes"
    return f"{off} {'ahead of' if skew > 0 else 'behind'} AWS's"


def is_aws(endpoint_url):
    """Tell whether an endpoint belongs to AWS itself, and not to an emulator or a proxy."""
    host = urlparse(endpoint_url).hostname or ""
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws"))

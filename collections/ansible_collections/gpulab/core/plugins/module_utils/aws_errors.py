"""AWS's error codes as one sentence a person can act on. Pure."""

from __future__ import annotations

from urllib.parse import urlparse

CREDENTIALS = "run `aws configure`, or export AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and start again."

_RENEW = "the credentials have expired: renew them and run the same command again, nothing is lost."
_DENIED = (
    "these credentials may not do that: ask the account's administrator for the permission, or use other credentials."
)
_REJECTED = (
    f"AWS does not accept these credentials (or this machine's clock is wrong: compare `date -u`): {CREDENTIALS}"
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


def sentence(code, message, doing):
    """Return "While doing X, AWS said CODE: what to do", with AWS's own words when the code is not one we know."""
    return f"While {doing}, AWS answered {code}: {SENTENCES.get(code, message)}"


def is_aws(endpoint_url):
    """Tell whether an endpoint belongs to AWS itself, and not to an emulator or a proxy."""
    host = urlparse(endpoint_url).hostname or ""
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws"))

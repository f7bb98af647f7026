"""AWS's error codes as sentences, and which endpoints are AWS itself."""

from __future__ import annotations

import pytest
from ansible_collections.gpulab.core.plugins.module_utils.aws_errors import SENTENCES, is_aws, sentence
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("RequestExpired", "renew them and run the same command again"),
        ("UnauthorizedOperation", "ask the account's administrator"),
        ("AuthFailure", "compare `date -u`"),
        ("Throttling", "wait a minute"),
        ("OptInRequired", "-e aws_region=us-east-1"),
        ("VcpuLimitExceeded", "Service Quotas console"),
        ("InsufficientInstanceCapacity", """-e '{"gpu_instance_types": ["g5.xlarge"]}'."""),
    ],
)
def test_a_known_code_says_what_to_do(code: str, advice: str) -> None:
    told = sentence(code, "AWS's own words", "launching the host")
    assert told.startswith(f"While launching the host, AWS answered {code}: ")
    assert advice in told
    assert "AWS's own words" not in told


def test_an_unknown_code_keeps_awss_own_words() -> None:
    told = sentence("Strange", "The moon is full.", "looking")
    assert told == "While looking, AWS answered Strange: The moon is full."


@pytest.mark.parametrize("code", SENTENCES)
def test_every_sentence_ends_as_one_and_stays_on_its_line(code: str) -> None:
    assert SENTENCES[code].endswith(".")
    assert "\n" not in SENTENCES[code]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://ec2.us-east-1.amazonaws.com", True),
        ("https://ec2.us-east-1.amazonaws.com:443/", True),
        ("https://ec2.cn-north-1.amazonaws.com.cn", True),
        ("https://ec2.eu-west-1.api.aws", True),
        ("https://EC2.US-EAST-1.AMAZONAWS.COM", True),
        ("http://127.0.0.1:40025", False),
        ("http://localhost:4566", False),
        ("http://amazonaws.com.example.org", False),
        ("https://example.org/ec2.us-east-1.amazonaws.com", False),
        ("https://fakeamazonaws.com", False),
        ("https://ec2.amazonaws.com@127.0.0.1:4566", False),
        ("", False),
    ],
)
def test_is_aws(url: str, expected: bool) -> None:
    assert is_aws(url) is expected


@given(st.ip_addresses(v=4), st.integers(1, 65535))
def test_an_address_is_never_aws(address: object, port: int) -> None:
    assert not is_aws(f"http://{address}:{port}")

"""What a class gets on paper: access sheets, each about one host alone, and one receipt."""

from __future__ import annotations

from typing import Any

from ansible_collections.gpulab.core.plugins.module_utils import fleet_receipt, fleet_sheets

# QUJD is ABC, REVG is DEF: the fingerprint does not care what a key says.
KNOWN = "i-1 ssh-ed25519 QUJD\ni-2 ssh-ed25519 REVG\n"
MONEY = {"budget_usd": 5.0, "usd_per_hour": 0.5, "deadline": "2026-11-22T19:30:00Z"}


def host(name: str, student: str) -> dict[str, Any]:
    return {"name": name, "student": student, "mail": f"{name}@example.org", "budget_usd": 5.0, "public_key": ""}


def found(name: str, number: int, address: str = "") -> dict[str, Any]:
    tags = {"gpulab:login": "ubuntu"}
    return {"name": name, "id": f"i-{number}", "type": "g4dn.xlarge", "address": address, "tags": tags}


def sheets(**money: Any) -> dict[str, str]:
    hosts = [host("anna", "Anna Meier"), host("ben", "Ben Okafor"), host("shared", ""), host("late", "Late Comer")]
    there = [found("anna", 1, "203.0.113.1"), found("ben", 2, "203.0.113.2"), found("shared", 3, "203.0.113.3")]
    return fleet_sheets.sheets(hosts, there, money, KNOWN, 8889)


def test_every_student_with_a_host_has_a_sheet() -> None:
    assert sorted(sheets()) == ["anna.md", "ben.md"]


def test_a_sheet_says_all_of_one_host_and_nothing_of_another() -> None:
    told = sheets(anna=MONEY, ben=MONEY)
    assert "ssh -i YOUR_PRIVATE_KEY ubuntu@203.0.113.1\n" in told["anna.md"]
    assert "ssh -N -L 8889:127.0.0.1:8889 -i YOUR_PRIVATE_KEY ubuntu@203.0.113.1\n" in told["anna.md"]
    assert "Budget: $5.00, which is 10 h 00 min at $0.500 an hour." in told["anna.md"]
    assert "Until: 2026-11-22 19:30 UTC" in told["anna.md"]
    for other in ("ben", "Ben", "203.0.113.2", "i-2", "203.0.113.3"):
        assert other not in told["anna.md"]


def test_a_sheet_shows_the_fingerprint_that_ssh_will_show() -> None:
    # printf ABC | openssl dgst -sha256 -binary | base64, without its padding
    line = "ED25519 SHA256:tdQEXD9Gb6kf4sxqvnkjKhpXzfEE96JucW4KHieJ33g"
    assert fleet_sheets.fingerprints(KNOWN, "i-1") == [line]
    assert f"    {line}\n" in sheets()["anna.md"]
    assert fleet_sheets.fingerprints(KNOWN, "i-2") != [line]


def test_a_sheet_without_a_key_says_that_it_is_too_early() -> None:
    vouched = "@cert-authority i-1 ssh-ed25519 QUJD until=2026-11-23T10:00:00+00:00\n"
    told = fleet_sheets.sheet(host("anna", "Anna"), found("anna", 1, "203.0.113.1"), MONEY, vouched, 8888)
    assert "SHA256" not in told
    assert "ask for this sheet again before you log in" in told
    assert "ask for this sheet again" not in sheets()["anna.md"]


def test_a_stopped_host_has_no_command_that_would_not_work() -> None:
    told = fleet_sheets.sheet(host("anna", "Anna"), found("anna", 1), MONEY | {"deadline": ""}, KNOWN, 8888)
    assert "it is stopped" in told
    assert "ssh" not in told
    assert "Until" not in told


def cost(name: str, number: int, seconds: int, usd: float | None) -> dict[str, Any]:
    who = {"name": name, "id": f"i-{number}", "type": "g4dn.xlarge", "region": "us-east-1", "student": ""}
    return who | {"seconds": seconds, "usd": usd}


def test_the_receipt_has_a_line_for_each_host_and_the_sum() -> None:
    money = [cost("ben", 2, 60, 0.01), cost("anna", 1, 3661, 0.51)]
    told = fleet_receipt.receipt("class", [host("anna", "Anna")], money)
    assert [(line["host"], line["student"]) for line in told["hosts"]] == [("anna", "Anna"), ("ben", "")]
    assert tuple(told["hosts"][0]) == fleet_receipt.COLUMNS
    assert (told["seconds"], told["usd"]) == (3721, 0.52)
    page = fleet_receipt.page(told)
    assert "| anna | Anna | g4dn.xlarge | 1:01:01 | $0.51 |" in page
    assert "| 2 hosts | | | 1:02:01 | $0.52 |" in page


def test_a_price_that_nobody_knows_makes_no_sum() -> None:
    told = fleet_receipt.receipt("class", [], [cost("anna", 1, 60, None), cost("ben", 2, 60, 0.01)])
    assert told["usd"] is None
    assert "| 2 hosts | | | 0:02:00 | unknown |" in fleet_receipt.page(told)

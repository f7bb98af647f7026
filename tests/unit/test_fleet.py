"""Which hosts a deployment has: from names, a number or a class, and every way in which those can be wrong."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.gpulab.core.plugins.filter.fleet_hosts import fleet_hosts
from ansible_collections.gpulab.core.plugins.module_utils import fleet, fleet_class, fleet_keys

ROOT = Path(__file__).resolve().parents[2]


def public_key(kind: str = "ssh-ed25519", filling: bytes = b"k") -> str:
    """A key line of the right form, of nobody."""
    raw = len(kind).to_bytes(4, "big") + kind.encode() + (32).to_bytes(4, "big") + filling * 32
    return f"{kind} {base64.b64encode(raw).decode()}"


KEY = public_key()
ANNA = f"Anna Meier,anna@example.org,7.50,{KEY} anna@laptop"


def rows(*lines: str, head: str = "student,mail,budget,key") -> list[dict[str, Any]]:
    """The hosts of a class file with these lines."""
    text = "\n".join([head, *lines]) + "\n"
    return fleet.hosts("gpulab", [], 1, fleet_class.rows(text, "class.csv", lambda name: f"{KEY} {name}\n"), 5)


def refusal(*lines: str, head: str = "student,mail,budget,key") -> str:
    with pytest.raises(fleet.FleetError) as caught:
        rows(*lines, head=head)
    return str(caught.value)


def test_one_host_is_called_as_the_user_says() -> None:
    assert fleet_hosts("lab", budget_usd="2.5") == [
        {"name": "lab", "budget_usd": 2.5, "student": "", "mail": "", "public_key": ""}
    ]


def test_the_first_of_several_keeps_the_name_of_the_only_one() -> None:
    assert [host["name"] for host in fleet_hosts("lab", count="3")] == ["lab", "lab-2", "lab-3"]


def test_names_come_as_a_list_as_dicts_or_from_the_command_line() -> None:
    assert [host["name"] for host in fleet_hosts("lab", ["a", {"name": "b", "budget_usd": 1}])] == ["a", "b"]
    assert [host["budget_usd"] for host in fleet_hosts("lab", ["a", {"name": "b", "budget_usd": 1}])] == [5, 1]
    assert [host["name"] for host in fleet_hosts("lab", "a, b c")] == ["a", "b", "c"]


def test_a_class_is_a_host_for_each_student() -> None:
    anna, ben = rows(ANNA, "Ben Okafor,,,keys/ben.pub")
    assert anna == {
        "name": "anna-meier",
        "budget_usd": 7.5,
        "student": "Anna Meier",
        "mail": "anna@example.org",
        "public_key": KEY,
    }
    assert (ben["name"], ben["budget_usd"], ben["public_key"]) == ("ben-okafor", 5, KEY)


def test_what_spreadsheets_make_of_a_table_is_read() -> None:
    (zoe,) = rows(f"zoë;7,50;{KEY}", "", "# on leave: ben", head="student;Budget;KEY")
    assert (zoe["name"], zoe["budget_usd"], zoe["mail"]) == ("zoe", 7.5, "")


def test_the_example_is_right_but_for_the_file_that_is_not_there() -> None:
    text = (ROOT / "class.example.csv").read_text()
    found = fleet.checked(fleet_class.rows(text, "class.csv", lambda _name: KEY), 5)
    assert [host["student"] for host in found] == ["Anna Meier", "Ben Okafor"]
    with pytest.raises(AnsibleFilterError, match=r"names the key file keys/ben.pub, which cannot be read \(No such"):
        fleet_hosts("lab", class_file=str(ROOT / "class.example.csv"))


def test_key_files_are_looked_for_beside_the_class_file(tmp_path: Path) -> None:
    (tmp_path / "anna.pub").write_text(f"{KEY} anna\n")
    (tmp_path / "class.csv").write_bytes("\ufeffstudent,key\r\nAnna,anna.pub\r\n".encode())
    (anna,) = fleet_hosts("lab", class_file=str(tmp_path / "class.csv"))
    assert (anna["student"], anna["public_key"]) == ("Anna", KEY)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["Anna,a@b.c,5"], "Line 2 of class.csv has no key, expected Anna's public key or the name of its .pub file."),
        ([f"Anna,a b,5,{KEY}"], "Line 2 of class.csv has the mail address 'a b', expected one like anna@example.org."),
        ([f"Anna,,five,{KEY}"], "Line 2 of class.csv has the budget 'five', expected US dollars between 0 and 10000"),
        ([f"Anna,,0,{KEY}"], "has the budget '0'"),
        ([f"Anna,,nan,{KEY}"], "has the budget 'nan'"),
        ([f"愛,,5,{KEY}"], "Line 2 of class.csv has the student '愛', expected a name with Latin letters or digits."),
        ([f"all,,5,{KEY}"], "Line 2 of class.csv has the name 'all'"),
        ([f"Anna,,5,{KEY},x"], "Line 2 of class.csv has 5 fields, expected 4"),
        ([f"Anna,,5,{KEY[:40]}"], "has an ssh-ed25519 key that is cut off or changed"),
        ([f"Anna,,5,{public_key('ssh-dss')}"], "has a key of type 'ssh-dss', expected ssh-ed25519 (or ssh-rsa"),
        (
            [f"Anna,,5,{KEY}", "", f"anna,,5,{KEY}"],
            "Line 4 of class.csv has the name 'anna', which line 2 of",
        ),
        ([], "class.csv has no students"),
    ],
)
def test_a_class_that_is_wrong_is_told_by_line(lines: list[str], words: str) -> None:
    assert words in refusal(*lines)


def test_all_wrong_lines_are_told_at_once() -> None:
    told = refusal(f"Anna,,-1,{KEY}", ANNA, f"Ben,ben,5,{KEY}")
    assert [line.split(" has ")[0] for line in told.splitlines()] == ["Line 2 of class.csv", "Line 4 of class.csv"]


def test_columns_that_are_not_known_are_told() -> None:
    assert "begins with the columns name, key, expected student, mail, budget, key" in refusal(ANNA, head="name,key")


def test_a_private_key_is_refused_and_never_shown() -> None:
    secret = "-----BEGIN OPENSSH PRIVATE KEY----- b3BlbnNzaC1rZXktdjEAAAAA"
    told = refusal(f'Anna,,5,"{secret}"')
    assert "has a private key, expected the public one" in told
    assert "b3BlbnNza" not in told


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"hosts": ["a"], "count": 2}, "gpu_hosts and gpu_host_count"),
        ({"count": "many"}, "gpu_host_count is 'many'"),
        ({"hosts": ["A_b"]}, "Host 1 of gpu_hosts has the name 'A_b'"),
        ({"hosts": [{"name": "a", "buget": 1}]}, "Host 1 of gpu_hosts has buget, expected some of name, budget_usd"),
        ({"hosts": ["a", "a"]}, "which host 1 of gpu_hosts has too"),
        ({"class_file": "/nowhere/class.csv"}, "The class file /nowhere/class.csv cannot be read"),
    ],
)
def test_hosts_that_are_wrong(given: dict[str, Any], words: str) -> None:
    with pytest.raises(AnsibleFilterError, match=words):
        fleet_hosts("lab", **given)


def test_a_class_file_that_is_no_utf_8_is_told(tmp_path: Path) -> None:
    (tmp_path / "class.csv").write_bytes("student,key\nZoë,k\n".encode("cp1252"))
    with pytest.raises(AnsibleFilterError, match="is not UTF-8"):
        fleet_hosts("lab", class_file=str(tmp_path / "class.csv"))


@pytest.mark.parametrize("kind", fleet_keys.TYPES)
def test_every_type_that_ssh_accepts_is_a_key(kind: str) -> None:
    assert fleet_keys.problem(f"{public_key(kind)} of anna") is None

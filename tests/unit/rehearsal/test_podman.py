"""What is written for podman and what is read from it; and what is cleaned up outside its folders."""

from __future__ import annotations

import json
import resource
import tomllib
from pathlib import Path

import pytest

from rehearsal import podman, traces

NAT = """\
*nat
:POSTROUTING ACCEPT [0:0]
:NETAVARK-HOSTPORT-DNAT - [0:0]
:NETAVARK-HOSTPORT-MASQ - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j NETAVARK-HOSTPORT-DNAT
-A POSTROUTING -s 192.0.2.0/24 -j MASQUERADE
-A NETAVARK-HOSTPORT-MASQ -m comment --comment "netavark portfw masq mark" -m mark --mark 0x2000/0x2000 -j MASQUERADE
COMMIT
"""


def test_the_configuration_is_toml_and_keeps_everything_in_its_folders(tmp_path: Path) -> None:
    conf = tomllib.loads(podman.containers_conf(tmp_path / 'with "quotes"', tmp_path / "networks", "runc", 16384, 512))
    assert conf["containers"]["default_ulimits"] == ["nofile=16384:16384", "nproc=512:512"]
    assert conf["engine"]["tmp_dir"] == conf["engine"]["image_copy_tmp_dir"] == str(tmp_path / 'with "quotes"')
    assert conf["engine"]["runtime"] == "runc"
    assert conf["network"]["network_config_dir"] == str(tmp_path / "networks")


def test_limits_stay_below_the_machines() -> None:
    assert podman.limit(16384, 4096) == 4096
    assert podman.limit(16384, 20000) == 16384
    assert podman.limit(16384, resource.RLIM_INFINITY) == 16384


def test_a_long_path_gets_a_short_run_folder() -> None:
    assert podman.volatile_folder(Path("/srv/clone/.rehearsal/podman")) == Path("/srv/clone/.rehearsal/podman")
    long = Path("/home/somebody/projects/2026/autumn/gpulab/.rehearsal/podman")
    short = podman.volatile_folder(long)
    assert len(str(short / "run")) <= 50
    assert short != podman.volatile_folder(long.parent / "other")


def entry(status: str, pid: int, address: str, labels: dict[str, str] | None) -> dict[str, object]:
    return {
        "Id": "f00",
        "Config": {"Labels": labels},
        "State": {"Status": status, "Pid": pid},
        "NetworkSettings": {"Networks": {"net": {"IPAddress": address}}},
    }


def test_containers_are_read_from_inspect() -> None:
    mine = {podman.LABEL_INSTANCE: "i-1"}
    answer = [
        entry("running", 42, "10.0.0.2", mine),
        entry("exited", 42, "10.0.0.3", mine),
        entry("running", 7, "", None),
    ]
    assert podman.parse_inspect(json.dumps(answer)) == [
        podman.Container("f00", "i-1", "running", 42, "10.0.0.2"),
        podman.Container("f00", "i-1", "exited", 0, ""),
    ]
    assert podman.parse_inspect("") == []


def test_jumps_go_before_chains_and_foreign_rules_stay() -> None:
    assert traces.chain_removals(NAT) == [
        ["-D", "PREROUTING", "-m", "addrtype", "--dst-type", "LOCAL", "-j", "NETAVARK-HOSTPORT-DNAT"],
        ["-F", "NETAVARK-HOSTPORT-DNAT"],
        ["-F", "NETAVARK-HOSTPORT-MASQ"],
        ["-X", "NETAVARK-HOSTPORT-DNAT"],
        ["-X", "NETAVARK-HOSTPORT-MASQ"],
    ]


def test_no_chain_is_touched_while_a_network_is_in_use() -> None:
    assert traces.chain_removals(NAT.replace("COMMIT", ":NETAVARK-D31E1FFB44CEE - [0:0]\nCOMMIT")) == []


def test_only_the_last_user_cleans_and_only_what_was_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "monitors", dict)
    monkeypatch.setattr(traces, "_rules", dict)
    monkeypatch.setattr(traces, "_FORWARD", tmp_path / "ip_forward")
    (tmp_path / "ip_forward").write_text("0\n")
    homes = [tmp_path / "one", tmp_path / "two"]
    for home in homes:
        home.mkdir()
    before, book, folder = tmp_path / "before", tmp_path / "net" / "ipam.db", tmp_path / "net"
    before.mkdir()
    record = tmp_path / "outside.json"
    paths = (before, book, folder)
    traces.enter(homes[0], record, paths)
    folder.mkdir()
    book.touch()
    (tmp_path / "ip_forward").write_text("1\n")
    traces.enter(homes[1], record, paths)
    traces.leave(homes[0], record)
    assert book.exists()
    traces.leave(homes[1], record)
    assert before.exists()
    assert not folder.exists()
    assert (tmp_path / "ip_forward").read_text() == "0\n"


def test_nothing_is_cleaned_while_another_podman_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "_rules", dict)
    monkeypatch.setattr(traces, "monitors", lambda: {1: "conmon --of-somebody-else"})
    book = tmp_path / "ipam.db"
    traces.enter(tmp_path, tmp_path / "outside.json", (book,))
    book.touch()
    traces.leave(tmp_path, tmp_path / "outside.json")
    assert book.exists()

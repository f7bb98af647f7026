"""The host's own guards: the deadline program, which counts what is spent, and what the module makes of an answer."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
from pathlib import Path

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import host_guard

from rehearsal.settings import ROOT

PROGRAM = ROOT / "roles/host_baseline/files/deadline/gpulab-deadline"


class Host:
    """A folder in which the program finds what it would find on a host, and what it did there."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.instance, self.uptime, self.start = folder, "i-0a", 500, 100
        self.boot = "b1"
        (folder / "bin").mkdir()
        for name in ("systemctl", "wall"):
            stand_in = folder / "bin" / name
            stand_in.write_text(f'#!/bin/sh\necho {name} "$@" $(cat) >> {folder}/done\n')
            stand_in.chmod(stand_in.stat().st_mode | stat.S_IXUSR)
        for place in ("/etc/gpulab", "/var/lib/gpulab", "/run", "/proc/1"):
            (folder / place[1:]).mkdir(parents=True)

    def run(self, *arguments: str) -> str:
        """What it prints. Its four kinds of paths are below this folder."""
        # Field 22 of proc(5) is the start; field 2 is the name, here one with blanks and parentheses.
        fields = ["1", "(systemd (x) y)", "S", *["0"] * 18, str(self.start * 100), "0"]
        (self.folder / "proc/1/stat").write_text(" ".join(fields) + "\n")
        (self.folder / "proc/uptime").write_text(f"{self.uptime}.25 17.00\n")
        text = PROGRAM.read_text().replace("/proc/sys/kernel/random/boot_id", "/proc/boot_id")
        (self.folder / "proc/boot_id").write_text(self.boot + "\n")
        text = re.sub(r"(?<![\w.])/(etc/gpulab|var/lib/gpulab|run|proc)/", rf"{self.folder}/\1/", text)
        environment = {"PATH": f"{self.folder}/bin:{os.environ['PATH']}", "INSTANCE_ID": self.instance}
        done = subprocess.run(
            ["sh", "-c", text, "gpulab-deadline", *arguments],
            env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stderr == ""
        return done.stdout.strip()

    def left(self) -> int | None:
        return host_guard.seconds_of(self.run("left"))

    def look(self, after: int = 0) -> list[str]:
        """What it did when it looked `after` seconds later."""
        self.uptime += after
        self.run()
        done = self.folder / "done"
        lines = done.read_text().splitlines() if done.exists() else []
        done.unlink(missing_ok=True)
        return lines

    def reboot(self, boot: str = "b2") -> None:
        """Another first process, of which a container's machine knows nothing."""
        self.boot, self.uptime, self.start = boot, self.uptime + 5000, self.uptime + 5000 - 10


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_a_host_without_a_deadline_is_left_alone(host: Host) -> None:
    assert host.left() is None
    assert host.look(after=10**7) == []


def test_time_counts_from_the_boot_and_ends_in_a_power_off(host: Host) -> None:
    host.run("begin", "3600")
    # It had been up for 400 s when it was told.
    assert json.loads((host.folder / "etc/gpulab/deadline.json").read_text()) == {
        "instance": "i-0a",
        "allowed_seconds": 4000,
    }
    assert host.left() == 3600
    assert host.look(after=2990) == []
    assert [line.split()[0] for line in host.look(after=20)] == ["wall"]
    assert host.look(after=30) == []
    assert "stops in about 2 min," in host.look(after=450)[0]
    assert host.look(after=111) == ["systemctl poweroff"]


def test_what_is_left_survives_stop_and_start_and_the_time_between_is_free(host: Host) -> None:
    host.run("begin", "3600")
    host.look(after=1000)
    host.reboot()
    assert host.left() == 2600 - 10
    host.look(after=100)
    host.reboot("b3")
    assert host.left() == 2600 - 110 - 10


def test_user_data_of_the_launch_gives_no_second_budget(host: Host) -> None:
    host.run("begin", "3600")
    host.look(after=3000)
    host.reboot()
    host.run("begin", "3600")
    assert host.left() == 590


def test_a_host_started_with_nothing_left_gives_time_to_extend_and_then_stops(host: Host) -> None:
    host.run("begin", "60")
    assert host.look(after=61) == ["systemctl poweroff"]
    host.reboot()
    assert host.left() == 0
    assert [line.split()[0] for line in host.look()] == ["wall"]
    assert [line.split()[0] for line in host.look(after=289)] == ["wall"]
    assert host.look(after=1) == ["systemctl poweroff"]


def test_more_time_is_counted_from_now(host: Host) -> None:
    host.run("begin", "700")
    host.look(after=690)
    host.run("allow", "7200")
    assert host.left() == 7200
    assert host.look(after=30) == []


def test_an_instance_made_of_this_ones_image_starts_anew(host: Host) -> None:
    host.run("begin", "100")
    host.look(after=50)
    host.reboot()
    host.instance = "i-0b"
    assert host.left() is None
    assert host.look(after=1000) == []
    host.run("begin", "100")
    assert host.left() == 100


@pytest.mark.parametrize("spoilt", ["", "i-0a", "i-0a b1-10000 x y", "\0\0\0"])
def test_a_spoilt_count_stops_nothing_at_once(host: Host, spoilt: str) -> None:
    host.run("begin", "3600")
    (host.folder / "var/lib/gpulab/seconds-up").write_text(spoilt + "\n")
    assert host.left() == 3600
    assert host.look() == []


def test_user_data_and_role_put_the_same_program_there() -> None:
    # Both read this folder; a heredoc ends at its mark.
    for file in PROGRAM.parent.iterdir():
        assert "GPULAB-END" not in file.read_text()
        assert file.read_text().endswith("\n")


@pytest.mark.parametrize(
    ("left", "wanted", "other"),
    [(None, 0, False), (None, 60, True), (500, 0, False), (500, 620, False), (500, 621, True), (500, 379, True)],
)
def test_small_differences_of_a_deadline_are_left(left: int | None, wanted: int, other: bool) -> None:
    assert host_guard.is_other(left, wanted) is other


@pytest.mark.parametrize(
    ("unit", "wanted", "verbs"),
    [
        ({"UnitFileState": "enabled", "ActiveState": "active"}, True, []),
        ({"UnitFileState": "enabled", "ActiveState": "inactive"}, True, ["start"]),
        ({"UnitFileState": "disabled", "ActiveState": "active"}, True, ["enable"]),
        (
            {"UnitFileState": "masked", "LoadState": "masked", "ActiveState": "inactive"},
            True,
            ["unmask", "enable", "start"],
        ),
        ({"LoadState": "not-found", "ActiveState": "inactive"}, False, []),
        ({"UnitFileState": "enabled", "ActiveState": "active"}, False, ["stop", "disable"]),
    ],
)
def test_a_timer_is_made_as_it_is_wanted(unit: dict[str, str], wanted: bool, verbs: list[str]) -> None:
    assert host_guard.commands("t.timer", unit, wanted) == [[verb, "t.timer"] for verb in verbs]


def test_a_timer_without_a_deadline_guards_nothing() -> None:
    active = {"ActiveState": "active"}
    assert host_guard.guard(None, active, {}) == {
        "timer_active": False,
        "seconds_left": None,
        "idle_stop_active": False,
    }
    assert host_guard.guard(0, active, active) == {"timer_active": True, "seconds_left": 0, "idle_stop_active": True}

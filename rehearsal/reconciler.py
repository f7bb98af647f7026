"""Keeps podman's hosts as the cloud's list says. Looks about three times a second, acts on several hosts at once."""

from __future__ import annotations

import json
import os
import threading
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from rehearsal import console, image, machine, seed
from rehearsal.forward import Forwarder
from rehearsal.host_plan import Action, Actual, Desired, listeners, plan
from rehearsal.machine import Machine, Record
from rehearsal.podman import Container, Podman, PodmanError

TICK_SECONDS = 0.3
CLOUD_PATIENCE_SECONDS = 5.0
"""A cloud that has not answered for this long is dead: its hosts go."""
_REFRESH_SECONDS = 10.0
_CONSOLE_SECONDS = 2.0
_RETRY_SECONDS = 2.0
_CRASH_SECONDS = 5.0
"""Pause before a host that died without a word (killed, out of memory) is started once more."""
_WORKERS = 8
_BOOTING = max(4, 2 * (os.cpu_count() or 1))
"""Hosts that boot at once. A boot is 3 s of processor time; more at once only make all of them late."""
_BOOTING_SECONDS = 15.0
"""After that a host no longer counts as booting: its user data may go on for as long as it likes."""
_BOOTS = frozenset({"create", "start", "restart"})
_NEVER_STARTED = frozenset({"created", "configured", "initialized"})

Log = Callable[[str], None]


class Cloud:
    """The two calls of the protocol. Both raise OSError (URLError is one) or ValueError when the answer is no good."""

    def __init__(self, url: str) -> None:
        self._url = f"{url.rstrip('/')}/_rehearsal/hosts"
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def desired(self) -> dict[str, Desired]:
        """Every instance by id."""
        with self._opener.open(self._url, timeout=CLOUD_PATIENCE_SECONDS) as answer:
            try:
                return {entry["id"]: Desired.from_json(entry) for entry in json.load(answer)}
            except (KeyError, TypeError) as error:
                raise ValueError(f"The cloud's list of hosts lacks a field ({error!r}).") from error

    def report(self, changes: dict[str, dict[str, Any]]) -> None:
        """Send what changed."""
        request = urllib.request.Request(
            self._url, json.dumps(changes).encode(), {"Content-Type": "application/json"}, method="POST"
        )
        with self._opener.open(request, timeout=CLOUD_PATIENCE_SECONDS) as answer:
            answer.read()


class Reconciler:
    """All hosts of one state folder. `run` returns when told to stop or when the cloud is gone."""

    def __init__(self, state: Path, cloud: Cloud, podman: Podman, log: Log) -> None:
        self._state, self._cloud, self._podman, self._log = state, cloud, podman, log
        self._forwarder = Forwarder()
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="host")
        self._containers: dict[str, Container] = {}
        self._busy: dict[str, Future[Container | None]] = {}
        self._not_before: dict[str, float] = {}
        self._endings: dict[str, str] = {}
        self._ready: set[str] = set()
        self._problems: dict[str, str] = {}
        self._reported: dict[str, dict[str, Any]] = {}
        self._console_sent: dict[str, tuple[float, int]] = {}
        self._booting: dict[str, float] = {}
        self._refreshed = float("-inf")

    def run(self, stop: threading.Event) -> None:
        """Reconcile until `stop` is set, or the cloud has not answered for CLOUD_PATIENCE_SECONDS."""
        answered = time.monotonic()
        while not stop.is_set():
            try:
                self._tick(self._cloud.desired())
                answered = time.monotonic()
            except (OSError, ValueError) as error:
                if time.monotonic() - answered > CLOUD_PATIENCE_SECONDS:
                    self._log(
                        f"The cloud has not answered for {CLOUD_PATIENCE_SECONDS:.0f} s ({error}): removing its hosts."
                    )
                    return
            stop.wait(TICK_SECONDS)

    def close(self) -> None:
        """Stop forwarding and let what is under way end."""
        self._forwarder.close()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _tick(self, desired: dict[str, Desired]) -> None:
        self._collect()
        self._look()
        now = time.monotonic()
        waiting = {name for name, until in self._not_before.items() if until > now}
        actual = {name: self._actual(name, container) for name, container in self._containers.items()}
        for action in plan(desired, actual, {*self._busy, *waiting}):
            if action.kind == "tell_off":
                continue  # told in the report below
            if action.kind in _BOOTS and not self._may_boot(action.id):
                continue
            self._submit(action, desired.get(action.id))
        self._forward(desired)
        for name, container in self._containers.items():
            if (
                name not in self._ready
                and name not in self._busy
                and container.pid
                and self._machine(name).settled(container)
            ):
                self._ready.add(name)
        self._report(desired)

    def _may_boot(self, name: str) -> bool:
        """Take one of the places for booting hosts, if one is free."""
        now = time.monotonic()
        self._booting = {
            other: since
            for other, since in self._booting.items()
            if other not in self._ready and now - since < _BOOTING_SECONDS
        }
        if len(self._booting) >= _BOOTING:
            return False
        self._booting[name] = now
        return True

    def _machine(self, name: str) -> Machine:
        return Machine(self._state, name, self._podman)

    def _actual(self, name: str, container: Container) -> Actual:
        record = self._machine(name).record()
        running = container.pid > 0
        return Actual(running, container.address, self._endings.get(name, ""), record.reboots, record.off_told)

    def _collect(self) -> None:
        """Take in what finished actions left behind."""
        for name, future in list(self._busy.items()):
            if not future.done():
                continue
            del self._busy[name]
            try:
                container = future.result()
            except (PodmanError, OSError, ValueError) as error:
                self._log(f"{name}: {error}")
                self._not_before[name] = time.monotonic() + _RETRY_SECONDS
                self._refreshed = float("-inf")
                continue
            self._note(name, container)

    def _note(self, name: str, container: Container | None) -> None:
        self._ready.discard(name)
        if container is None or container.status in _NEVER_STARTED:
            self._containers.pop(name, None)
            return
        self._containers[name] = container
        self._endings[name] = "" if container.pid else console.ending(self._machine(name).console())
        if not container.pid and not self._endings[name]:
            self._not_before[name] = time.monotonic() + _CRASH_SECONDS

    def _look(self) -> None:
        """Find hosts that went down by themselves; now and then, and after an error, ask podman for all."""
        for name, container in list(self._containers.items()):
            if name not in self._busy and container.pid and not machine.alive(container):
                self._begin(name, lambda name=name: self._inspect(name))  # type: ignore[misc]
        if not self._busy and time.monotonic() - self._refreshed > _REFRESH_SECONDS:
            self._refreshed = time.monotonic()
            found = {container.instance: container for container in self._podman.containers()}
            for name in {*found, *self._containers}:
                if found.get(name) != self._containers.get(name):
                    self._note(name, found.get(name))

    def _inspect(self, name: str) -> Container | None:
        return next((one for one in self._podman.containers() if one.instance == name), None)

    def _begin(self, name: str, work: Callable[[], Container | None]) -> None:
        self._ready.discard(name)
        if name in self._containers:
            self._containers[name] = replace(self._containers[name], pid=0, address="")
        self._busy[name] = self._pool.submit(work)

    def _submit(self, action: Action, want: Desired | None) -> None:
        self._log(f"{action.id}: {action.kind}")
        self._begin(action.id, lambda: self._act(action, want))

    def _act(self, action: Action, want: Desired | None) -> Container | None:
        """Carry out one action (in a worker thread) and return what is there afterwards."""
        host, podman = self._machine(action.id), self._podman
        if action.kind == "remove":
            podman.remove(action.id)
            host.forget()
            return None
        if action.kind == "stop":
            podman.stop(action.id)
        elif want is None:
            raise ValueError(f"{action.kind} of a host that the cloud does not list.")
        elif action.kind == "create":
            user_data = seed.decode_user_data(want.user_data)
            host.create(image.reference(), seed.hostname(want.private_address), want.login, want.public_keys, user_data)
            host.remember(Record(reboots=want.reboots))
        elif action.kind == "start":
            # A start is a fresh boot: it settles any reboot asked for meanwhile.
            host.remember(Record(reboots=want.reboots))
            podman.start(action.id)
        else:
            # Noted first: a reconciler that is killed in between must not reboot a host twice.
            host.remember(replace(host.record(), reboots=host.record().reboots + 1))
            podman.restart(action.id)
        return podman.inspect([action.id])[0]

    def _forward(self, desired: dict[str, Desired]) -> None:
        actual = {name: Actual(box.pid > 0, box.address) for name, box in self._containers.items()}
        owners = {want.public_address: name for name, want in desired.items() if want.public_address}
        failed = self._forwarder.apply(listeners(desired, actual))
        problems = {owners[address]: sentence for (address, _), sentence in failed.items()}
        for name, sentence in problems.items():
            if self._problems.get(name) != sentence:
                self._log(f"{name}: {sentence}")
        self._problems = problems

    def _report(self, desired: dict[str, Desired]) -> None:
        """Post what the cloud does not know yet; a report that did not get through is sent again at the next look."""
        now, changes, sent = time.monotonic(), {}, {}
        for name in desired:
            if name not in self._containers:
                continue
            host, container = self._machine(name), self._containers[name]
            off = not container.pid and self._endings.get(name) == "poweroff" and name not in self._busy
            facts: dict[str, Any] = {"up": name in self._ready and name not in self._problems, "powered_off": off}
            last, length = self._console_sent.get(name, (0.0, -1))
            changed = facts != self._reported.get(name)
            size = host.console_bytes()
            if size != length and (changed or now - last > _CONSOLE_SECONDS):
                sent[name] = (now, size)
                changes[name] = {**facts, "console": self._console_text(name)}
            elif changed:
                changes[name] = facts
        if not changes:
            return
        self._cloud.report(changes)
        self._console_sent.update(sent)
        for name, facts in changes.items():
            self._reported[name] = {key: facts[key] for key in ("up", "powered_off")}
            if facts["powered_off"]:
                host = self._machine(name)
                host.remember(replace(host.record(), off_told=True))

    def _console_text(self, name: str) -> str:
        text = self._machine(name).console()
        return f"{text}\n{self._problems[name]}\n" if name in self._problems else text

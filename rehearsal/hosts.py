"""The rehearsal's real hosts: the process that the embedded cloud starts, and a host without any cloud for other tests.

    python -m rehearsal.hosts --state DIR --url URL                        reconcile until SIGTERM or the cloud's end
    python -m rehearsal.hosts create --state DIR NAME --login L --public-key FILE [--mirror]    one host, JSON out
    python -m rehearsal.hosts remove --state DIR                           remove all hosts of that folder

A folder serves one of the two uses: the reconciler removes every host in it that its cloud does not list.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from rehearsal import ending, image, redirect, served, single
from rehearsal.podman import Podman, PodmanError
from rehearsal.reconciler import Cloud, Reconciler

_LOCK_SECONDS = 30.0


def log(text: str) -> None:
    """One line to stderr, which the cloud's log collects."""
    print(f"{time.strftime('%H:%M:%S')} hosts: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def sole_owner(state: Path, seconds: float = _LOCK_SECONDS) -> Iterator[None]:
    """Be the only reconciler of this folder. Raises RuntimeError when another one does not go away within `seconds`."""
    state.mkdir(parents=True, exist_ok=True)
    lock_file = state / "hosts.lock"
    with lock_file.open("w") as lock:
        deadline = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise RuntimeError(
                        f"Another process looks after the hosts in {state}: stop it, or use another --state folder."
                    ) from None
                time.sleep(0.1)
        yield
        lock_file.unlink(missing_ok=True)


def reconcile(state: Path, url: str) -> None:
    """Run the reconciler; afterwards nothing of the hosts is left. Raises PodmanError or RuntimeError: one sentence."""
    stop = ending.when_told()
    with sole_owner(state):
        if not image.built():
            # Not built here: a minute of silence between RunInstances and the first host would look like a fault.
            raise RuntimeError("The host image is not built: run bin/setup.")
        podman = Podman(state / "podman")
        podman.prepare(image.runtime())
        mirror = None
        try:
            mirror = served.serve(state / "mirror.log")
        except OSError as error:
            log(f"The mirror cannot be served ({error}): free its port and restart, or hosts find no wheels and data.")
        reconciler = Reconciler(state, Cloud(url), podman, log)
        log("watching")
        try:
            reconciler.run(stop)
        finally:
            reconciler.close()
            if mirror is not None:
                mirror.shutdown()
            redirect.clear()
            podman.dismantle()
            shutil.rmtree(state / "hosts", ignore_errors=True)
            log("all hosts are gone")


def _parser() -> argparse.ArgumentParser:
    assert __doc__ is not None  # python -OO drops it; the help text then has no use either
    parser = argparse.ArgumentParser(prog="python -m rehearsal.hosts", description=__doc__.splitlines()[0])
    parser.add_argument("--state", type=Path)
    parser.add_argument("--url")
    commands = parser.add_subparsers(dest="command")
    create = commands.add_parser("create", help="start one host, wait until it is ready, print it as JSON")
    create.add_argument("name")
    create.add_argument("--login", default="ubuntu")
    create.add_argument("--public-key", type=Path, required=True)
    create.add_argument("--mirror", action="store_true", help="serve wheels and data sets to it")
    remove = commands.add_parser("remove", help="remove all hosts of the state folder and what belongs to them")
    for command in (create, remove):
        command.add_argument("--state", type=Path, required=True)
    return parser


def main() -> None:
    """The command line."""
    parser = _parser()
    options = parser.parse_args()
    try:
        if options.command == "create":
            key = options.public_key.read_text().strip()
            print(json.dumps(single.create(options.state, options.name, options.login, key, options.mirror)))
        elif options.command == "remove":
            single.remove(options.state)
        elif options.state is None or options.url is None:
            parser.error("without a command both --state and --url are needed")
        else:
            reconcile(options.state.resolve(), options.url)
    except (OSError, PodmanError, RuntimeError) as error:
        sys.exit(f"hosts: {error}")


if __name__ == "__main__":
    main()

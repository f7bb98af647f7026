"""`bin/rehearse`: the journey, the IAM policy, or only the cloud (`up`, `down`)."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Iterator
from typing import TextIO

from rehearsal import everyday, journey, session, settings
from rehearsal.iam_policy import iam_policy


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="bin/rehearse", description="The whole journey on this machine, against an embedded AWS."
    )
    parser.add_argument("what", nargs="?", choices=["run", "up", "down"], default="run")
    parser.add_argument(
        "-e", "--extra-vars", action="append", default=[], metavar="NAME=VALUE", help="given to every playbook"
    )
    parser.add_argument(
        "--real-hosts",
        type=int,
        metavar="N",
        help="with up: only the first N instances are hosts to log in to; the others only look so to AWS's API",
    )
    parser.add_argument("-v", "--verbose", action="count", default=0, help="given to every playbook: -vvv is the most")
    parser.add_argument(
        "--iam-policy",
        action="store_true",
        help="play every playbook that talks to AWS once, without hosts, and print the least IAM policy that allows "
        "all of it, as JSON; all else goes to stderr",
    )
    options = parser.parse_args(arguments)
    what = options.what
    if options.iam_policy and what != "run":
        parser.error(f"--iam-policy plays in a cloud of its own: leave out {what}.")
    if options.real_hosts is not None and what != "up":
        parser.error("--real-hosts is for bin/rehearse up: the journey has one host.")
    if what == "down":
        session.down()
        return 0
    if what == "up":
        cloud = session.up(real_hosts=options.real_hosts)
        print(
            f"The embedded AWS answers at {cloud['url']}. Next: . {(settings.STATE / 'env').relative_to(settings.ROOT)}"
        )
        return 0
    if options.iam_policy:
        with stdout_aside() as out:
            print(json.dumps(iam_policy(everyday.record(options.extra_vars)), indent=2), file=out)
        return 0
    return journey.run(options.extra_vars, options.verbose)


@contextlib.contextmanager
def stdout_aside() -> Iterator[TextIO]:
    """Give the real stdout to the caller alone: what this process and its children print goes to stderr."""
    sys.stdout.flush()
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        os.dup2(2, 1)
        try:
            yield out
        finally:
            sys.stdout.flush()
            out.flush()
            os.dup2(out.fileno(), 1)


if __name__ == "__main__":
    sys.exit(main())

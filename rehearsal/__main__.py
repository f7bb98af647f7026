"""`bin/rehearse`: the journey, or only the cloud (`up`, `down`)."""

from __future__ import annotations

import argparse
import sys

from rehearsal import journey, session, settings


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="bin/rehearse", description="The whole journey on this machine, against an embedded AWS."
    )
    parser.add_argument("what", nargs="?", choices=["run", "up", "down"], default="run")
    parser.add_argument(
        "-e", "--extra-vars", action="append", default=[], metavar="NAME=VALUE", help="given to every playbook"
    )
    options = parser.parse_args()
    what = options.what
    if what == "down":
        session.down()
        return 0
    if what == "up":
        cloud = session.up()
        print(
            f"The embedded AWS answers at {cloud['url']}. Next: . {(settings.STATE / 'env').relative_to(settings.ROOT)}"
        )
        return 0
    return journey.run(options.extra_vars)


if __name__ == "__main__":
    sys.exit(main())

"""The command line: `--version`, `create` and `install` as our roles call them."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
from pathlib import Path

from . import failures, specs
from .failures import Failure

VERSION = "2.9.0 (stand-in over py-rattler 0.28.0: not micromamba)"


def parser() -> argparse.ArgumentParser:
    """Return what of micromamba's options is understood; anything else is an error."""
    top = argparse.ArgumentParser(prog="micromamba", description=f"Version: {VERSION}")
    top.add_argument("--version", action="version", version=VERSION)
    commands = top.add_subparsers(dest="command", required=True)
    for name in ("create", "install"):
        command = commands.add_parser(name)
        command.add_argument("specs", nargs="*")
        command.add_argument("-y", "--yes", action="store_true")
        command.add_argument("-q", "--quiet", action="store_true")
        command.add_argument("-r", "--root-prefix", type=Path, required=True)
        command.add_argument("-p", "--prefix", type=Path, required=True)
        command.add_argument("-f", "--file", type=Path, action="append", default=[])
        command.add_argument("-c", "--channel", action="append", default=[])
        command.add_argument("--override-channels", action="store_true")
        command.add_argument("--no-rc", action="store_true")
        command.add_argument("--no-env", action="store_true")
    return top


def prepare(command: str, prefix: Path) -> None:
    """Take a prefix for `create`, whose old environment goes, or look that `install` finds one. Raises Failure."""
    whole = (prefix / "conda-meta").is_dir()
    if command == "install" and not whole:
        raise failures.critical(f'The given prefix does not exist: "{prefix}"')
    if command == "create" and prefix.exists():
        if not whole and any(prefix.iterdir()):
            raise Failure(("error", "Non-conda folder exists at prefix"), ("critical", "Aborting."))
        shutil.rmtree(prefix)


async def run(options: argparse.Namespace) -> None:
    """Do what the command line says. Raises Failure."""
    from . import environment  # not before: --version must answer without the engine

    if not options.yes:
        raise failures.critical("This stand-in of micromamba asks no questions: say --yes.")
    files = [specs.read(file) for file in options.file]
    wanted = [*options.specs, *(spec for file in files for spec in file.specs)]
    listed = tuple(package for file in files for package in file.explicit)
    channels = [url.rstrip("/") for url in options.channel]
    if not options.override_channels:
        channels += [url for file in files for url in file.channels]
    prefix, cache = options.prefix.absolute(), options.root_prefix.absolute() / "pkgs"
    prepare(options.command, prefix)
    cache.mkdir(parents=True, exist_ok=True)
    before = environment.installed_in(prefix)
    if listed:
        pairs = await environment.explicit(listed, cache)
    else:
        records = await environment.solve(wanted, channels, cache, before)
        pairs = environment.fetched(records, prefix, cache)
    if not options.quiet:
        print("Transaction\n\n  Prefix: " + str(prefix) + "\n")
        print(
            "\n".join(f"  + {record.name.normalized} {record.version} {record.build}  {url}" for record, url in pairs)
        )
    await environment.link(pairs, prefix, cache, before)
    if not options.quiet:
        print("\nTransaction finished")


def main(arguments: list[str]) -> int:
    """Exit code 0, or 1 with libmamba's lines on stderr."""
    options = parser().parse_args(arguments)
    try:
        asyncio.run(run(options))
    except Failure as failure:
        print(failure, file=sys.stderr)
        return 1
    except OSError as error:
        print(failures.critical(f"filesystem error: {error.strerror} [{error.filename}]"), file=sys.stderr)
        return 1
    return 0

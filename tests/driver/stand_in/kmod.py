"""Stand-ins for kmod's commands. What is on disk (aliases, install lines, blacklists) is left to the real ones."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import loading
import world
from loading import Refused

REAL = Path("/sbin")


@contextmanager
def alone() -> Iterator[None]:
    """One change of the modules at a time."""
    with (world.RUN / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def insert(path: Path) -> None:
    """Load one file into the kernel. Raises Refused."""
    with alone():
        now = world.read()
        try:
            then, messages = loading.load(now, loading.examine(path))
        except Refused as refused:
            world.log(*refused.messages)
            raise
        world.log(*messages)
        world.publish(then)


def take_out(name: str) -> None:
    """Unload one module. Raises Refused."""
    with alone():
        world.publish(loading.unload(world.read(), name))


def lsmod(_arguments: Sequence[str]) -> int:
    """Print /proc/modules as lsmod does."""
    now = world.read()
    print("Module                  Size  Used by")
    for module in reversed(now.loaded.values()):
        users = ",".join(now.users(module.name))
        print(f"{module.name:<20} {module.size:>8}  {now.references(module.name)} {users}".rstrip())
    return 0


def insmod(arguments: Sequence[str]) -> int:
    """Load a file."""
    files = [argument for argument in arguments if "=" not in argument and argument[:1] != "-"]
    try:
        insert(Path(files[0]))
    except Refused as refused:
        print(f"insmod: ERROR: could not insert module {files[0]}: {refused.error}", file=sys.stderr)
        return 1
    return 0


def rmmod(arguments: Sequence[str]) -> int:
    """Unload modules in the given order, going on after a failure."""
    code = 0
    for argument in arguments:
        if argument.startswith("-"):
            continue
        try:
            take_out(Path(argument).name.removesuffix(".ko").replace("-", "_"))
        except Refused as refused:
            print(f"rmmod: ERROR: {refused.error}", file=sys.stderr)
            code = 1
    return code


def real_modprobe(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The real modprobe, for the kernel that is made out to be running."""
    return subprocess.run(
        [REAL / "modprobe", "-S", world.kernel(), *arguments], capture_output=True, text=True, check=False
    )


def modprobe(arguments: Sequence[str]) -> int:
    """Load or unload, as the real modprobe says that it is done; all that changes nothing is the real one's."""
    flags = "".join(argument[1:] for argument in arguments if re.fullmatch(r"-[a-zA-Z]+", argument))
    long = {argument for argument in arguments if argument.startswith("--")}
    dry = {"--dry-run", "--show", "--show-depends", "--showconfig", "--resolve-alias", "--version", "--help"}
    if long & dry or set(flags) & set("nDcRVh"):
        done = real_modprobe(*arguments)
        sys.stdout.write(done.stdout)
        sys.stderr.write(done.stderr)
        return done.returncode
    quiet = "q" in flags or "--quiet" in long
    plain = "i" in flags or "--ignore-install" in long or "--ignore-remove" in long
    names = [argument for argument in arguments if not argument.startswith("-") and "=" not in argument]
    if "r" in flags or "--remove" in long:
        return max((_remove(name, plain, quiet) for name in names), default=0)
    names = names if "a" in flags or "--all" in long else names[:1]
    blacklist = ["-b"] if "b" in flags or "--use-blacklist" in long else []
    return max((_load(name, plain, quiet, blacklist) for name in names), default=0)


def _load(name: str, plain: bool, quiet: bool, blacklist: list[str]) -> int:
    asked = real_modprobe(*blacklist, *(["-i"] if plain else []), "--show-depends", name)
    if asked.returncode != 0:
        if not quiet:
            sys.stderr.write(asked.stderr)
        return 1
    for line in asked.stdout.splitlines():
        action, _, rest = line.strip().partition(" ")
        if action == "install":
            # The real one has a shell run such a line too, and that finds this modprobe in PATH.
            environment = {**os.environ, "CMDLINE_OPTS": ""}
            if subprocess.run(["/bin/sh", "-c", rest], check=False, env=environment).returncode != 0:
                print(f"modprobe: ERROR: could not insert '{name}': Invalid argument", file=sys.stderr)
                return 1
        elif action == "insmod":
            path = Path(rest.split()[0])
            try:
                insert(path)
            except Refused as refused:
                stem = path.name.split(".")[0].replace("-", "_")
                print(f"modprobe: ERROR: could not insert '{stem}': {refused.error}", file=sys.stderr)
                return 1
    return 0


def _remove(name: str, plain: bool, quiet: bool) -> int:
    module = name.replace("-", "_")
    commands = {} if plain else removal_commands(real_modprobe("--showconfig").stdout)
    if module in commands:
        return subprocess.run(["/bin/sh", "-c", commands[module]], check=False).returncode
    if module not in world.read().loaded:
        if real_modprobe("--show-depends", name).returncode == 0:
            return 0
        if not quiet:
            print(f"modprobe: FATAL: Module {name} not found.", file=sys.stderr)
        return 1
    needs = world.read().loaded[module].needs
    try:
        take_out(module)
    except Refused:
        print(f"modprobe: FATAL: Module {module} is in use.", file=sys.stderr)
        return 1
    for need in needs:  # it takes along what only this one used
        if not loading.in_use(world.read(), need):
            take_out(need)
    return 0


def removal_commands(config: str) -> dict[str, str]:
    """Module to command, from the `remove` lines of `modprobe --showconfig`."""
    lines = re.findall(r"^remove (\S+) (.+)$", config, re.MULTILINE)
    return {name.replace("-", "_"): command for name, command in lines}


def depmod(arguments: Sequence[str]) -> int:
    """The real one, for the kernel that is made out to be running unless one is named."""
    named = any(re.match(r"\d+\.\d+", argument) for argument in arguments)
    return subprocess.run([REAL / "depmod", *arguments, *([] if named else [world.kernel()])], check=False).returncode


def modinfo(arguments: Sequence[str]) -> int:
    """The real one, for the kernel that is made out to be running unless one is named."""
    named = any(re.match(r"-k|--set-version", argument) for argument in arguments)
    ours = [] if named else ["-k", world.kernel()]
    return subprocess.run([REAL / "modinfo", *ours, *arguments], check=False).returncode

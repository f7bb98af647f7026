"""Put the collections that collections/requirements.yml names, at just those versions, beside our own.

They are unpacked from the PyPI distribution `ansible`, pinned by hash in collections.lock: only the folders named, some
5 MB, where installing the distribution whole takes a minute and 440 MB. With --galaxy, ansible-galaxy installs them.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
TARGET = ROOT / "collections" / "ansible_collections"


def wanted() -> dict[str, str]:
    """Return name to exact version, as requirements.yml pins them."""
    listed = yaml.safe_load((ROOT / "collections" / "requirements.yml").read_text())["collections"]
    return {c["name"]: str(c["version"]) for c in listed}


def installed(name: str) -> str | None:
    """Return the version of a collection in the clone, or None."""
    manifest = TARGET / name.replace(".", "/") / "MANIFEST.json"
    return json.loads(manifest.read_text())["collection_info"]["version"] if manifest.exists() else None


def from_pypi(missing: dict[str, str]) -> None:
    """Download the pinned distribution and unpack the folders of `missing`; raise SystemExit when a version differs."""
    with tempfile.TemporaryDirectory(dir=ROOT / ".venv") as folder:
        # The distribution may want a newer Python than ours; its collections do not, so pip is told one that suits it.
        subprocess.run(
            [
                sys.executable,
                "-m",
                "pip",
                "download",
                "-qq",
                "--disable-pip-version-check",
                "--no-deps",
                "--only-binary=:all:",
                "--python-version=3.13",
                "--require-hashes",
                "--dest",
                folder,
                "--requirement",
                HERE / "collections.lock",
            ],
            check=True,
        )
        (wheel,) = Path(folder).glob("ansible-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            for name, version in missing.items():
                prefix = f"ansible_collections/{name.replace('.', '/')}/"
                found = json.loads(archive.read(prefix + "MANIFEST.json"))["collection_info"]["version"]
                if found != version:
                    sys.exit(
                        f"{wheel.name} holds {name} {found}, and collections/requirements.yml wants {version}: "
                        "change requirements/collections.lock to the release that holds it."
                    )
                draft = Path(folder) / "unpacked"
                archive.extractall(draft, [n for n in archive.namelist() if n.startswith(prefix)])
                place = TARGET / name.replace(".", "/")
                shutil.rmtree(place, ignore_errors=True)
                place.parent.mkdir(parents=True, exist_ok=True)
                (draft / prefix).rename(place)


def main() -> None:
    """Install what is missing; say nothing when nothing is."""
    missing = {name: version for name, version in wanted().items() if installed(name) != version}
    if not missing:
        return
    print("setup: unpacking " + ", ".join(f"{n} {v}" for n, v in missing.items()), file=sys.stderr)
    if "--galaxy" in sys.argv:
        subprocess.run(
            [
                ROOT / ".venv/bin/ansible-galaxy",
                "collection",
                "install",
                "--force",
                "-r",
                ROOT / "collections/requirements.yml",
                "-p",
                ROOT / "collections",
            ],
            check=True,
        )
    else:
        from_pypi(missing)


if __name__ == "__main__":
    main()

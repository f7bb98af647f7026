"""What is to be installed: words of the command line, environment files, explicit lists of packages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from . import failures
from .download import Wanted


class Asked(NamedTuple):
    """What a file asks for: match specs and channels, or else explicit packages."""

    specs: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    explicit: tuple[Wanted, ...] = ()


def read(file: Path) -> Asked:
    """Read an environment file (by its name, .yml or .yaml) or a text file. Raises Failure."""
    try:
        text = file.read_text()
    except OSError as error:
        raise failures.critical(f"Cannot read file '{file}': {error.strerror}") from error
    if file.suffix in (".yml", ".yaml"):
        return from_yaml(text, file.name)
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if lines[:1] == ["@EXPLICIT"]:
        return Asked(explicit=tuple(from_url(line) for line in lines[1:]))
    return Asked(specs=tuple(lines))


def from_yaml(text: str, name: str) -> Asked:
    """Read an environment file without a pip section: that takes more than this stand-in does. Raises Failure."""
    import yaml

    try:
        content: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise failures.critical(f"Error parsing YAML file {name}: {error}") from error
    dependencies = content.get("dependencies") or [] if isinstance(content, dict) else None
    if not isinstance(dependencies, list):
        raise failures.critical(f"Error parsing YAML file {name}: no list of dependencies")
    if not all(isinstance(item, str) for item in dependencies):
        raise failures.critical(f"{name} has a pip section, which this stand-in of micromamba does not install.")
    return Asked(specs=tuple(dependencies), channels=tuple(content.get("channels") or ()))


def from_url(line: str) -> Wanted:
    """Read a line of an explicit list: URL, URL#MD5, URL#SHA256 or URL#sha256:HEX. Raises Failure."""
    url, _, mark = line.partition("#")
    name = urlsplit(url).path.rpartition("/")[2]
    if not name.endswith((".conda", ".tar.bz2")):
        raise failures.critical(f"Invalid explicit URL '{line}': not a conda package")
    digits = mark.removeprefix("sha256:")
    # By length, and what is neither is no hash, and then nothing is checked: as in libmamba.
    sha256 = digits if re.fullmatch("[0-9a-f]{64}", digits) else ""
    md5 = digits if re.fullmatch("[0-9a-f]{32}", digits) else ""
    return Wanted(url, name, sha256, md5)


def shown(name: str, version: str | None) -> str:
    """Return a spec as libmamba shows it: `name =version build`."""
    version = version or "*"
    if version[0] not in "=<>!~":
        version = "=" + version.removesuffix(".*")
    return f"{name} {version} *"

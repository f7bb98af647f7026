# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Reports as files on the control machine: read what is there, write what differs, each file in one step."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import json
import os
from pathlib import Path


def as_text(report):
    """Return a report as its file's text: the same report, the same bytes."""
    return json.dumps(report, indent=2, sort_keys=True, allow_nan=False) + "\n"


def beside(dest, ending):
    """Return the path of the file beside a report `X.json` that is named X and `ending`."""
    return str(Path(dest).with_suffix("")) + ending


def read(path):
    """Return a file's text, "" where there is none."""
    return Path(path).read_text(encoding="utf-8") if Path(path).exists() else ""


def write(files, check_mode):
    """Write the files ({path: text}) that differ, nothing in check mode; return Ansible's {"changed", "diff"}.

    Raises OSError where a folder cannot be written to.
    """
    before = {path: read(path) for path in files}
    differing = [path for path in sorted(files) if before[path] != files[path]]
    for path in [] if check_mode else differing:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        draft = Path(path + ".new")
        draft.write_text(files[path], encoding="utf-8")
        os.replace(draft, path)
    shown = [{"before": before[p], "after": files[p], "before_header": p, "after_header": p} for p in differing]
    return {"changed": bool(differing), "diff": shown}

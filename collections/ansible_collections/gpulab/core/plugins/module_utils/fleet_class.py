"""A class as a table: student, mail, budget, key; one line and one host for each student. Pure but for `read`."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

from ansible_collections.gpulab.core.plugins.module_utils import fleet, fleet_keys
from ansible_collections.gpulab.core.plugins.module_utils.fleet import FleetError

COLUMNS = ("student", "mail", "budget", "key")
REQUIRED = ("student", "key")
EXAMPLE = "class.example.csv shows one"


def table(text, name):
    """Return [(line number, {column: text})] of a class file's text; raises FleetError.

    Spreadsheets save with commas or semicolons; empty lines and lines that begin with # do not count.
    """
    head = next((line for line in text.splitlines() if line.strip() and not line.startswith("#")), "")
    reader = csv.reader(io.StringIO(text), delimiter=";" if head.count(";") > head.count(",") else ",")
    found, columns = [], None
    before = 0
    try:
        for cells in reader:
            number, before = before + 1, reader.line_num
            cells = [cell.strip() for cell in cells]
            if not any(cells) or cells[0].startswith("#"):
                continue
            if columns is None:
                columns = _columns(cells, name)
            elif len(cells) > len(columns):
                raise FleetError(
                    f"Line {number} of {name} has {len(cells)} fields, expected {len(columns)} ({', '.join(columns)}): "
                    "put a field with a comma in it into quotes."
                )
            else:
                found.append((number, dict.fromkeys(COLUMNS, "") | dict(zip(columns, cells, strict=False))))
    except csv.Error as error:
        raise FleetError(f"Line {reader.line_num} of {name} is no CSV ({error}): {EXAMPLE}.") from error
    if not found:
        raise FleetError(f"{name} has no students, expected a line for each below {','.join(COLUMNS)}: {EXAMPLE}.")
    return found


def _columns(cells, name):
    columns = [cell.lower() for cell in cells]
    unknown, missing = sorted(set(columns) - set(COLUMNS)), [c for c in REQUIRED if c not in columns]
    if unknown or missing or len(set(columns)) < len(columns):
        raise FleetError(
            f"{name} begins with the columns {', '.join(columns)[:120]}, expected {', '.join(COLUMNS)} "
            f"(mail and budget may be left out): {EXAMPLE}."
        )
    return columns


def rows(text, name, key_of):
    """Return what fleet.checked takes, [(where, {host})]; raises FleetError with a sentence for each wrong line.

    key_of: function from the name of a key file to its text; raises OSError or ValueError (not text).
    """
    result, problems = [], []
    for number, cells in table(text, name):
        where, key = f"Line {number} of {name}", cells["key"]
        host_name = fleet.slug(cells["student"])
        if not host_name:
            problems.append(
                f"{where} has the student '{cells['student']}', expected a name with Latin letters or digits."
            )
            continue
        if key and not fleet_keys.looks_like_key(key):
            try:
                key = key_of(key)
            except OSError as error:
                problems.append(
                    f"{where} names the key file {cells['key']}, which cannot be read ({error.strerror}): "
                    "put the student's .pub file there, or its text in its place."
                )
                continue
            except ValueError:
                problems.append(
                    f"{where} names the key file {cells['key']}, which is no text: put the .pub file there."
                )
                continue
        if not key.strip():
            problems.append(
                f"{where} has no key, expected {cells['student']}'s public key or the name of its .pub file."
            )
            continue
        row = {"name": host_name, "budget_usd": cells["budget"], "public_key": key}
        result.append((where, row | {field: cells[field] for field in ("student", "mail")}))
    if problems:
        raise FleetError("\n".join(problems))
    return result


def read(path):
    """Return `rows` of a class file; names of key files count from its folder. Raises FleetError."""
    file = Path(os.path.expanduser(path))

    def key_of(name):
        return (file.parent / os.path.expanduser(name)).read_text(encoding="utf-8")

    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise FleetError(
            f"The class file {file} cannot be read ({error.strerror}): give it with -e class_file=class.csv; {EXAMPLE}."
        ) from error
    except UnicodeDecodeError as error:
        raise FleetError(
            f"The class file {file} is not UTF-8 (byte {error.start}): save it as 'CSV UTF-8', or run "
            f"iconv -f WINDOWS-1252 -t UTF-8."
        ) from error
    return rows(text, file.name, key_of)

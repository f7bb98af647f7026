"""Reads a folder of captured outputs, as bin/collect-evidence writes it or as people collect it by hand."""

import os

# Bytes read of each file, from its end: what a log says last is what holds now.
_LIMIT = 4 * 1024 * 1024


def read_folder(folder):
    """Return {file name: text} of the text files (*.txt, *.rc) in a folder; what cannot be read is left out."""
    found = {}
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if not name.endswith((".txt", ".rc")) or not os.path.isfile(path):
            continue
        try:
            with open(path, "rb") as file:
                file.seek(max(0, os.path.getsize(path) - _LIMIT))
                found[name] = _text(file.read())
        except OSError:
            continue
    return found


def _text(data):
    """Decode a capture: UTF-16 with its mark (PowerShell's redirection), else UTF-8 whatever it holds."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    return data.decode("utf-8", "replace")

"""The known_hosts file of a deployment, whose hosts are pinned by their instance ids. Pure."""

from __future__ import annotations


def pinned(text):
    """Return the names that the file's lines pin."""
    return {line.split()[0] for line in text.splitlines() if line.strip() and not line.startswith("#")}


def added(text, keys):
    """Return the file's text with these keys, {instance id: ["type body"]}; who is pinned already is left as it is."""
    known = pinned(text)
    lines = [f"{name} {key}" for name in sorted(set(keys) - known) for key in keys[name]]
    before = text if not text or text.endswith("\n") else text + "\n"
    return before + "".join(line + "\n" for line in lines)

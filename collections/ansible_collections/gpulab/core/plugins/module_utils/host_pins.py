"""The known_hosts file of a deployment, whose hosts are pinned by their instance ids. Pure.

A host is pinned by lines with its own keys. One that has been launched among many is certified until then: a line with
the authority of that launch lets it in with a certificate that says its id, and is gone once its own key is known.
"""

from __future__ import annotations

from datetime import datetime, timezone

CERTIFIED = "@cert-authority"
"""The marker of sshd(8), SSH_KNOWN_HOSTS FILE FORMAT."""
UNTIL = "until="
"""What the comment of a line with that marker begins with; a time as datetime.isoformat writes it."""


def pinned(text):
    """Return the names that the file's lines pin by the hosts' own keys."""
    return {words[0] for words in _lines(text) if words[0] != CERTIFIED}


def certified(text, now):
    """Return the names that a certificate is enough for at `now` (datetime with its zone)."""
    return {words[1] for words in _lines(text) if words[0] == CERTIFIED and now < _until(words[-1])}


def unknown(text, names, now, consoles_at_most):
    """Return those of the names whose keys are to be read from their consoles.

    They are all that are not pinned; but of more than `consoles_at_most` those only that are not certified either.
    """
    known = pinned(text)
    left = [name for name in names if name not in known]
    if len(left) <= consoles_at_most:
        return left
    enough = certified(text, now)
    return [name for name in left if name not in enough]


def added(text, keys):
    """Return the file's text with these keys, {instance id: ["type body"]}; who is pinned already is left as it is.

    What has a key of its own needs no authority any more.
    """
    known = pinned(text)
    lines = [f"{name} {key}" for name in sorted(set(keys) - known) for key in keys[name]]
    return _joined(_without_authority(text, set(keys)), lines)


def vouched(text, names, authority, until):
    """Return the file's text with these names certified by `authority` ("type body") until then (a datetime)."""
    new = sorted(set(names) - pinned(text))
    stamp = until.astimezone(timezone.utc).isoformat(timespec="seconds")
    lines = [f"{CERTIFIED} {name} {' '.join(authority.split()[:2])} {UNTIL}{stamp}" for name in new]
    return _joined(_without_authority(text, set(new)), lines)


def _lines(text):
    """Return the words of each line that is no comment."""
    return [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def _until(comment):
    """Return the time in a line's comment; long ago where it has none that we wrote."""
    try:
        return datetime.fromisoformat(comment.removeprefix(UNTIL)).astimezone(timezone.utc)
    except ValueError:
        return datetime.min.replace(tzinfo=timezone.utc)


def _without_authority(text, names):
    """Return the text without the lines that certify these names."""
    kept = [line for line in text.splitlines(keepends=True) if not _certifies(line.split(), names)]
    return "".join(kept)


def _certifies(words, names):
    return len(words) > 1 and words[0] == CERTIFIED and words[1] in names


def _joined(text, lines):
    """Return the text and the lines, each line with its end."""
    before = text if not text or text.endswith("\n") or not lines else text + "\n"
    return before + "".join(line + "\n" for line in lines)

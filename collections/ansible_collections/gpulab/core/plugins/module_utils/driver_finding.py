"""What a rule of the doctor returns: a verdict for this case, or None. Pure."""

from collections import namedtuple

_Finding = namedtuple("_Finding", ("verdict", "sentence", "proof", "actions", "repair"))


def finding(verdict, sentence, proof, actions=None, repair=None):
    """Return a finding; actions and repair replace the usual ones of the verdict, and an empty list means that none
    helps.
    """
    return _Finding(verdict, sentence, [line for line in proof if line], actions, repair)

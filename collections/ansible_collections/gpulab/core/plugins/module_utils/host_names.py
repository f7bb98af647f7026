"""How a host's name is kept in tags. Pure.

A host launched alone carries it in gpulab:host. Many that are launched by one call all get the same tags, so these hold
the list of all names, and AWS's AmiLaunchIndex, which counts from 0 within a call, says whose is which: no call per
host. A value has 256 characters at most
(https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html#tag-restrictions), so a long list goes on in
gpulab:hosts-2, -3 and so on.
"""

from __future__ import annotations

HOST_TAG = "gpulab:host"
HOSTS_TAG = "gpulab:hosts"
LONGEST = 256
MOST_TAGS = 30
"""Of the 50 tags that a resource may have, the rest is for what else is told of a host."""


def name_tags(names):
    """Return the tags that name the hosts of one launch, in the order of their AmiLaunchIndex."""
    if len(names) == 1:
        return {HOST_TAG: names[0]}
    lines = [""]
    for name in names:
        longer = f"{lines[-1]} {name}".strip()
        if len(longer) > LONGEST:
            lines.append(name)
        else:
            lines[-1] = longer
    return {HOSTS_TAG if not n else f"{HOSTS_TAG}-{n + 1}": line for n, line in enumerate(lines)}


def groups(names):
    """Return the names in groups that fit into the tags of one launch each, in order: mostly one."""
    found: list[list[str]] = [[]]
    for name in names:
        if len(name_tags([*found[-1], name])) > MOST_TAGS:
            found.append([])
        found[-1].append(name)
    return [group for group in found if group]


def name_of(tags, launch_index=0):
    """Return the name that an instance with these tags (a dict) and this AmiLaunchIndex has, "" if they give none."""
    if HOST_TAG in tags:
        return tags[HOST_TAG]
    names = tags.get(HOSTS_TAG, "").split()
    number = 2
    while f"{HOSTS_TAG}-{number}" in tags:
        names += tags[f"{HOSTS_TAG}-{number}"].split()
        number += 1
    return names[launch_index] if launch_index < len(names) else ""

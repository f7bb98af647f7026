"""The rules of the deployment's security group: ours, and those that somebody else added. Pure."""

from __future__ import annotations

RULE_PREFIX = "gpulab: ssh from"
NOTEBOOK_PREFIX = "gpulab: notebook from"
_PREFIXES = (RULE_PREFIX, NOTEBOOK_PREFIX)
_SOURCES = ("IpRanges", "Ipv6Ranges", "UserIdGroupPairs", "PrefixListIds")


def changes(permissions, cidrs, notebook_cidrs=(), notebook_port=8888, purge=False):
    """Return (authorize, revoke): the IpPermissions to add to the group and those to take away.

    permissions: IpPermissions of DescribeSecurityGroups, [] for a group to be made. Ours are told by their description
    and follow the caller's address; rules that somebody else added to the group stay, unless `purge` says otherwise.
    notebook_cidrs: networks that may reach a public notebook; without them its rule goes.
    """
    wanted = {(22, RULE_PREFIX, c) for c in cidrs} | {(notebook_port, NOTEBOOK_PREFIX, c) for c in notebook_cidrs}
    there = single(permissions)
    ours = {_key(permission, source) for permission, source in there if _prefix(source)}
    authorize = [_opened(*rule) for rule in sorted(wanted - ours)]
    revoke = [
        permission
        for permission, source in there
        if (
            purge if not _prefix(source) else (permission.get("FromPort"), _prefix(source), _cidr(source)) not in wanted
        )
    ]
    return authorize, revoke


def foreign_rules(permissions):
    """Return the rules of a group that are not ours, in words: "tcp 443 from 10.0.0.0/8 (the office)"."""
    return [_text(permission, source) for permission, source in single(permissions) if not _prefix(source)]


def single(permissions):
    """Return [(permission, source)]: each permission with one of its sources alone."""
    found = []
    for permission in permissions:
        ports = {key: permission[key] for key in ("IpProtocol", "FromPort", "ToPort") if key in permission}
        for kind in _SOURCES:
            found += [(dict(ports, **{kind: [source]}), source) for source in permission.get(kind, [])]
    return found


def _key(permission, source):
    return permission.get("FromPort"), _prefix(source), _cidr(source)


def _opened(port, prefix, cidr):
    kind, key = ("Ipv6Ranges", "CidrIpv6") if ":" in cidr else ("IpRanges", "CidrIp")
    source = {key: cidr, "Description": f"{prefix} {cidr}"}
    return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, kind: [source]}


def _text(permission, source):
    ports = sorted({permission[end] for end in ("FromPort", "ToPort") if end in permission})
    protocol = "all" if permission["IpProtocol"] == "-1" else permission["IpProtocol"]
    what = " ".join([protocol, "-".join(str(port) for port in ports)]).strip()
    named = _cidr(source) or source.get("GroupId") or source.get("PrefixListId")
    return f"{what} from {named}" + (f" ({source['Description']})" if source.get("Description") else "")


def _cidr(source):
    return source.get("CidrIp") or source.get("CidrIpv6")


def _prefix(source):
    """Return which of our rules a source belongs to, None for somebody else's."""
    return next((p for p in _PREFIXES if source.get("Description", "").startswith(p)), None)

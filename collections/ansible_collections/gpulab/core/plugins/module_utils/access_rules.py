"""The rules of the deployment's security group: ours, and those that somebody else added. Pure."""

from __future__ import annotations

RULE_PREFIX = "gpulab: ssh from"
NOTEBOOK_PREFIX = "gpulab: notebook from"
_PREFIXES = (RULE_PREFIX, NOTEBOOK_PREFIX)


def security_group_rules(permissions, cidrs, notebook_cidrs=(), notebook_port=8888, purge=False):
    """Return (rules, changed): the ingress rules our group should have, in amazon.aws.ec2_security_group's form.

    permissions: IpPermissions of DescribeSecurityGroups, [] for a group to be made. Ours are told by their description
    and replaced when the caller's address moved; rules that somebody else added to the group are kept, unless `purge`
    says otherwise. notebook_cidrs: networks that may reach a public notebook; without them its rule goes.
    """
    opened = {(22, RULE_PREFIX, c) for c in cidrs} | {(notebook_port, NOTEBOOK_PREFIX, c) for c in notebook_cidrs}
    wanted = [
        {"proto": "tcp", "ports": [port], _cidr_key(c): c, "rule_desc": f"{prefix} {c}"}
        for port, prefix, c in sorted(opened)
    ]
    foreign = [] if purge else foreign_rules(permissions)
    ours = {
        (permission.get("FromPort"), _prefix(source), _cidr(source))
        for permission in permissions
        for source in _sources(permission)
        if _prefix(source)
    }
    return wanted + foreign, ours != opened or (purge and foreign_rules(permissions) != [])


def foreign_rules(permissions):
    """Return the rules of a group that are not ours, in the form of security_group_rules."""
    found = []
    for permission in permissions:
        for source in _sources(permission):
            if not _prefix(source):
                found.append(_described(permission, source, **{_cidr_key(_cidr(source)): _cidr(source)}))
        for source in permission.get("UserIdGroupPairs", []):
            found.append(_described(permission, source, group_id=source["GroupId"]))
        for source in permission.get("PrefixListIds", []):
            found.append(_described(permission, source, ip_prefix=source["PrefixListId"]))
    return found


def rule_text(rule):
    """Return a rule of security_group_rules in words: "tcp 443 from 10.0.0.0/8 (the office)"."""
    ports = rule.get("ports") or sorted({rule[end] for end in ("from_port", "to_port") if end in rule})
    source = next(rule[kind] for kind in ("cidr_ip", "cidr_ipv6", "group_id", "ip_prefix") if kind in rule)
    what = " ".join([rule["proto"], "-".join(str(port) for port in ports)]).strip()
    return f"{what} from {source}" + (f" ({rule['rule_desc']})" if "rule_desc" in rule else "")


def _sources(permission):
    return permission.get("IpRanges", []) + permission.get("Ipv6Ranges", [])


def _cidr(source):
    return source.get("CidrIp") or source.get("CidrIpv6")


def _prefix(source):
    """Return which of our rules a source belongs to, None for somebody else's."""
    return next((p for p in _PREFIXES if source.get("Description", "").startswith(p)), None)


def _cidr_key(cidr):
    return "cidr_ipv6" if ":" in cidr else "cidr_ip"


def _ports(permission):
    if permission["IpProtocol"] == "-1":
        return {"proto": "all"}
    return {"proto": permission["IpProtocol"], "from_port": permission["FromPort"], "to_port": permission["ToPort"]}


def _described(permission, source, **rule):
    if source.get("Description"):
        rule["rule_desc"] = source["Description"]
    return dict(_ports(permission), **rule)

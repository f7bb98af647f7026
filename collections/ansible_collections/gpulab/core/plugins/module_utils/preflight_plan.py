"""The preflight's table: for each thing that a launch needs, what was found, what is needed, what to type. Pure."""

from __future__ import annotations

from typing import NamedTuple

from ansible_collections.gpulab.core.plugins.module_utils import launch_plan, text_table
from ansible_collections.gpulab.core.plugins.module_utils.aws_errors import DENIED, MOST_SKEW_SECONDS, clock

OK, STOPS, UNKNOWN = "ok", "stops", "unknown"
CHECKS = {
    "caller": "credentials",
    "instances": "hosts",
    "network": "network",
    "subnets": "network",
    "groups": "access",
    "cidrs": "access",
    "remote_key": "key pair",
    "elsewhere": "hosts",
    "zones": "type",
    "image": "AMI",
}
"""The part of the evidence that was refused -> the check that cannot be made without it."""
WIDEST = (14, 44, 30, 60)
"""Characters of the table's columns, at most."""
NOT_LOOKED_AT = "not looked at"
ADMINISTRATOR = "ask the account's administrator for them; docs/iam-policy.json has all that is needed"


class Refusal(NamedTuple):
    """What could not be learnt: AWS's code (None if nobody answered), our sentence, the operation that was called."""

    code: str | None
    sentence: str
    action: str


class Row(NamedTuple):
    """One check: its name, ok | stops | unknown, what was found, what is needed, what to type ("" if all is well)."""

    check: str
    state: str
    found: str
    needed: str
    fix: str = ""


def rows(request, evidence, refusals, problems, answer):
    """Return the Rows, in the order in which a launch needs them.

    evidence, refusals ({part: Refusal}): preflight_evidence.gather's. problems: launch_plan's, of request and evidence.
    answer: the plan, or None where it could not be made. A check that another one's failure made impossible is unknown.
    """
    made = [*_account(evidence, refusals), *_launch(request, evidence, problems), *_money(request, answer)]
    if evidence["caller"] is None:
        free = ("settings", "credentials", "clock", "region")
        made = [row if row.check in free else row._replace(state=UNKNOWN, found=NOT_LOOKED_AT, fix="") for row in made]
    blind = {}
    for part, refusal in refusals.items():
        if part in CHECKS and CHECKS[part] not in blind:
            blind[CHECKS[part]] = halves(refusal.sentence)
    return [_judged(row, blind, problems) for row in made]


def _judged(row, blind, problems):
    """Return the Row with what stops a launch: evidence that could not be had, else the problems found in it."""
    if row.check in blind:
        found, fix = blind[row.check]
        return (
            row if row.check == "credentials" and row.state != OK else row._replace(state=STOPS, found=found, fix=fix)
        )
    mine = [halves(problem.sentence) for problem in problems if problem.check == row.check]
    if not mine or row.check == "quota" or row.found == NOT_LOOKED_AT:
        return row
    return row._replace(state=STOPS, found="; ".join(f for f, _ in mine), fix="; ".join(f for _, f in mine))


def stopping(made):
    """Return the names of the checks that stop a launch."""
    return [row.check for row in made if row.state == STOPS]


def lines(made):
    """Return the Rows as the lines of an aligned table: what stops begins with !, what is unknown with ?."""
    marks = {OK: " ", STOPS: "!", UNKNOWN: "?"}
    told = [(f"{marks[row.state]} {row.check}", row.found, row.needed, row.fix) for row in made]
    return text_table.lines([("  check", "found", "needed", "what to type"), *told], WIDEST)


def halves(sentence):
    """Split one of our sentences into what was found and what to type: at its first colon outside of brackets."""
    depth = 0
    for at, sign in enumerate(sentence):
        depth += {"(": 1, ")": -1}.get(sign, 0)
        if depth == 0 and sentence.startswith(": ", at):
            return sentence[:at], sentence[at + 2 :].rstrip(".")
    return sentence, ""


def _account(evidence, refusals):
    """Credentials, clock, region and permissions."""
    caller, region, status = evidence["caller"], evidence["region"], evidence["region_status"]
    who = f"account ending in {caller['Account'][-4:]}, {caller['Arn'].split(':')[-1]}" if caller else NOT_LOOKED_AT
    closed = status == "not-opted-in"
    yield Row("credentials", UNKNOWN if closed and not caller else OK, who, "credentials that AWS takes")
    skew, limit = evidence["skew"], f"within {MOST_SKEW_SECONDS // 60} minutes of AWS's"
    if skew is None:
        yield Row("clock", UNKNOWN, "AWS did not tell its time", limit, "compare `date -u` with a watch")
    elif abs(skew) > MOST_SKEW_SECONDS:
        yield Row("clock", STOPS, f"this machine's is {clock(skew)}", limit, "timedatectl set-ntp true")
    else:
        yield Row("clock", OK, clock(skew), limit)
    if closed:
        fix = f"aws account enable-region --region-name {region}, or -e aws_region=us-east-1"
        yield Row("region", STOPS, f"{region} is not enabled for this account", "an enabled region", fix)
    else:
        known = status or ("it answers" if caller else None)
        found = f"{region}, {known}" if known else NOT_LOOKED_AT
        yield Row("region", OK if known else UNKNOWN, found, "an enabled region")
    yield _permissions(evidence["dry_runs"], refusals)
    yield _guards(evidence["guards"])


def _guards(denied):
    """denied: the actions, or a text where nobody could say."""
    needed = "to set the deadline and the alarm"
    if isinstance(denied, str):
        return Row("guards", UNKNOWN, denied, needed)
    if denied:
        return Row("guards", STOPS, f"denied: {', '.join(denied)}", needed, ADMINISTRATOR)
    return Row("guards", OK, "allowed, as IAM's simulator has it", needed)


def _permissions(asked, refusals):
    needed = "to launch, tag and open SSH"
    denied = sorted(action for action, told in asked.items() if told == "denied")
    denied += sorted({one.action for one in refusals.values() if one.code in DENIED})
    unsure = sorted(f"{action} ({told})" for action, told in asked.items() if told not in ("allowed", "denied"))
    if denied:
        return Row("permissions", STOPS, f"denied: {', '.join(denied)}", needed, ADMINISTRATOR)
    if unsure:
        return Row("permissions", UNKNOWN, f"AWS would not say: {', '.join(unsure)}", needed)
    return Row("permissions", OK, f"allowed: {', '.join(sorted(asked)) or 'all that was asked'}", needed)


def _launch(request, evidence, problems):
    """What the user asked for, and what a launch finds in the account."""
    names, hosts, key = request["hosts"], evidence["hosts"], evidence["key"]
    missing = len(launch_plan.missing(names, hosts))
    asked = f"profile {request['gpu_profile']}, {request['market']}, {_count(len(names), 'host')}"
    yield Row("settings", OK, asked, "values that can be meant")
    there = ", ".join(f"{h['name']} ({h['id']}, {h['state']})" for h in hosts)
    yield Row("hosts", OK, there or "none yet", "one instance for each name")
    where = [f"{kind} in {_count(len(zones), 'zone')}" for kind, zones in evidence["zones"].items()]
    types = ", ".join(request["instance_types"]) or "none given"
    yield Row("type", OK, ", ".join(where) or "all hosts exist", f"one of {types}")
    yield Row("AMI", OK, (evidence["image"] or {}).get("name", "none"), f"an AMI of profile {request['gpu_profile']}")
    yield _quota(evidence["quotas"], missing, problems)
    free = sum(subnet["free"] for subnet in evidence["subnets"])
    found = f"{evidence['vpc_id']}, {_count(len(evidence['subnets']), 'subnet')}, {free} free addresses"
    if missing > free and evidence["vpc_id"] and evidence["subnets"]:
        fix = "-e gpu_subnet_id=subnet-... of a larger subnet, or remove what is not needed"
        yield Row("network", STOPS, found, _count(missing, "free address", "es"), fix)
    else:
        yield Row("network", OK, found, _count(missing, "free address", "es"))
    pair = f"{key['name']}, {'imported' if key['remote'] else 'to be imported'}"
    yield Row("key pair", OK, pair, f"the key {key['file']}" if key["local"] else "a key, which is made")
    yield Row("access", OK, f"SSH from {', '.join(evidence['cidrs']) or 'nobody'}", "your own address")


def _quota(quotas, missing, problems):
    needed = f"vCPUs for {missing} more"
    if not quotas:
        return Row("quota", *((UNKNOWN, NOT_LOOKED_AT) if missing else (OK, "nothing is to be launched")), needed)
    one = next((q for q in quotas if q["enough"]), quotas[0])
    if one["applied"] is None:
        return Row("quota", UNKNOWN, f"{one['code']} could not be read", needed, "allow servicequotas:GetServiceQuota")
    found = f"{one['applied']:g} vCPUs ({one['code']}), {one['in_use']} in use, {one['needed']} needed"
    if not any(problem.check == "quota" for problem in problems):
        return Row("quota", OK, found, needed)
    return Row("quota", STOPS, f"{found}. {one['request']}".strip(" ."), needed, "ansible-playbook request-quota.yml")


def _money(request, answer):
    """The price of an hour, and how long the budget lasts."""
    cap = request["max_hourly_usd"]
    needed = f"${cap:g} an hour at most" if cap else "no limit (max_hourly_usd)"
    price = answer["price"] if answer and answer["run_seconds"] else None
    if price is None:
        yield Row("price", UNKNOWN, "unknown", needed)
        yield Row("budget", UNKNOWN, f"${request['budget_usd']:g} for each host, hours unknown", "time to work")
        return
    told = f"${price['usd_per_hour']:.3f} an hour for {answer['instance_type']} ({price['source']}, {price['date']})"
    yield Row("price", OK, told, needed)
    hours, together = answer["run_seconds"] / 3600, answer["money"]["budget_usd"]
    each = f"${request['budget_usd']:g} a host, {hours:.1f} hours until it is stopped; ${together:.2f} for all"
    yield Row("budget", OK, each, "time to work")


def _count(number, thing, plural="s"):
    return f"{number} {thing}{'' if number == 1 else plural}"

"""The access sheet of each student of a class: one page that says all of one host and nothing of another. Pure."""

from __future__ import annotations

import base64
import hashlib

from ansible_collections.gpulab.core.plugins.module_utils import budget

TOKEN = ".local/share/gpulab/notebook-token"
"""Where jupyter_server keeps the notebook's token, in the home folder of the login user."""
MINUTE, HOUR = 60, 3600


def fingerprints(known_hosts, alias):
    """Return ["ED25519 SHA256:..."] of the keys that are pinned under `alias`, as ssh shows them to who logs in."""
    found = []
    for words in (line.split() for line in known_hosts.splitlines()):
        if len(words) >= 3 and words[0] == alias:
            digest = base64.b64encode(hashlib.sha256(base64.b64decode(words[2])).digest()).decode().rstrip("=")
            found.append(f"{words[1].replace('ssh-', '').split('-')[0].upper()} SHA256:{digest}")
    return sorted(found)


def duration(seconds):
    """Return seconds as a person says them: "9 h 30 min"."""
    return f"{int(seconds) // HOUR} h {int(seconds) % HOUR // MINUTE:02d} min"


def sheet(host, found, money, known_hosts, port):
    """Return a sheet's text (Markdown); what is not known is left out.

    host: a fleet host with a student. found: the same host of ec2_deployment_info. money: what the guards say of it
    (guard_money.money), {} where nothing is known. known_hosts: the text of the file with the pinned host keys. port:
    the notebook's on the host.
    """
    login, address = found["tags"].get("gpulab:login", "ubuntu"), found["address"]
    usd, rate = money.get("budget_usd") or host["budget_usd"], money.get("usd_per_hour")
    hours = f", which is {duration(budget.run_seconds(usd, rate))} at ${rate:.3f} an hour" if rate else ""
    lines = [
        f"# A GPU notebook for {host['student']}",
        "",
        f"Host: {host['name']}, {found['type']} at {address or 'no address (it is stopped)'}, login {login}.",
        f"Budget: ${usd:.2f}{hours}.",
    ]
    if not address:
        lines += ["", "Ask for it to be started, and for this sheet again: the address is new then."]
        return "\n".join(lines) + "\n"
    if money.get("deadline"):
        end = money["deadline"][:16].replace("T", " ")
        lines += [f"Until: {end} UTC if it runs on; stopped earlier, it keeps what is left."]
    ssh = f"ssh -i YOUR_PRIVATE_KEY {login}@{address}"
    lines += ["", "## Log in", "", f"    {ssh}", "", "YOUR_PRIVATE_KEY is the file whose .pub you sent in."]
    keys = fingerprints(known_hosts, found["id"])
    if keys:
        lines += ["The first time, ssh asks whether this is the right host. It is, if it shows one of:", ""]
        lines += [f"    {key}" for key in keys]
    else:
        lines += ["The host's own key is not known yet: ask for this sheet again before you log in."]
    tunnel = ssh.replace("ssh ", f"ssh -N -L {port}:127.0.0.1:{port} ", 1)
    lines += ["", "## Open the notebook", "", "Leave this running in a terminal of its own:", "", f"    {tunnel}", ""]
    lines += [f"and open http://127.0.0.1:{port} in a browser. It asks for a token, which this tells:", ""]
    lines += [f"    {ssh} cat {TOKEN}", ""]
    lines += ["At the end of the budget the host is stopped: your files stay, and nothing more is computed."]
    return "\n".join(lines) + "\n"


def sheets(hosts, found, money, known_hosts, port=8888):
    """Return {file name: text} for every student's host that exists.

    hosts, found: lists of what `sheet` takes. money: {host name: what the guards say}.
    """
    by_name = {one["name"]: one for one in found}
    return {
        f"{host['name']}.md": sheet(host, by_name[host["name"]], money.get(host["name"], {}), known_hosts, port)
        for host in hosts
        if host["student"] and host["name"] in by_name
    }

"""What the notebook server says about a host's use: its kernels and terminals. Python 3.5+."""

import calendar
import json
import os
import pwd
import re
import ssl
import subprocess
import time
from urllib.error import HTTPError
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

from .decision import Sign

SERVICE = "gpulab-jupyter.service"
SETTINGS = "/etc/gpulab/jupyter/config.py"
TOKEN = ".local/share/gpulab/notebook-token"
"""Where the role jupyter_server puts them; the token is in the service's user's home."""
SECONDS = 10


class Unknown(Exception):
    """The server cannot be asked; the text says why."""


def signs(now):
    """Return the notebook's signs of use. now: seconds since 1970."""
    try:
        user = serving_user(shown(SERVICE))
        if user is None:
            return []
        base, token = base_address(text_of(SETTINGS)), text_of(os.path.join(home_of(user), TOKEN)).strip()
        kernels = ask(base + "/api/kernels", token)
        # Servers before 2016, and those without terminals, do not have them.
        terminals = ask(base + "/api/terminals", token, missing=[])
        return kernel_signs(kernels, now) + terminal_signs(terminals, now)
    except Unknown as error:
        return [Sign("the notebook server cannot be asked (%s)" % error, 0)]


def shown(unit):
    """Return what systemd says of a service, {} where there is no systemd. Raises Unknown when it does not answer."""
    command = ["systemctl", "show", unit, "--property=ActiveState,User"]
    try:
        text = subprocess.check_output(command, stderr=subprocess.DEVNULL, timeout=SECONDS).decode()
    except FileNotFoundError:
        return {}
    except (OSError, subprocess.SubprocessError) as error:
        raise Unknown("systemctl: %s" % error) from error
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def serving_user(properties):
    """Return who the service runs as, None while it does not run."""
    if properties.get("ActiveState") not in ("active", "activating", "reloading"):
        return None
    return properties.get("User") or "root"


def home_of(user):
    """Return a user's home. Raises Unknown."""
    try:
        return pwd.getpwnam(user).pw_dir
    except KeyError:
        raise Unknown("there is no user %s" % user) from None


def text_of(path):
    """Return a file's text. Raises Unknown."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError as error:
        raise Unknown("%s: %s" % (path, error.strerror)) from error


def base_address(settings):
    """Return where the server answers on this host, from the line that the role writes for it. Raises Unknown."""
    found = re.search(r"(?m)^# gpulab: (https?) (\d+)$", settings)
    if not found:
        raise Unknown("%s does not say its port" % SETTINGS)
    return "%s://127.0.0.1:%s" % found.groups()


def ask(address, token, missing=None):
    """Return the JSON of an answer; `missing` (where given) when the server does not know the address. Raises Unknown.

    The call stays on the host: no proxy, and the certificate names another address.
    """
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    opener = build_opener(ProxyHandler({}), HTTPSHandler(context=context))
    request = Request(address, headers={"Authorization": "token " + token})
    try:
        return json.loads(opener.open(request, timeout=SECONDS).read().decode("utf-8"))
    except HTTPError as error:
        if error.code == 404 and missing is not None:
            return missing
        raise Unknown("it answers %d" % error.code) from error
    except Exception as error:  # a connection may break in as many ways as there are layers below
        raise Unknown(str(error)) from error


def kernel_signs(kernels, now):
    """Return a sign for each kernel: computing, or when it last did something."""
    found = []
    for kernel in kernels:
        name = "kernel %s" % str(kernel.get("id", ""))[:8]
        state, age = kernel.get("execution_state"), age_of(kernel, now)
        if state is None or age is None:
            found.append(Sign("%s runs on a server too old to say whether it computes" % name, 0))
        elif state == "idle":
            found.append(Sign("%s of a notebook computed" % name, age))
        elif state != "dead":
            found.append(Sign("%s of a notebook is %s" % (name, state), 0))
    return found


def terminal_signs(terminals, now):
    """Return a sign for each terminal in the browser that says when it was used; others are seen as devices."""
    ages = [(terminal.get("name"), age_of(terminal, now)) for terminal in terminals]
    return [Sign("terminal %s in the browser was used" % name, age) for name, age in ages if age is not None]


def age_of(entry, now):
    """Return the seconds since an entry's last activity (UTC, ISO 8601); None where it has none that can be read."""
    try:
        then = calendar.timegm(time.strptime(str(entry.get("last_activity"))[:19], "%Y-%m-%dT%H:%M:%S"))
    except ValueError:
        return None
    return max(0, now - then)

"""What a host says of its notebook server: sockets, processes, the systemd unit, the installed packages. Thin I/O."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import contextlib
import glob
import os
import pwd

from ansible_collections.gpulab.core.plugins.module_utils import jupyter_generation, jupyter_listeners
from ansible_collections.gpulab.core.plugins.module_utils.environment_host import read

KEY = "GPULAB_JUPYTER_KEY"
"""Environment variable of the service by which a running server tells what it was started with."""


def installed(prefix):
    """{distribution: version} of an environment, without running it."""
    entries = []
    for folder in glob.glob(os.path.join(prefix, "lib", "python*", "site-packages")):
        entries += os.listdir(folder)
    return jupyter_generation.distributions(entries)


def user_name(uid):
    """The name of a user, or the number when it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def program(pid):
    """A process's command line, shortened; "" when it is gone."""
    return read("/proc/%d/cmdline" % pid).replace("\0", " ").strip()[:120]


@contextlib.contextmanager
def _as_owner_of(pid):
    """Look as the user of a process: root may not look into others' where it has no CAP_SYS_PTRACE (containers)."""
    try:
        owner = os.stat("/proc/%d" % pid)
    except OSError:  # gone: there is nothing to look at
        owner = None
    if owner is None or os.geteuid() != 0:
        yield
        return
    group = os.getegid()
    os.setegid(owner.st_gid)
    os.seteuid(owner.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)


def _environ(pid):
    """The environment that a process was started with; empty when it may not be read."""
    with _as_owner_of(pid):
        text = read("/proc/%d/environ" % pid)
    return dict(word.split("=", 1) for word in text.split("\0") if "=" in word)


def _inodes(pid):
    """Socket inodes that a process holds; empty when it may not be looked into."""
    with _as_owner_of(pid):
        return _socket_links("/proc/%d/fd/*" % pid)


def _socket_links(pattern):
    found = set()
    for link in glob.glob(pattern):
        try:
            target = os.readlink(link)
        except OSError:  # closed meanwhile, or somebody else's
            continue
        if target.startswith("socket:["):
            found.add(int(target[8:-1]))
    return found


def listening():
    """All listening TCP sockets of the host."""
    return jupyter_listeners.listeners(read("/proc/net/tcp"), read("/proc/net/tcp6"))


def listening_of(pid):
    """The listening sockets of one process."""
    mine = _inodes(pid)
    return [socket for socket in listening() if socket.inode in mine]


def holders(port):
    """Who listens on a port: dicts with address, user, pid and program (0 and "" where the process cannot be seen)."""
    wanted = {s.inode: s for s in listening() if s.port == port}
    found = {}  # type: dict[int, int]
    for folder in glob.glob("/proc/[0-9]*") if wanted else ():
        pid = int(os.path.basename(folder))
        for inode in _inodes(pid).intersection(wanted):
            # A socket is often held by a process and its children: the oldest is the one that opened it.
            found[inode] = min(pid, found.get(inode, pid))
    return [
        {
            "address": s.address,
            "user": user_name(s.uid),
            "pid": found.get(s.inode, 0),
            "program": program(found.get(s.inode, 0)),
        }
        for s in sorted(wanted.values())
    ]


def unit(run_command, name):
    """A systemd service: loaded, state (active, failed, ...), result, pid (0: none), key (it was started with)."""
    code, out, _err = run_command(["systemctl", "show", name, "--property=LoadState,ActiveState,MainPID,Result"])
    if code:
        return {"loaded": False, "state": "unknown", "pid": 0, "result": "", "key": ""}
    said = dict(line.split("=", 1) for line in out.splitlines() if "=" in line)
    pid = int(said.get("MainPID") or 0)
    return {
        "loaded": said.get("LoadState") == "loaded",
        "state": said.get("ActiveState", "unknown"),
        "pid": pid,
        "result": said.get("Result", ""),
        "key": _environ(pid).get(KEY, "") if pid else "",
    }


def journal(run_command, name, lines):
    """The last lines of a service's journal."""
    _code, out, _err = run_command(
        ["journalctl", "--unit", name, "--lines", str(lines), "--no-pager", "--output", "cat"]
    )
    return out.splitlines()[-lines:]

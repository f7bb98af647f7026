"""The run as a page to read: docs/repair-in-a-vm.md.

python -m tests.vm.transcript     do the run and write the page (some minutes)
"""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Iterator

from rehearsal import settings
from rehearsal.podman import PodmanError
from tests.vm import scenario
from tests.vm.machine import VmError
from tests.vm.scenario import Run, Step

PAGE = settings.ROOT / "docs/repair-in-a-vm.md"
PROMPTS = {"guest": "root@gpu-vm:~# ", "control": "$ "}
WIDTH = 160
INTRODUCTION = """\
# A repair in a virtual machine

What `repair-drivers.yml` did to a Debian 12 host whose NVIDIA driver was upgraded by halves, in QEMU, with the kernel,
modules and restart of its own that containers lack. `python -m tests.vm.transcript` wrote it; `bin/test --vm tests/vm`
does the same run and checks it. Ansible's output is shortened to the tasks that changed, failed or said something; the
repair begins by telling verdict and plan once more, which is left out.

Real: Debian's kernel, GRUB, DKMS and NVIDIA packages, NVIDIA's 535 module (built by DKMS outside, because an emulated
processor would take hours) and everything that Ansible does. Stand-ins, because there is no GPU: `lspci`, which lists a
Tesla T4, and the *older* module that is loaded and installed at first, since NVIDIA's own stays loaded only with a GPU.
So the end is no working GPU, and is not called one: NVIDIA's module is loaded, looks for a GPU, and finds none.
"""
TITLES = {
    "uname": "## The host, before",
    "ansible-playbook repair-drivers.yml -i my-hosts.yml --check": "## What would be done",
    "ansible-playbook repair-drivers.yml -i my-hosts.yml -e": "## The repair",
    "dmesg": "## The host, after the restart",
}
END = """\
The host restarted itself {times}: its boot id was `{before}` and is `{after}`.
"""
_TASK = re.compile(r"^(?:TASK|PLAY|RUNNING HANDLER) ")
_QUIET = re.compile(r"^(?:ok|skipping|included): .*(?<!=> )$|^ASYNC |^\s*$")
_TITLE = re.compile(r"^(TASK|PLAY RECAP|PLAY)(?: \[(?:\w+ : )?(.*?)\])? \*+$")


def told(output: str, again: bool = False) -> list[str]:
    """Ansible's output without the tasks that only went well; `again`: without the verdict and the plan, too."""
    kept: list[str] = []
    for block in _blocks(output.splitlines()):
        if again and " : tell | " in block[0]:
            continue
        body = [line.rstrip() for line in _result(block[1:]) if not _QUIET.match(line)]
        if body:
            kept += [_TITLE.sub(lambda found: " ".join(filter(None, found.groups())), block[0]), *body]
    return kept


def _result(lines: list[str]) -> list[str]:
    """Without what Ansible says of a failure before it gives the result that says the same."""
    failed = next((number for number, line in enumerate(lines) if line.startswith("fatal: ")), None)
    return lines if failed is None else lines[failed:]


def _blocks(lines: list[str]) -> Iterator[list[str]]:
    """Each task's heading with what follows it."""
    block: list[str] = []
    for line in lines:
        if _TASK.match(line) and block:
            yield block
            block = []
        block.append(line)
    yield block


def shown(step: Step) -> list[str]:
    """A step as it looked in a terminal, lines cut at WIDTH."""
    again = "--check" not in step.typed
    lines = told(step.output, again) if step.where == "control" else step.output.splitlines()
    return [PROMPTS[step.where] + step.typed, *(line[:WIDTH] for line in lines)]


def render(run: Run) -> str:
    """The page."""
    parts, titles, block = [INTRODUCTION], dict(TITLES), list[str]()
    for step in run.steps:
        if title := next((title for title in titles if step.typed.startswith(title)), None):
            parts += [*_fenced(block), titles.pop(title)]
            block = []
        block += shown(step)
    times = "once" if run.restarts == 1 else f"{run.restarts} times"
    parts += [*_fenced(block), END.format(times=times, before=run.boots[0], after=run.boots[1])]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _fenced(lines: list[str]) -> list[str]:
    return ["\n".join(["```console", *lines, "```"])] if lines else []


def main() -> None:
    """The command line."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the machine goes too
    try:
        page = render(scenario.run())
    except (PodmanError, VmError) as error:
        sys.exit(f"vm: {error}")
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page)
    print(PAGE.relative_to(settings.ROOT))


if __name__ == "__main__":
    main()

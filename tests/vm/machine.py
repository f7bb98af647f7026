"""One virtual machine under QEMU's emulator: start, talk to it by QMP and ssh, and be rid of it in every case.

Emulation (tcg) even where /dev/kvm exists: there are machines on which KVM opens and then never boots a guest.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import re
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path
from queue import Empty, Queue
from types import TracebackType
from typing import Any

from tests.vm import recipe

QEMU = "qemu-system-x86_64"
HARDWARE = (
    *(QEMU, "-nodefaults", "-machine", "q35", "-accel", "tcg,tb-size=512"),
    # Newer processors have instructions that programs prefer and that take longer to emulate; several take longer, too.
    *("-cpu", "Nehalem", "-smp", "1", "-m", str(recipe.MEMORY_MB)),
)
"""What a snapshot is for, and for nothing else."""
BOOT_SECONDS = 600.0
"""Until ssh answers; half a minute on two idle cores, so this only ends what hangs."""
ANSWER_SECONDS = 120.0
COMMAND_SECONDS = 600.0
_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)
_POLL_SECONDS = 0.2


class VmError(RuntimeError):
    """The machine cannot be had, or did not do what it was told; one sentence."""


def qemu_version() -> str:
    """The first line of QEMU's --version. Raises VmError when it is not installed."""
    if not shutil.which(QEMU) or not shutil.which("qemu-img"):
        raise VmError(f"{QEMU} and qemu-img are not installed: run bin/setup --vm (as root).")
    done = subprocess.run([QEMU, "--version"], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[0]


def command(disk: Path, form: str, console: Path, state: Path | None) -> list[str]:
    """QEMU's command line: `form` is the disk's (raw, qcow2), `state` a memory image to go on from.

    Port 22 of the guest becomes a port of 127.0.0.1 that the system chooses; nothing else gets in, and nothing out.
    """
    network = "user,id=net0,restrict=on,hostfwd=tcp:127.0.0.1:0-:22"
    line = [
        *HARDWARE, "-display", "none", "-serial", f"file:{console}", "-qmp", "stdio",
        "-drive", f"file={disk},if=none,id=disk,format={form},cache=unsafe,discard=unmap",
        "-device", "virtio-blk-pci,drive=disk",
        "-netdev", network, "-device", "virtio-net-pci,netdev=net0,romfile=",
        "-device", "virtio-rng-pci",
    ]  # fmt: skip
    return line if state is None else [*line, "-incoming", f"exec:cat {state}"]


def ssh_config(port: int, keys: Path) -> str:
    """OpenSSH configuration for the machine; its host key was read from its disk, and no other is accepted."""
    return f"""\
Host {recipe.NAME}
  HostName 127.0.0.1
  Port {port}
  User root
  IdentityFile "{keys / "id_ed25519"}"
  IdentitiesOnly yes
  HostKeyAlias {recipe.NAME}
  UserKnownHostsFile "{keys / "known_hosts"}"
  StrictHostKeyChecking yes
  BatchMode yes
  LogLevel ERROR
"""


def _die_with_parent() -> None:
    """Ask the kernel to end this process when the one that started it ends, however that came."""
    ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGKILL)


class Machine:
    """A running guest, whose console's log and ssh configuration are in `folder`; leaving the context ends it.

    keys: the folder with the key to log in with and the known host's.
    """

    def __init__(self, disk: Path, form: str, keys: Path, folder: Path, state: Path | None = None) -> None:
        self.console = folder / "console.log"
        self.config = folder / "ssh_config"
        self._answers: Queue[dict[str, Any]] = Queue()
        self._errors = folder / "qemu.log"
        with self._errors.open("w") as errors:
            self._process = subprocess.Popen(
                command(disk, form, self.console, state),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                preexec_fn=_die_with_parent,
            )
        threading.Thread(target=self._listen, daemon=True).start()
        try:
            self.tell("qmp_capabilities")
            self.config.write_text(ssh_config(self._port(), keys))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Machine:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End it as pulling the plug does. Idempotent."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what was not yet written has nobody to read it
                    pipe.close()

    def _listen(self) -> None:
        assert self._process.stdout is not None  # PIPE above
        with contextlib.suppress(ValueError):  # closed under our hands: the end
            for line in self._process.stdout:
                message = json.loads(line)
                if "return" in message or "error" in message:  # the others are events
                    self._answers.put(message)

    def tell(self, word: str, **arguments: Any) -> Any:
        """Give QEMU a QMP command and return its answer. Raises VmError when it refuses, or has ended."""
        assert self._process.stdin is not None  # PIPE above
        try:
            self._process.stdin.write(json.dumps({"execute": word, "arguments": arguments}) + "\n")
            self._process.stdin.flush()
            answer = self._answers.get(timeout=ANSWER_SECONDS)
        except (OSError, Empty) as error:
            raise VmError(
                f"QEMU does not answer {word}: {self._errors.read_text().strip() or 'it says why nowhere'}."
            ) from error
        if "error" in answer:
            raise VmError(f"QEMU refuses {word}: {answer['error']['desc']}.")
        return answer["return"]

    def _port(self) -> int:
        text = self.tell("human-monitor-command", **{"command-line": "info usernet"})
        found = re.search(r"HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)", text)
        if not found:
            raise VmError(f"QEMU forwards no port to the machine: {text.strip()}")
        return int(found[1])

    def go_on(self) -> None:
        """Wait until the memory image is read, and let the guest run. Raises VmError when it cannot be read."""
        deadline = time.monotonic() + ANSWER_SECONDS
        while (status := self.tell("query-status")["status"]) == "inmigrate" and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        if status != "paused":  # as it was when its memory was written
            raise VmError(f"The machine does not go on from its snapshot ({status}): remove .cache/vm and try again.")
        self.tell("cont")

    def save(self, state: Path) -> None:
        """Stop the guest, write its memory to a file, and end QEMU so that its disk is whole too."""
        self.tell("stop")
        self.tell("migrate-set-parameters", **{"max-bandwidth": 1 << 34})  # the file is no network
        self.tell("migrate", uri=f"exec:cat > {state}")
        while (status := self.tell("query-migrate").get("status")) not in ("completed", "failed"):
            time.sleep(_POLL_SECONDS)
        if status == "failed":
            raise VmError(f"The machine's memory could not be written to {state}: look at the disk's free space.")
        self.tell("quit")
        self._process.wait(timeout=ANSWER_SECONDS)

    @property
    def pid(self) -> int:
        """QEMU's process id."""
        return self._process.pid

    def boots(self) -> int:
        """How many kernels have begun on the console since this machine was started (or went on)."""
        return self.console.read_text(errors="replace").count("] Linux version ")

    def ssh(self, script: str, check: bool = True) -> str:
        """Run a shell script as root in the guest; return its output, errors included.

        Raises VmError when it fails and `check` says so.
        """
        done = subprocess.run(
            ["ssh", "-F", str(self.config), recipe.NAME, script],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=COMMAND_SECONDS,
            check=False,
        )
        if check and done.returncode != 0:
            raise VmError(f"In the machine this failed with exit code {done.returncode}: {script}\n{done.stdout}")
        return done.stdout

    def wait_for_ssh(self) -> None:
        """Wait until one can log in. Raises VmError with the console's last lines when that takes too long."""
        deadline = time.monotonic() + BOOT_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(VmError, subprocess.TimeoutExpired):
                self.ssh("true")
                return
            time.sleep(_POLL_SECONDS)
        tail = "\n".join(self.console.read_text(errors="replace").splitlines()[-20:])
        raise VmError(f"One cannot log in to the machine; its console ends:\n{tail}")


def overlay(disk: Path, folder: Path) -> Path:
    """A disk in `folder` that begins as `disk` and keeps what is written to it for itself."""
    fresh = folder / "overlay.qcow2"
    line = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(disk), str(fresh)]
    subprocess.run(line, check=True)
    return fresh

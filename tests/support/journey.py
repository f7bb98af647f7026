"""`bin/rehearse` in a clone of the working tree, with a Python of choice, in the background."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path

from rehearsal import settings


def another_python() -> str | None:
    """Return an interpreter of another supported minor version than this one, newest first; None when there is none."""
    mine = platform.python_version()
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for minor in ("3.13", "3.12", "3.11"):
        candidates = [f"python{minor}", *(str(p) for p in sorted(versions.glob(f"{minor}.*/bin/python")))]
        for candidate in [] if mine.startswith(minor + ".") else candidates:
            try:
                done = subprocess.run([candidate, "-c", "import ensurepip"], capture_output=True, check=False)
            except OSError:
                continue
            if done.returncode == 0:
                return candidate
    return None


def clone(folder: Path) -> None:
    """Copy the working tree as git would clone it after a commit; images and wheels are shared by their recipe."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=settings.ROOT, capture_output=True, check=True
    ).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (settings.ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(settings.ROOT / name, folder / name, follow_symlinks=False)
    (folder / ".cache").symlink_to(settings.CACHE)


def environment() -> dict[str, str]:
    """Return this process's environment without settings that a newcomer would not have."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "GPULAB_", "ANSIBLE_"))}


class Journey:
    """A journey under way. `clone`: its folder; `python`: what its bin/setup takes; `arguments`: bin/rehearse's."""

    def __init__(self, folder: Path, python: str, *arguments: str) -> None:
        self.clone = folder / "clone"
        self.log = folder / "log"
        clone(self.clone)
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                ["bin/rehearse", *arguments],
                cwd=self.clone,
                env=environment() | {"PYTHON": python},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def wait(self) -> str:
        """Return its output once it has ended; AssertionError with its last lines where it did not exit 0."""
        code = self.process.wait()
        output = self.log.read_text(errors="replace")
        assert code == 0, "\n".join(output.splitlines()[-80:])
        return output

    def end(self) -> None:
        """End it as Ctrl-C would; it removes its hosts by itself."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait()

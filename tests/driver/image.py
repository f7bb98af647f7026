"""The images of driver test hosts: Debian's cloud kernel, its headers, DKMS and a compiler, and a stand-in GPU.

    python -m tests.driver.image        build both, if they are not there, and print their names

`bare` has no NVIDIA driver; `packages` has Debian's non-free 535 packages, installed by apt with a real DKMS run. Both
are the project's host image with more in it, and install offline: a repository of the real packages is inside. What is
made up (the GPU, and the memory of a kernel) is in stand_in/, which is mounted into hosts, so only what is copied from
there counts for the image's name.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

from rehearsal import image, settings
from rehearsal.podman import IMAGES, Podman, PodmanError
from tests.driver import module_cache

STAND_IN = Path(__file__).resolve().parent / "stand_in"
MOUNT = "/usr/local/lib/gpu-stand-in"
SHARE = "/usr/local/share/gpu-stand-in"
NAME = "localhost/gpulab/driver-host"
SYSTEM = "linux-image-cloud-amd64 linux-headers-cloud-amd64 dkms gcc libc6-dev make"
DRIVER = "nvidia-kernel-dkms nvidia-smi libcuda1 libnvidia-ml1 nvidia-persistenced"
COMMANDS = "depmod dmesg gpu-stand-in insmod lsmod lspci modinfo modprobe mokutil nvidia-modprobe rmmod uname"
"""Links in /usr/local/bin; nvidia-smi becomes one when a package brings it."""
BARE = f"""
export DEBIAN_FRONTEND=noninteractive
sed -i 's/ main.*/ main contrib non-free non-free-firmware/' /etc/apt/sources.list
cp -r {MOUNT}/filesystem/etc/initramfs-tools /etc/
apt-get -q update
apt-get -qy install --no-install-recommends {SYSTEM}
apt-get -qy install --no-install-recommends --download-only {DRIVER}
mkdir -p /srv/debian
cd /var/cache/apt/archives
rm -f binutils* cpp* gcc-12* lib*san* libgcc* libbinutils* libisl* libctf* libgprofng* libc6-dev* linux-image-[0-9]*
mv ./*.deb /srv/debian
cd /srv/debian && dpkg-scanpackages --multiversion . > Packages
cp -r {MOUNT}/filesystem/. /
rm -rf /var/lib/apt/lists/* && apt-get -q update
for name in libcuda libnvidia-ml; do
    gcc -shared -fPIC -O1 -Wl,-soname,$name.so.1 -o {SHARE}/$name.so {MOUNT}/$name.c
done
cp /mnt/built.tar.gz {SHARE}/
for name in {COMMANDS} systemd-detect-virt; do ln -s {MOUNT}/command /usr/local/bin/$name; done
gpu-stand-in kernel "$(ls /lib/modules)"
systemctl enable gpu-stand-in.service
"""
PACKAGES = f"""
export DEBIAN_FRONTEND=noninteractive
apt-get -qy install --no-install-recommends {DRIVER}
dkms status | grep -q ': installed'
"""
LOG = settings.CACHE / "containers" / "driver-image.log"
"""The log of a build that failed."""
_STEP_SECONDS = 900.0
_TAIL = 15


class Images(NamedTuple):
    """Names of the two images."""

    bare: str
    packages: str


def names(module: str) -> Images:
    """Their names; the tag changes whenever an image would. `module`: file name of the cached kernel module."""
    copied = sorted([*STAND_IN.glob("*.c"), *(path for path in STAND_IN.glob("filesystem/**/*") if path.is_file())])
    files = {str(file.relative_to(STAND_IN)): file.read_text() for file in copied}
    recipe = [image.reference(), module, BARE, PACKAGES, files]
    tag = hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:12]
    return Images(f"{NAME}-bare:{tag}", f"{NAME}-packages:{tag}")


def ensure() -> Images:
    """Build what is missing, and the kernel module and the host image before. Raises PodmanError with one sentence."""
    image.ensure()
    home = settings.CACHE / "containers" / "build"
    home.mkdir(parents=True, exist_ok=True)
    with (home.parent / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the store has one writer, see rehearsal.image
        podman = Podman(home, root=IMAGES)
        podman.prepare(image.runtime())
        try:
            if (cached := module_cache.cached()) and _present(podman, names(cached.tarball.name)):
                return names(cached.tarball.name)
            # The packages of the module that is installed beside it must be the mirror's newest.
            built = module_cache.ensure(refresh=True)
            found = names(built.tarball.name)
            if not _present(podman, found):
                _say("building the driver hosts' images (two minutes or so)")
                _build(podman, image.reference(), found.bare, BARE, built.tarball)
                _build(podman, found.bare, found.packages, PACKAGES, built.tarball)
            return found
        finally:
            podman.dismantle()


def _present(podman: Podman, wanted: Images) -> bool:
    lines = podman.call("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    return set(wanted) <= set(lines)


def _build(podman: Podman, base: str, name: str, script: str, tarball: Path) -> None:
    """Run the script in a container of `base`, and keep what it leaves under that name."""
    work = podman.home / "driver-image"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    shutil.copyfile(tarball, work / "built.tar.gz")
    worker = "driver-image"
    # Nothing may be mounted below /run: the mount points would stay in the image and fill every host's /run.
    volumes = [f"--volume={work}:/mnt", f"--volume={STAND_IN}:{MOUNT}:ro"]
    try:
        podman.call(
            *("run", "--replace", f"--name={worker}", "--pull=never", "--network=host", "--systemd=false", *volumes),
            *(base, "sh", "-euc", f"exec > /mnt/log 2>&1\n{script}"),
            timeout=_STEP_SECONDS,
        )
    except PodmanError as error:
        written = work / "log"
        text = written.read_text(errors="replace") if written.exists() else ""
        LOG.write_text(text)
        tail = "\n".join(text.splitlines()[-_TAIL:])
        raise PodmanError(f"{error} The log is {LOG} and ends:\n{tail}") from error
    podman.call("commit", "--quiet", worker, name, timeout=_STEP_SECONDS)
    podman.call("rm", "--force", "--time=0", worker)


def _say(text: str) -> None:
    print(f"driver image: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        print(json.dumps(ensure()._asdict(), indent=1))
    except PodmanError as error:
        sys.exit(f"driver image: {error}")

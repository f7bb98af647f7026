"""What is in the virtual machine: Debian 12 on a kernel of its own, and an NVIDIA host that an upgrade left half done.

Real: kernel, GRUB, DKMS, Debian's NVIDIA packages, and its module as tests.driver.module_cache built it: in the state
that DKMS calls built, not installed. Stand-ins: the older module that is installed and loaded in its place
(stale_module/), and `lspci` (guest/usr/local/sbin), because there is no GPU.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from rehearsal import image
from tests.driver import module_cache

HERE = Path(__file__).resolve().parent
NAME = "gpu-vm"
STALE = "535.261.03"
"""The module that stands in for the one before the upgrade: what Debian 12 had before 535.288."""
MEMORY_MB = 2048
DISK_MB = 6144
BOOT = "console=ttyS0 net.ifnames=0 mitigations=off nopti"
"""Kernel arguments. Emulation has none of the flaws that mitigations slow it down for."""
ADDRESS, GATEWAY, RESOLVER = "10.0.2.15", "10.0.2.2", "10.0.2.3"
"""QEMU's user network has these, in every machine."""
PACKAGES = (
    "linux-image-cloud-amd64",
    "linux-headers-cloud-amd64",
    "initramfs-tools",
    "grub-pc",
    "dkms",
    "gcc",
    "make",
    "patch",
    "nvidia-kernel-dkms",
    "nvidia-kernel-support",
    "nvidia-modprobe",
    "nvidia-smi",
    "libcuda1",
)
SLOW_UNITS = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "unattended-upgrades.service",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "grub-common.service",
    "grub-initrd-fallback.service",
    "modprobe@drm.service",
    "kmod-static-nodes.service",
    "systemd-pstore.service",
    "systemd-timesyncd.service",
    "systemd-networkd-wait-online.service",
    "systemd-tmpfiles-clean.timer",
    "getty@tty1.service",
)
"""Not what is tested, and each takes seconds of an emulated processor."""
FILES = {
    "etc/hostname": f"{NAME}\n",
    "etc/hosts": f"127.0.0.1 localhost\n127.0.1.1 {NAME}\n",
    "etc/resolv.conf": f"nameserver {RESOLVER}\n",
    "etc/fstab": "LABEL=root / ext4 defaults 0 1\n",
    "etc/systemd/network/eth0.network": f"[Match]\nName=eth0\n[Network]\nAddress={ADDRESS}/24\nGateway={GATEWAY}\n",
    "etc/default/grub": f"""\
GRUB_TIMEOUT=0
GRUB_TERMINAL=console
GRUB_DISABLE_OS_PROBER=true
GRUB_CMDLINE_LINUX="{BOOT}"
""",
    "etc/cloud/cloud-init.disabled": "",
}
"""Path to content, root's, mode 0644: written when the container that installed the packages has gone."""
INSTALL = f"""
sed -i 's/ main.*/ main contrib non-free non-free-firmware/' /etc/apt/sources.list
mkdir -p /etc/dkms /etc/initramfs-tools/conf.d
# The module comes from the cache; DKMS would build it here once more.
touch /etc/dkms/no-autoinstall
# A small initramfs is quickly read, and quickly made anew.
echo MODULES=list > /etc/initramfs-tools/conf.d/modules
printf '%s\\n' virtio_pci virtio_blk ext4 >> /etc/initramfs-tools/modules
export DEBIAN_FRONTEND=noninteractive
apt-get -q update
apt-get -qy install --no-install-recommends {" ".join(PACKAGES)}
apt-get clean
rm -rf /etc/dkms/no-autoinstall /var/lib/apt/lists/*
systemctl mask {" ".join(SLOW_UNITS)}
systemctl enable systemd-networkd.service
ssh-keygen -A
"""
BREAK = f"""
# Debian's module: its source from the package, its binaries from the cache.
dkms ldtarball --archive /module/module.tar.gz
dkms status -m {module_cache.MODULE} -v "$VERSION" -k "$KERNEL" | grep ': built$'
# The stand-in for the module before it.
stale=/usr/src/{module_cache.MODULE}-{STALE}
mkdir "$stale"
for file in /recipe/stale_module/*; do sed 's/@VERSION@/{STALE}/' "$file" > "$stale/${{file##*/}}"; done
dkms add -m {module_cache.MODULE} -v {STALE}
dkms install -m {module_cache.MODULE} -v {STALE} -k "$KERNEL"
cp -a /recipe/guest/. /
chown -R root:root /usr/local/sbin
"""
LOADER = f"""
# What grub-install does, less the asking which disk it is on.
mkdir -p /boot/grub
cp -r /usr/lib/grub/i386-pc /boot/grub/
grub-mkimage -O i386-pc -o /out/core.img -p '(hd0,msdos1)/boot/grub' biosdisk part_msdos ext2
cp /usr/lib/grub/i386-pc/boot.img /out/
cat > /boot/grub/grub.cfg <<END
linux /boot/vmlinuz-$KERNEL root=LABEL=root ro {BOOT}
initrd /boot/initrd.img-$KERNEL
boot
END
"""
SCRIPT = INSTALL + BREAK + LOADER
FIRST_BOOT = f"""
update-grub
modprobe {module_cache.MODULE}
modprobe {module_cache.MODULE}-uvm
sync
"""
"""Run in the machine itself, before the snapshot: GRUB's own configuration, and the stale module is loaded."""


def recipe_hash(module: str, hardware: list[str]) -> str:
    """Twelve hex digits for the recipe, the module's name and QEMU: its version, and the machine that it emulates."""
    folders = [
        file for name in ("guest", "stale_module") for file in sorted((HERE / name).rglob("*")) if file.is_file()
    ]
    files = {str(file.relative_to(HERE)): file.read_text() for file in folders}
    parts = [image.reference(), SCRIPT, FIRST_BOOT, FILES, files, DISK_MB, module, hardware]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]
